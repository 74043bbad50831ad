"""Where commands write: looked at before anything is computed, written before anything is printed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .base import console, print_json, print_written, stderr

__all__ = ["check_file", "check_named_file", "check_out", "hand_over", "print_notes", "tell_leftovers"]


def check_out(out: Path | None, kind: str = "directory") -> list[str]:
    """Refuses at the start what could not be written at the end: see `messsim.results.check_free`.

    Returns
    -------
    list of str
        What it noted: see `tell_leftovers`.
    """
    from messsim.results.targets import check_free

    if out is None:
        return []
    check_free(out, kind)
    return tell_leftovers(out)


def check_named_file(out: Path | None) -> None:
    """The same for a new file that a scenario is to name."""
    from messsim.results.targets import check_nameable

    check_out(out, "file")
    if out is not None:
        check_nameable(out)


def check_file(out: Path | None) -> None:
    """The same for a file that is replaced if it is there already."""
    from messsim.results.targets import check_replaceable

    if out is not None:
        check_replaceable(out)
        tell_leftovers(out)


def tell_leftovers(out: Path | None) -> list[str]:
    """Names what a killed command left beside a place, and how to be rid of it; the lines that it prints."""
    from messsim.results.directory import leftover_notes

    notes = [] if out is None else leftover_notes(out)
    print_notes(notes)
    return notes


def print_notes(notes: Iterable[str]) -> None:
    """A line for each, on standard error."""
    for note in notes:
        stderr.print_plain(f"note: {note}", "yellow")


def hand_over(
    result: Mapping[str, Any],
    tables: Callable[[], Any],
    as_json: bool,
    out: Path | None = None,
    write: Callable[[Path], Sequence[str] | None] | None = None,
) -> None:
    """Writes and prints what a study found; where it cannot be written it is printed all the same.

    Parameters
    ----------
    found
        What ``--json`` prints.
    tables
        What people read.
    as_json
        Which of them.
    out
        Where to write; none: nowhere.
    write
        Writes, and returns notes.
    """
    notes: Sequence[str] = ()
    try:
        if out is not None and write is not None:
            notes = write(out) or ()
    finally:
        if as_json:
            print_json(result)
        else:
            console.print(tables())
    print_notes(notes)
    if not as_json:
        print_written(out)
