"""Where results may go: all that can be known before a run starts."""

import os
import tempfile
from pathlib import Path

from messsim.errors import OutputError
from messsim.files import is_utf8

__all__ = ["check_free", "check_nameable", "check_replaceable"]

PARTIAL_BYTES = 64  # room for the name that results have while they are written, beside their own


def check_free(target: Path, kind: str = "directory") -> None:
    """Raises before a run if its results could not be written in the end.

    Raises
    ------
    OutputError
        If the directory (or file) exists already, its name is too long, or its parent is none or cannot be written to.
    """
    _check_name(target)
    if os.path.lexists(target):
        raise OutputError(f"{target}: exists already; expected a {kind} that is yet to be made")
    _check_parent(target)


def check_replaceable(target: Path) -> None:
    """Raises before a run if a file could not be written in the end, or put in place of the one that is there.

    Raises
    ------
    OutputError
        If it is a directory, a device, a pipe, a link to nowhere or write-protected, its name is too long, or its
        parent is none or cannot be written to.
    """
    _check_name(target)
    if os.path.lexists(target):
        if target.is_dir():
            raise OutputError(f"{target}: is a directory; expected the name of a file to write")
        if not target.is_file():
            raise OutputError(f"{target}: is a device or a pipe; expected the name of a file to write")
        if not os.access(target, os.W_OK):
            raise OutputError(f"{target}: cannot be written to; expected a file that may be replaced")
    _check_parent(target.resolve() if target.is_symlink() else target)


def check_nameable(target: Path) -> None:
    """Raises an OutputError if no scenario beside a file could name it, nor be named as it is: TOML is UTF-8."""
    if not is_utf8(Path(target.name)):
        raise OutputError(f"{target}: is not UTF-8, so that no scenario can name it; expected another name")


def _check_name(target: Path) -> None:
    """It must be one that the system can hold, and no link to nowhere."""
    if target.name in ("", ".."):
        raise OutputError(f"{target}: is no name; expected one for what is to be written")
    path, there = target.absolute(), _there(target)
    if there.is_dir():
        for name in path.relative_to(there).parts:
            _check_length(target, name, "name", os.pathconf(there, "PC_NAME_MAX"))
        _check_length(target, str(path), "path", os.pathconf(there, "PC_PATH_MAX") - PARTIAL_BYTES)
    if target.is_symlink() and not target.exists():
        raise OutputError(f"{target}: is a link to {target.readlink()}, which is not there; expected another name")


def _there(target: Path) -> Path:
    """The nearest folder above that is there."""
    return next(parent for parent in target.absolute().parents if os.path.lexists(parent))


def _check_parent(target: Path) -> None:
    """The nearest folder that is there must take what has to be made in it."""
    there = _there(target)
    if not there.is_dir():
        raise OutputError(f"{target}: {there} is no directory")
    if not os.access(there, os.W_OK | os.X_OK):
        raise OutputError(f"{target}: {there} cannot be written to")
    try:
        tempfile.TemporaryDirectory(prefix=".messsim.", dir=there).cleanup()
    except OSError as error:  # a full or read-only disk, which no permission bit shows
        raise OutputError(f"{target}: {there} cannot be written to: {error.strerror}") from None


def _check_length(target: Path, text: str, what: str, most: int) -> None:
    size = len(os.fsencode(text))
    if size > most:
        shown = f"{str(target)[:40]}..."
        raise OutputError(f"{shown}: a {what} of {size} bytes; expected at most {most}")
