"""What a study's results depend on: two studies may share a directory only if all of it is equal."""

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from messsim.files import sha256
from messsim.results.provenance import files_of
from messsim.scenario import Scenario
from messsim.version import __version__

from .points import Point, in_words

__all__ = ["DATA_FILES", "Contents", "contents", "difference", "hashed"]

Contents = dict[str, str | dict[str, str]]  # by part; of the files by what names each
DATA_FILES = "data files"
MOST_NAMED = 3


def contents(
    study: str, base: Scenario, points: Sequence[Point], scenarios: Sequence[Scenario], *, several: bool = False
) -> Contents:
    """Hashes of all that decides a study's results.

    Parameters
    ----------
    study
        The command.
    base
        What the points change.
    points
        Values by key path.
    scenarios
        The base at each point; or the base alone, where points change nothing that is read from files.
    several
        Whether points change more of the base than their values by key path say.

    Returns
    -------
    dict
        The command and the version, and hashes of scenario and points; of each data file under the key that names it
        and its name, modules that a policy imports among them; and, where a point names a profile of one's own, of its
        figures.
    """
    sha = cache(_sha)
    files = {f"{key} = {name}": sha(s.path(name)) for s in scenarios for key, name in files_of(s)}
    return {
        "command": study,
        "messsim": __version__,
        "scenario": hashed([_whole(s) for s in scenarios] if several else _whole(base)),
        "points": hashed(list(points)),
        DATA_FILES: files | _own_figures(base, points, scenarios),
    }


def _whole(scenario: Scenario) -> Any:
    return scenario.model_dump(mode="json", by_alias=True)


def _own_figures(base: Scenario, points: Sequence[Point], scenarios: Sequence[Scenario]) -> dict[str, str]:
    """Of pools whose figures are not the base's, by pool and point."""
    usual = {_figures(pool) for pool in base.fleet}
    return {
        f"profile of {pool.name} at {in_words(point)}": hashed(figures)
        for point, scenario in zip(points, scenarios, strict=False)
        for pool in scenario.fleet
        if (figures := _figures(pool)) not in usual
    }


def _figures(pool: Any) -> str:
    """What a profile file says of a pool: its figures, and what they are of."""
    return "" if pool.coefficients is None else json.dumps(pool.model_dump(mode="json"), default=str)


def hashed(value: Any) -> str:
    """SHA-256 of a value as JSON."""
    return hashlib.sha256(json.dumps(value, default=str).encode()).hexdigest()


def _sha(path: Path) -> str:
    try:
        return sha256(path) if path.is_file() else "absent"
    except OSError:
        return "absent"  # its points fail, and say so


def difference(ours: Contents, theirs: Any) -> str | None:
    """In which parts two studies differ, with the files that do; None where they are the same.

    Raises
    ------
    KeyError, TypeError
        If `theirs` is no study's contents.
    """
    parts = [part for part, value in ours.items() if theirs[part] != value]
    if not parts:
        return None
    text = " and ".join(parts)
    changed = _changed(ours[DATA_FILES], theirs[DATA_FILES])
    more = f" and {len(changed) - MOST_NAMED} more" if len(changed) > MOST_NAMED else ""
    return f"{text}; changed: {', '.join(changed[:MOST_NAMED])}{more}" if changed else text


def _changed(ours: Any, theirs: Any) -> list[str]:
    if not isinstance(ours, dict) or not isinstance(theirs, dict):
        return []
    return [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
