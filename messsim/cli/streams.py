"""Standard output that is closed, or whose disk is full: told, and never with the exit code of a requirement."""

import errno
import io
import os
import sys
from collections.abc import Callable
from typing import TextIO

__all__ = ["watch_standard_streams"]

FAILED = 2
MADE_UP_FOR = ("backslashreplace", "ignore", "namereplace", "replace", "xmlcharrefreplace")  # what a codec lacks


def watch_standard_streams() -> None:
    """Makes what cannot be written to standard output end the command with exit code 2, and one line that says why.

    A reader who leaves early, as ``head`` does, needs no line. What cannot be written to standard error is dropped.
    Characters that the terminal's encoding lacks are written as escapes, a ± as ``\\xb1``: a study is over by then.
    """
    if sys.stderr is not None:
        sys.stderr = _watched(sys.stderr, lambda error: None)
    if sys.stdout is None:
        _end("is closed; expected it to lead somewhere, such as to /dev/null")
    sys.stdout = _watched(sys.stdout, _end_by)


def _watched(stream: TextIO, failed: Callable[[OSError], None]) -> TextIO:
    """The same stream, which asks what to do where writing fails; one that is no file stays as it is."""
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    raw = _Watched(stream.fileno(), failed)
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=stream.errors if stream.errors in MADE_UP_FOR else "backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


class _Watched(io.FileIO):
    def __init__(self, descriptor: int, failed: Callable[[OSError], None]) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._failed = failed

    def write(self, data: object) -> int:
        """As a file does; what is left after a failure counts as written, so that nobody tries again."""
        try:
            return super().write(data)  # type: ignore[arg-type]
        except OSError as error:
            self._failed(error)
            return len(memoryview(data))  # type: ignore[arg-type]


def _end_by(error: OSError) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still in buffers
    if error.errno == errno.EPIPE:
        raise SystemExit(FAILED)
    _end(f"cannot be written to: {error.strerror}")


def _end(what: str) -> None:
    if sys.stderr is not None:
        print(f"error: standard output {what}", file=sys.stderr, flush=True)
    raise SystemExit(FAILED)
