"""A directory of results that is complete or absent."""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from messsim.errors import OutputError

__all__ = ["check_free", "complete_or_absent", "whole_or_absent", "write_file", "write_texts", "writing"]


def check_free(target: Path, kind: str = "directory") -> None:
    """Raises before a run if its results could not be written in the end.

    Raises
    ------
    OutputError
        If the directory (or file) exists already, or its parent cannot be written to.
    """
    if target.exists():
        raise OutputError(f"{target}: exists already; expected a {kind} that is yet to be made")
    parent = target.absolute().parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir():
        raise OutputError(f"{target}: {parent} is no directory")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(f"{target}: {parent} cannot be written to")


@contextlib.contextmanager
def complete_or_absent(target: Path) -> Iterator[Path]:
    """Gives a directory beside the target; it becomes the target if all goes well, and vanishes if not."""
    check_free(target)
    beside = target.absolute().with_name(f".{target.name}.{os.getpid()}.partial")
    made = [parent for parent in beside.parents if not parent.exists()]
    try:
        with writing(target):
            beside.mkdir(parents=True)
        yield beside
        with writing(target):
            beside.rename(target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        for parent in made:  # the innermost first; those that are in use stay
            with contextlib.suppress(OSError):
                parent.rmdir()


def write_texts(target: Path, texts: dict[str, str]) -> None:
    """Writes a directory of text files by name, all of them or none.

    Raises
    ------
    OutputError
        If it exists already or cannot be written.
    """
    with complete_or_absent(target) as beside, writing(target):
        for name, text in texts.items():
            (beside / name).write_text(text, encoding="utf-8")


def write_file(target: Path, content: bytes) -> None:
    """Writes a file that appears whole or not at all; one that is there already is replaced."""
    with whole_or_absent(target) as beside:
        beside.write_bytes(content)


@contextlib.contextmanager
def whole_or_absent(target: Path) -> Iterator[Path]:
    """Gives a file beside the target; it takes the target's place if all goes well, and vanishes if not."""
    beside = target.absolute().with_name(f".{target.name}.{os.getpid()}.partial")
    with writing(target):
        try:
            beside.parent.mkdir(parents=True, exist_ok=True)
            yield beside
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(target: Path) -> Iterator[None]:
    """Turns what goes wrong while writing into an OutputError that names the target."""
    try:
        yield
    except Exception as error:
        reason = _reason(error)
        if reason is None:
            raise
        raise OutputError(f"{target}: cannot be written: {reason}; nothing is left of it") from error


def _reason(error: Exception) -> str | None:
    """What the system said against writing, if it was the system; Polars has errors of its own for it."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if type(error).__module__.startswith("polars"):
        return re.sub(r"^.*IO error: (.*?)( \(os error \d+\))?$", r"\1", str(error), flags=re.DOTALL)
    return None
