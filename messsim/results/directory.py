"""Results that are complete or absent: written beside their place, put there when they are whole."""

import contextlib
import fcntl
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

from messsim.errors import OutputError, system_error
from messsim.files import partial_name, partial_names

from .targets import check_free, check_replaceable

__all__ = [
    "complete_or_absent",
    "in_progress",
    "leftover_notes",
    "leftovers",
    "whole_or_absent",
    "write_file",
    "write_texts",
    "writing",
]

NOTHING_LEFT = "nothing is left of it"


@contextlib.contextmanager
def complete_or_absent(target: Path) -> Iterator[Path]:
    """Gives a directory beside the target; it becomes the target if all goes well, and vanishes if not.

    Raises
    ------
    OutputError
        If the target cannot be written. Where somebody made it meanwhile, what was to be there is kept, and the
        error tells under which name.
    """
    check_free(target)
    beside = partial_name(target)
    made = [parent for parent in beside.parents if not parent.exists()]
    with contextlib.ExitStack() as held:
        try:
            with writing(target):
                beside.mkdir(parents=True)
                held.enter_context(_locked(beside))
            yield beside
            _put_in_place(beside, target)
        except _KeptElsewhere:
            raise
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            for parent in made:  # the innermost first; those that are in use stay
                with contextlib.suppress(OSError):
                    parent.rmdir()
            raise


class _KeptElsewhere(OutputError):
    """The name was taken; the results are whole under another one."""


def _put_in_place(beside: Path, target: Path) -> None:
    try:
        beside.rename(target)
    except OSError as error:
        if not beside.exists():
            raise OutputError(f"{target}: cannot be written: {error.strerror}; {NOTHING_LEFT}") from error
        kept = _put_under_another_name(beside, target)
        raise _KeptElsewhere(
            f"{target}: cannot be written: {error.strerror}; what was to be there is whole in {kept}"
        ) from error


def _put_under_another_name(beside: Path, target: Path) -> Path:
    """The first of NAME-2, NAME-3, ... that is free; none where no name can be given."""
    for number in range(2, 100):
        other = target.with_name(f"{target.name}-{number}")
        if not os.path.lexists(other):
            with contextlib.suppress(OSError):
                return beside.rename(other)
    return beside


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
def whole_or_absent(target: Path, kept: str = NOTHING_LEFT) -> Iterator[Path]:
    """Gives a file beside the target; it takes the target's place if all goes well, and vanishes if not.

    Where the target is a link, what it leads to is replaced, and the link stays. `kept` is what an error says is left.
    """
    check_replaceable(target)
    place = target.resolve() if target.is_symlink() else target
    beside = partial_name(place)
    with writing(target, kept):
        try:
            beside.parent.mkdir(parents=True, exist_ok=True)
            beside.touch(exist_ok=False)
            with _locked(beside):
                yield beside
                beside.replace(place)
        finally:
            beside.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """While this lasts the file or directory is in use; the system ends that however the process ends."""
    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(opened)


def leftovers(target: Path) -> list[Path]:
    """Partial results for a target whose process was killed: those that nobody writes any more."""
    return [path for path in _partial(target) if _abandoned(path)]


def in_progress(target: Path) -> list[Path]:
    """Partial results for a target that are being written."""
    return [path for path in _partial(target) if path.is_dir() and not _abandoned(path)]


def _partial(target: Path) -> list[Path]:
    pattern = partial_names(target)
    try:
        names = sorted(path.name for path in target.absolute().parent.iterdir() if pattern.fullmatch(path.name))
    except OSError:
        return []
    return [target.absolute().with_name(name) for name in names]


def leftover_notes(target: Path) -> list[str]:
    """A line for each of them, with how to be rid of it."""
    return [
        f"{path} is left of a command that was killed; to remove it: rm -r {shlex.quote(str(path))}"
        for path in leftovers(target)
    ]


def _abandoned(path: Path) -> bool:
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(opened)
    return True


@contextlib.contextmanager
def writing(target: Path, kept: str = NOTHING_LEFT) -> Iterator[None]:
    """Turns what goes wrong while writing into an OutputError that names the target and what is kept of it."""
    try:
        yield
    except BaseException as error:  # a panic of Polars is no Exception
        reason = _reason(error)
        if reason is None:
            raise
        raise OutputError(f"{target}: cannot be written: {reason}; {kept}") from error


def _reason(error: BaseException) -> str | None:
    """What the system said against writing, if it was the system; Polars has errors of its own for it."""
    if (refusal := system_error(error)) is not None:
        return refusal.strerror or str(refusal)
    if type(error).__module__.startswith("polars"):
        return re.sub(r"^.*IO error: (.*?)( \(os error \d+\))?$", r"\1", str(error), flags=re.DOTALL)
    return None
