"""How long real models' answers are, by task: the histograms of answer_lengths.json."""

import json
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import TypedDict

import numpy as np

from messsim.scenario import Scenario
from messsim.scenario.laws import Builtin, TokenLaw

from .chunk import Floats, Ints

__all__ = ["Answers", "answers_of", "names_of", "problems_of_answers"]


class Histogram(TypedDict):
    """Counts of answers in bins of equal width from the shortest to the longest, tokens."""

    least: float
    most: float
    counts: list[int]


@dataclass(frozen=True)
class Answers:
    """A law of answer tokens: counts, with their weights. Within a bin of the histogram all counts are as likely."""

    tokens: Ints
    weights: Floats


@cache
def _tasks() -> dict[str, dict[str, Histogram]]:
    text = files("messsim.workload").joinpath("answer_lengths.json").read_text(encoding="utf-8")
    tasks: dict[str, dict[str, Histogram]] = json.loads(text)["tasks"]
    return tasks


def answers_of(law: Builtin, names: tuple[str, ...]) -> Answers:
    """The law of a model known by these names, unless it names one itself; `problems_of_answers` found none."""
    models = _tasks()[law.task]
    entry = _entry(models, names if law.model is None else (law.model,))
    assert entry is not None
    return _answers(law.task, entry)


@cache
def _answers(task: str, model: str) -> Answers:
    entry = _tasks()[task][model]
    counts = np.array(entry["counts"], np.float64)
    edges = np.ceil(np.linspace(entry["least"], entry["most"], len(counts) + 1)).astype(np.int64)
    edges[-1] += 1  # the last bin has its upper edge too
    sizes = np.diff(edges)
    return Answers(np.arange(edges[0], edges[-1], dtype=np.int32), np.repeat(counts / sizes, sizes))


def _entry(models: dict[str, Histogram], names: tuple[str, ...]) -> str | None:
    """The model so named: whole, without its maker, or by the beginning of its name; the shortest of several."""
    for name in names:
        asked = name.lower()
        short = {model: model.lower().rpartition("/")[2] for model in models}
        for matches in (
            [m for m in models if m.lower() == asked],
            [m for m in models if short[m] == asked],
            [m for m in models if short[m].startswith(f"{asked}-")],
        ):
            if matches:
                return min(matches, key=len)
    return None


def names_of(scenario: Scenario, model: int) -> tuple[str, ...]:
    """What a model of a scenario may be known by: its name, its profiles."""
    described = scenario.models[model]
    profiles = [described.profile, *(p.profile for p in scenario.pools if p.serves == described.name)]
    return (described.name, *(p for p in profiles if p is not None))


def problems_of_answers(scenario: Scenario) -> list[str]:
    """One line for each law that names a task or a model of which no lengths are built in."""
    own = [(f"models.{i}.output", m.output, (i,)) for i, m in enumerate(scenario.models)]
    others = tuple(i for i, m in enumerate(scenario.models) if m.output is None)
    everyone = tuple(range(len(scenario.models)))
    laws: list[tuple[str, TokenLaw | None, tuple[int, ...]]] = [*own, ("tokens.output", scenario.tokens.output, others)]
    laws += [(f"phases.{i}.output", p.output, everyone) for i, p in enumerate(scenario.phases)]
    return [
        problem
        for key, law, models in laws
        if law is not None and law.kind == "builtin"
        for problem in _problems(scenario, key, law, models)
    ]


def _problems(scenario: Scenario, key: str, law: Builtin, models: tuple[int, ...]) -> list[str]:
    if law.task not in _tasks():
        return [f"{key}.task = {law.task!r}: no such task; {_expected(law.task, list(_tasks()))}"]
    known = _tasks()[law.task]
    if law.model is not None:
        if _entry(known, (law.model,)) is not None:
            return []
        return [
            f"{key}.model = {law.model!r}: no lengths of its answers to {law.task}; {_expected(law.model, [*known])}"
        ]
    return [
        f"{key}: no lengths of the answers of {scenario.model_names[m]} to {law.task} are built in; name another model "
        f"by {key}.model; {_expected(names_of(scenario, m)[-1], [*known])}"
        for m in models
        if _entry(known, names_of(scenario, m)) is None
    ]


def _expected(name: str, known: list[str]) -> str:
    """The nearest names, or else all."""
    short = {entry.lower().rpartition("/")[2]: entry for entry in known}
    near = get_close_matches(name.lower().rpartition("/")[2], short, n=3, cutoff=0.5)
    if near:
        return f"did you mean {', '.join(repr(short[n]) for n in near)}?"
    return f"expected one of {', '.join(known)}"
