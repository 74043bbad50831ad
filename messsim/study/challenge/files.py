"""What ``challenge --out`` writes, and a report reads."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from messsim.errors import OutputError
from messsim.plot.figure import library
from messsim.report.base.page import html
from messsim.report.challenge.facts import Challenge
from messsim.report.challenge.tables import challenge_page
from messsim.results import write_parquet
from messsim.results.directory import complete_or_absent, writing
from messsim.results.reading import read_whole
from messsim.scenario import Scenario, dump

from ..runs.rows import Row, frame_of

__all__ = ["CHALLENGE", "read_challenge", "write_challenge"]

CHALLENGE = "challenge.json"


def _challenge_json(found: Challenge) -> str:
    """What ``--json`` prints."""
    return json.dumps(dataclasses.asdict(found), indent=2, allow_nan=False) + "\n"


def write_challenge(out: Path, scenarios: Mapping[str, Scenario], found: Challenge, rows: Sequence[Row]) -> list[str]:
    """Writes a directory, whole or not at all.

    ``challenge.json`` is what ``--json`` prints, ``results.parquet`` has a row for each condition, policy and
    replication, ``scenarios/`` the scenarios as they were run, ``report.html`` the page.

    Returns
    -------
    list of str
        Why there is no page, where there is none.

    Raises
    ------
    OutputError
        If it exists already or cannot be written.
    """
    notes = []
    with complete_or_absent(out) as beside, writing(out):
        (beside / "scenarios").mkdir()
        for name, scenario in scenarios.items():
            (beside / "scenarios" / f"{name}.toml").write_text(dump(scenario), encoding="utf-8")
        (beside / CHALLENGE).write_text(_challenge_json(found), encoding="utf-8")
        write_parquet(frame_of(rows), beside / "results.parquet")
        try:
            library()
        except OutputError as error:
            notes.append(f"there is no report.html: {error}")
        else:
            (beside / "report.html").write_bytes(html(challenge_page(found)))
    return notes


def read_challenge(directory: Path) -> Challenge:
    """What a challenge found.

    Raises
    ------
    OutputError
        If it is damaged, or another version wrote it.
    """
    return read_whole(directory / CHALLENGE, Challenge)
