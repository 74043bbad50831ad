"""Files that are no data file, told by their first bytes: an error says what they are and what to do."""

from __future__ import annotations

import re

__all__ = ["FIRST_BYTES", "what_else"]

FIRST_BYTES = 64  # that tell
METRICS = re.compile(rb"# (HELP|TYPE) [A-Za-z]\w*[_:]\w+ ")  # how Prometheus is told of its counters
# How each begins, what it is, and what is expected instead.
KINDS = (
    (b"PK\x03\x04", "a ZIP archive or a workbook of Excel", "the table in it, unpacked or saved as CSV"),
    (b"SQLite format 3\0", "a database of SQLite", "a table of it: sqlite3 -csv -header FILE 'select * from TABLE'"),
    (b"\xfd7zXZ\0", "packed by xz", "it unpacked, or packed by gzip or zstd"),
    *((b"BZh%d1AY&SY" % size, "packed by bzip2", "it unpacked, or packed by gzip or zstd") for size in range(1, 10)),
    (b"ARROW1\0\0", "of Arrow", "Parquet: pandas.read_feather(FILE).to_parquet('FILE.parquet')"),
    (b"version https://git-lfs.github.com", "a pointer of Git LFS, not the file", "what `git lfs pull` fetches"),
    (b"<!doctype html", "a web page", "the file itself: was its download refused?"),
    (b"<html", "a web page", "the file itself: was its download refused?"),
    (b"%pdf-", "a PDF", "the table in it, as CSV"),
    (b"============ serving benchmark result", "what a benchmark prints", "the file that it writes: --save-result"),
    (b"=" * 48 + b"\nmlperf", "a summary of MLPerf's loadgen", "a file that says lengths of prompts and answers"),
)


def what_else(start: bytes) -> str | None:
    """What a file is that begins so, and what is expected; None: it may be a data file."""
    plain = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if METRICS.match(plain):
        return "is of Prometheus's counters, which sum up requests; expected a log that says them one by one"
    for begins, what, expected in KINDS:
        if start.startswith(begins) or plain.lower().startswith(begins):
            return f"is {what}; expected {expected}"
    return None
