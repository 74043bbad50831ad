"""Standard output as commands write to it: whatever its encoding, and where it cannot be written to."""

import errno
import io
import os
from pathlib import Path

import pytest

from messsim.cli.streams import _watched


def written(path: Path, text: str, **options: str) -> tuple[bytes, list[str]]:
    """What a file holds after a text was written to it, and what went wrong."""
    failures: list[OSError] = []
    with io.TextIOWrapper(path.open("wb"), **options) as stream:
        out = _watched(stream, failures.append)
        out.write(text)
        out.flush()
        out.flush()  # what is left of a failure counts as written
        out.close()
    return (path.read_bytes() if path.is_file() else b""), [str(error.strerror) for error in failures]


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])  # the latter in the locales C and POSIX
@pytest.mark.parametrize(
    ("encoding", "holds"),
    [
        ("ascii", rb"5 \xb1 2 \xe9 \u2265 \U0001f44d"),
        ("latin-1", b"5 \xb1 2 \xe9 \\u2265 \\U0001f44d"),
        ("utf-8", "5 ± 2 é ≥ 👍".encode()),
    ],
    ids=["ascii", "latin-1", "utf-8"],
)
def test_what_an_encoding_lacks_is_written_as_an_escape(tmp_path, encoding, holds, errors):
    """A study is over by the time that its table is printed: no name in it may end the command."""
    assert written(tmp_path / "o", "5 ± 2 é ≥ 👍", encoding=encoding, errors=errors) == (holds, [])


def test_what_was_asked_for_instead_stays(tmp_path):
    assert written(tmp_path / "o", "é", encoding="ascii", errors="replace") == (b"?", [])


def test_half_a_character_of_a_name_is_written(tmp_path):
    """A byte of a file's name that is no UTF-8."""
    assert written(tmp_path / "o", "a\udcffb", encoding="utf-8") == (rb"a\udcffb", [])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full")
def test_what_cannot_be_written_is_told_once():
    assert written(Path("/dev/full"), "x" * 10, encoding="utf-8") == (b"", [os.strerror(errno.ENOSPC)])


def test_what_is_no_file_stays_as_it_is():
    text = io.StringIO()
    assert _watched(text, pytest.fail) is text
