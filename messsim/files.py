"""Opening the files that a user names: a path is a path, and what is no plain file is refused by its kind.

Whatever reads such a file opens it here. Polars gets the open file and never the name: it would expand ``[ ] * ?`` in
it, and cannot take one that is not UTF-8.
"""

import hashlib
import json
import math
import os
import re
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable
from functools import cache, partial
from io import BufferedReader
from pathlib import Path
from typing import Any

__all__ = [
    "MOST_JSON",
    "STDIN",
    "NotAFile",
    "cache_folder",
    "check_plain",
    "finite",
    "in_words",
    "is_utf8",
    "json_text",
    "open_file",
    "partial_name",
    "partial_names",
    "pickle_refusal",
    "read_bytes",
    "read_json",
    "sha256",
    "what_is_wrong",
    "why",
]

MOST_JSON = 1 << 30  # bytes
MOST_CHARACTERS = 50  # of a name, in the name of its partial results: four bytes each at most
STDIN = Path("-")  # what stands for standard input

PIPE = "a pipe"
KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, PIPE),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class NotAFile(OSError):
    """A path that leads to a directory, a pipe, a socket or a device; its text is which."""


def check_plain(path: Path) -> None:
    """Refuses what is no plain file, by its kind: to read a pipe or a device might never end.

    Raises
    ------
    OSError
        Of which `why` makes a sentence.
    """
    try:
        mode = path.stat().st_mode
    except ValueError:  # a name with a zero byte
        raise FileNotFoundError from None
    for is_one, kind in KINDS:
        if is_one(mode):
            raise NotAFile(kind)


def open_file(path: Path) -> BufferedReader:
    """Opens a plain file for reading.

    Raises
    ------
    OSError
        Of which `why` makes a sentence.
    """
    if path == STDIN:
        return Path(f"/dev/fd/{_standard_input()}").open("rb")
    check_plain(path)
    return path.open("rb")


@cache
def _standard_input() -> int:
    """A file without a name that holds all of standard input, so that it can be read twice; its descriptor."""
    if sys.stdin is None:  # closed, as by <&-
        raise OSError("standard input is closed")
    kept = tempfile.TemporaryFile()  # noqa: SIM115  read until the process ends
    shutil.copyfileobj(sys.stdin.buffer, kept)
    kept.flush()
    return os.dup(kept.fileno())


def why(error: OSError, expected: str = "a file", *, is_given: bool = True) -> str:
    """Why a path could not be opened or read, as the end of a sentence that begins with the path.

    `is_given`: by a user, who may give ``-`` instead.
    """
    if isinstance(error, FileNotFoundError):
        return "no such file" if expected == "a file" else f"no such file; expected {expected}"
    if isinstance(error, NotAFile):
        instead = "; a command takes - for standard input" if is_given and str(error) == PIPE else ""
        return f"is {error}; expected {expected}{instead}"
    return f"cannot be read: {error.strerror or error}"


def in_words(error: Exception, path: Path) -> str:
    """What is wrong with a file and which it is: `path`, where the exception does not know."""
    if isinstance(error, OSError):
        return f"{os.fsdecode(error.filename or path)}: {why(error, is_given=False)}"
    return f"{path}: {error}" if isinstance(error, ValueError) else str(error)


def what_is_wrong(error: ValueError) -> str:
    """What JSON or TOML that cannot be read has: what its reader says, or a number of more digits than Python reads."""
    if type(error) is ValueError:
        return f"a number has over {sys.get_int_max_str_digits():,} digits"
    if isinstance(error, json.JSONDecodeError):
        return f"{error}{_not_of_json(error.doc[: error.pos + 1], error.doc[error.pos :])}"
    return str(error)


def _not_of_json(before: str, after: str) -> str:
    """What of JavaScript or Python JSON has not, where its reader stopped: commas at the end, comments."""
    if after.startswith(("//", "/*", "#")):
        return "; JSON has no comments: expected it without"
    end = after.lstrip(", \t\r\n")[:1]  # the reader stops at the comma, or behind it
    if end and end in "]}" and before.rstrip("]} \t\r\n").endswith(","):
        return f"; JSON has no comma before {end}: expected it without"
    return ""


def read_bytes(path: Path, most: int) -> bytes:
    """All of a file that holds at most so many bytes.

    Raises
    ------
    OSError
        If it cannot be read, or is longer.
    """
    with open_file(path) as file:
        if os.fstat(file.fileno()).st_size > most:
            raise OSError(f"it is longer than {most >> 20} MiB")
        return file.read()


def json_text(
    value: Any, *, indent: int | None = 2, default: Callable[[Any], str] | None = None, ascii_only: bool = True
) -> str:
    """What is written as a file, or a line, of JSON: all of messsim's is made here.

    Parameters
    ----------
    value
        A number that is not finite, which JSON has not, is null.
    indent
        None: one line, which takes a fifth of the time.
    default
        What becomes of a value that JSON has not; None: a TypeError.
    ascii_only
        Whether other letters are written as escapes.
    """
    dumps = partial(json.dumps, indent=indent, default=default, allow_nan=False, ensure_ascii=ascii_only)
    try:
        text = dumps(value)
    except ValueError:
        text = dumps(finite(value))
    return text + "\n"


def finite(value: Any) -> Any:
    """The same with None for each number that is not finite: what is read back of `json_text`."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises
    ------
    OSError, ValueError
        If it cannot be read, or is no JSON.
    """
    try:
        return json.loads(read_bytes(path, MOST_JSON).decode())
    except ValueError as error:
        raise ValueError(what_is_wrong(error)) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits, whatever its length."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pickle_refusal(name: str) -> str | None:
    """Why a file of this name is not read, where it is a pickle."""
    if not name.lower().endswith((".pkl", ".pickle", ".pkl.gz", ".pickle.gz")):
        return None
    way = "a table, such as pandas.read_pickle(FILE).to_parquet('outcomes.parquet')"
    return f"is a pickle, which is a program and is not read; expected {way} of one you trust"


def is_utf8(path: Path) -> bool:
    """Whether a path can stand in a text file."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def cache_folder() -> Path | None:
    """For what can be made again (XDG Base Directory Specification); None where the user has no home."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        home = Path.home()
    except RuntimeError:  # a user whom the system does not know, as in a container
        home = Path("/")
    if not given.is_absolute() and home == Path("/"):  # HOME may be empty, too
        return None
    return (given if given.is_absolute() else home / ".cache") / "messsim"


def partial_name(target: Path) -> Path:
    """A path that no other process or thread has, for what is yet to become the target."""
    return target.absolute().with_name(f"{_stem(target)}{secrets.token_hex(8)}.partial")


def partial_names(target: Path) -> re.Pattern[str]:
    """What the last parts of all such paths match."""
    return re.compile(re.escape(_stem(target)) + r"[0-9a-f]+\.partial")


def _stem(target: Path) -> str:
    return f".{target.name[:MOST_CHARACTERS]}."
