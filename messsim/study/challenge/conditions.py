"""The conditions of a challenge: scenarios that ship."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from messsim.errors import ScenarioError
from messsim.scenario import Scenario, load
from messsim.scenario.shipped import shipped_folder

__all__ = ["CONDITIONS", "conditions", "conditions_folder", "questions"]

CONDITIONS = (
    *("stationary", "cold-start", "sudden-drift", "gradual-drift", "model-added", "model-withdrawn"),
    *("late", "sparse", "one-sided", "biased", "complaints-only", "poisoned", "overload", "failures", "instances"),
)


def conditions_folder() -> Path:
    """Where the scenarios of the challenge are."""
    return shipped_folder() / "challenge"


def conditions(
    names: Sequence[str] = CONDITIONS, *, requests: int | None = None, seed: int | None = None
) -> dict[str, Scenario]:
    """The scenarios of conditions, by name; with fewer or more requests, phases move with them.

    Raises
    ------
    ScenarioError
        If there is no such condition, one is named twice, or none is.
    """
    if not names:
        raise ScenarioError(f"--conditions: names none; expected any of {', '.join(CONDITIONS)}")
    for name in names:
        if name not in CONDITIONS:
            raise ScenarioError(f"--conditions: {name!r}: expected any of {', '.join(CONDITIONS)}")
        if list(names).count(name) > 1:
            raise ScenarioError(f"--conditions: {name} is named twice")
    folder = conditions_folder()
    flags = {} if seed is None else {"seed": seed}
    collected = {name: load(folder / f"{name}.toml", None, **flags) for name in names}
    return collected if requests is None else {name: _stretched(s, requests) for name, s in collected.items()}


def questions() -> dict[str, str]:
    """What each condition asks: the comment that its scenario begins with."""
    texts = {}
    for name in CONDITIONS:
        comment = (conditions_folder() / f"{name}.toml").read_text(encoding="utf-8").split("\n\n")[0]
        texts[name] = " ".join(line.removeprefix("#").strip() for line in comment.splitlines())
    bare = {name: text.removeprefix("Question: ") for name, text in texts.items()}
    return {name: text[:1].upper() + text[1:] for name, text in bare.items()}


def _stretched(scenario: Scenario, requests: int) -> Scenario:
    """So many requests, fewer where a condition is about having few; phases begin at the same share of them."""
    assert scenario.requests is not None
    if not scenario.phases:
        return scenario.changed(
            requests=min(requests, scenario.requests) if scenario.name == "cold-start" else requests
        )
    factor = requests / scenario.requests
    moved = [
        p.model_copy(
            update={
                "from_request": None if p.from_request is None else round(factor * p.from_request),
                "over_requests": None if p.over_requests is None else max(1, round(factor * p.over_requests)),
            }
        )
        for p in scenario.phases
    ]
    return scenario.changed(requests=requests, phases=moved)
