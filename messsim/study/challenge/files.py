"""What ``challenge --out`` writes, and a report reads."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

from messsim.errors import OutputError
from messsim.plot.figure import library
from messsim.report.base.page import html
from messsim.report.challenge.facts import Challenge
from messsim.report.challenge.tables import challenge_page
from messsim.results.directory import write_file, write_texts
from messsim.results.reading import read_whole
from messsim.scenario import Scenario, dump

from .conditions import questions

__all__ = ["CHALLENGE", "read_challenge", "write_challenge"]

CHALLENGE, SCENARIOS = "challenge.json", "scenarios"


def write_challenge(out: Path, scenarios: Mapping[str, Scenario], challenge: Challenge) -> list[str]:
    """Writes what came of a challenge into its directory, beside its runs.

    ``challenge.json`` is what ``--json`` prints, ``scenarios/`` the scenarios as they were run, ``report.html`` the
    page.

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
    write_file(out / CHALLENGE, (json.dumps(dataclasses.asdict(challenge), indent=2, allow_nan=False) + "\n").encode())
    try:
        library()
    except OutputError as error:
        return [f"there is no report.html: {error}"]
    write_file(out / "report.html", html(challenge_page(challenge, questions())))
    return []


def read_challenge(directory: Path) -> Challenge:
    """What a challenge found.

    Raises
    ------
    OutputError
        If it is damaged, or another version wrote it.
    """
    return read_whole(directory / CHALLENGE, Challenge)
