"""Files that are no data file, told by their first bytes: an error says what they are and what to do."""

from __future__ import annotations

import re

__all__ = ["FIRST_BYTES", "is_binary", "what_else"]

FIRST_BYTES = 512  # that tell
ONE_BY_ONE = "a log that says them one by one"
ORC = "Parquet: pandas.read_orc(FILE).to_parquet('FILE.parquet')"
PLAIN = "it unpacked, or packed by gzip or zstd"
TABLE = "its table as CSV, such as COPY TABLE TO STDOUT WITH (FORMAT csv, HEADER) writes"
ZERO_WITHIN = 64  # bytes of a text whose first line holds no zero
# How each begins, what it is, and what is expected instead.
KINDS = (
    (b"PK\x03\x04", "a ZIP archive or a workbook of Excel", "the table in it, unpacked or saved as CSV"),
    (b"SQLite format 3\0", "a database of SQLite", "a table of it: sqlite3 -csv -header FILE 'select * from TABLE'"),
    (b"\xfd7zXZ\0", "packed by xz", PLAIN),
    *((b"BZh%d1AY&SY" % size, "packed by bzip2", PLAIN) for size in range(1, 10)),
    (b"7z\xbc\xaf\x27\x1c", "packed by 7-Zip", PLAIN),
    (b"Rar!\x1a\x07", "packed by RAR", PLAIN),
    (b"\x04\x22\x4d\x18", "packed by LZ4", PLAIN),
    (b"ARROW1\0\0", "of Arrow", "Parquet: pandas.read_feather(FILE).to_parquet('FILE.parquet')"),
    (
        b"\xff\xff\xff\xff",
        "a stream of Arrow",
        "Parquet: pyarrow.ipc.open_stream(FILE).read_pandas().to_parquet('FILE.parquet')",
    ),
    (b"\xd0\xcf\x11\xe0", "a workbook of Excel (.xls)", "the table in it, saved as CSV"),
    (b"Obj\x01", "of Avro", "Parquet or JSON Lines: avro-tools tojson FILE"),
    (b"\x89HDF\r\n", "of HDF5", "Parquet: pandas.read_hdf(FILE).to_parquet('FILE.parquet')"),
    (b"\x93NUMPY", "an array of NumPy", "a table with names of its columns, as CSV"),
    (b"-- mysql dump", "a dump of a database", TABLE),
    (b"--\n-- postgresql database dump", "a dump of a database", TABLE),
    (b"version https://git-lfs.github.com", "a pointer of Git LFS, not the file", "what `git lfs pull` fetches"),
    (b"<!doctype html", "a web page", "the file itself: was its download refused?"),
    (b"<html", "a web page", "the file itself: was its download refused?"),
    (b"%pdf-", "a PDF", "the table in it, as CSV"),
    (b"============ serving benchmark result", "what a benchmark prints", "the file that it writes: --save-result"),
    (b"=" * 48 + b"\nmlperf", "a summary of MLPerf's loadgen", "a file that says lengths of prompts and answers"),
)


CONTROL = rb"(?=.*[\0-\x08\x0e-\x1f])"  # no text has these
NAME = rb"""[\w."`\[\]]+"""
# A list of objects and nothing else: a list of single lines may be notes above a table.
YAML = rb"(?:---\s*\n)?- [A-Za-z_]\w*:(?: [^\n]*)?\n(?:\s*\n)?[ ]+[A-Za-z_]\w*:(?:[ \n]|$)(?!.*\n[^\s-])"
# The same where its first letters alone do not tell.
FORMS = tuple(
    (re.compile(form, re.S), what, expected)
    for form, what, expected in (
        (rb"# (?:HELP|TYPE) [A-Za-z]\w*[_:]\w+ ", "of Prometheus's counters, which sum up requests", ONE_BY_ONE),
        (YAML, "YAML", "JSON, or a table"),
        (rb"(?=.{0,256}\0).{257}ustar", "an archive of tar", "the table in it, unpacked"),
        (rb".{8}DUCK.\0", "a database of DuckDB", TABLE),
        (rb"PGDMP[\0-\x08\x0e-\x1f]", "a dump of a database", TABLE),
        (rb"(?i:insert into %s\s*(?:\(|values\s*\())" % NAME, "a dump of a database", TABLE),
        (rb"(?i:create table (?:if not exists )?%s\s*\()" % NAME, "a dump of a database", TABLE),
        (rb"ORC" + CONTROL, "of ORC", ORC),
        (rb"PARE" + CONTROL, "Parquet that is encrypted", "it without encryption"),
    )
)


def what_else(start: bytes) -> str | None:
    """What a file is that begins so, and what is expected; None: it may be a data file."""
    plain = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    for form, what, expected in FORMS:
        if form.match(start) or form.match(plain):
            return f"is {what}; expected {expected}"
    for begins, what, expected in KINDS:
        if start.startswith(begins) or plain.lower().startswith(begins):
            return f"is {what}; expected {expected}"
    return None


def is_binary(start: bytes) -> bool:
    """Whether what begins so, in letters of one byte, is no text."""
    return b"\0" in start[:ZERO_WITHIN].split(b"\n", 1)[0]
