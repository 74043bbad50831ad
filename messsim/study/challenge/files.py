"""What ``challenge --out`` writes, and a report reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

from messsim.files import json_text
from messsim.results.directory import write_file, write_texts
from messsim.results.reading import read_whole
from messsim.scenario import Scenario, dump
from messsim.shapes.challenge import Challenge

from ..runs.pictures import add_pictures

__all__ = ["CHALLENGE", "read_challenge", "write_challenge"]

CHALLENGE, SCENARIOS = "challenge.json", "scenarios"


def write_challenge(
    out: Path,
    scenarios: Mapping[str, Scenario],
    challenge: Challenge,
    *,
    page: Callable[[Challenge], Mapping[str, bytes]] | None = None,
) -> list[str]:
    """Writes what came of a challenge into its directory, beside its runs.

    ``challenge.json`` is what ``--json`` prints, ``scenarios/`` the scenarios as they were run.

    Parameters
    ----------
    out
        The directory.
    scenarios, challenge
        What was run, and what `messsim.study.challenge.routers.challenge` returned.
    page
        Makes files beside them, by name: the report.

    Returns
    -------
    list of str
        Why there is no page, where there is none.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    if not (out / SCENARIOS).exists():
        write_texts(out / SCENARIOS, {f"{name}.toml": dump(scenario) for name, scenario in scenarios.items()})
    write_file(out / CHALLENGE, json_text(dataclasses.asdict(challenge)).encode())
    return [] if page is None else add_pictures(out, "report.html", lambda: page(challenge))


def read_challenge(directory: Path) -> Challenge:
    """What a challenge found.

    Raises
    ------
    OutputError
        If it is damaged, or another version wrote it.
    """
    return read_whole(directory / CHALLENGE, Challenge)
