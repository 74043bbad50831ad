"""The rows of a data file, a block after the other, whatever its length: CSV, JSONL (plain or gzip) and Parquet.

A block is a piece of the file that ends where a row ends, so that memory does not grow with the file. Types are those
of the block: a column may hold whole numbers in one and others in the next.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import zlib
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from messsim import files
from messsim.errors import DataError

from .parquet import check_layout

if TYPE_CHECKING:
    import polars as pl

__all__ = ["blocks", "opened", "require", "shown", "whole"]

KINDS = ".csv, .csv.gz, .parquet, .jsonl or .ndjson, these two also with .gz"
BLOCK_BYTES = 16 << 20  # of text
LONGEST_LINE = 64 << 20  # bytes
MOST_UNPACKED = 1 << 30  # bytes that a packed file may hold where all of it must be in memory
BLOCK_ROWS = 1 << 20  # of a Parquet file
MOST_ROWS = 200_000_000  # in memory 16 bytes each
FIRST_ROWS = 1000  # that types are guessed from
MOST_NAMED = 12  # columns of a file that an error names
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def blocks(path: Path, columns: list[str]) -> Iterator[tuple[int, pl.DataFrame]]:
    """Some columns of a file, block by block in its order; each with how many rows came before it.

    Raises
    ------
    DataError
        If the file is missing, unreadable, damaged, of another kind, without one of the columns, or empty; or if it
        has more rows than `MOST_ROWS`, or a line longer than `LONGEST_LINE`.
    """
    rows, wanted = 0, list(dict.fromkeys(columns))
    with opened(path) as (kind, file):
        reader = {"csv": _csv_blocks, "jsonl": _jsonl_blocks, "parquet": _parquet_blocks}[kind]
        for frame in reader(file, wanted, path):
            yield rows, frame
            rows += frame.height
            if rows > MOST_ROWS:
                raise DataError(f"has more than {MOST_ROWS:,} rows; expected a part of it", str(path))
    if rows == 0:
        raise DataError("has no rows", str(path))


def whole(path: Path) -> pl.DataFrame:
    """All of a file at once. Types are those of all rows.

    Raises
    ------
    DataError
        If the file is missing, unreadable, damaged or of another kind, or packed and of more than `MOST_UNPACKED`.
    """
    import polars as pl

    with opened(path) as (kind, file):
        if kind == "parquet":
            check_layout(file)
            return pl.read_parquet(file)
        text = _unpacked(file, path) if isinstance(file, gzip.GzipFile) else file.read()
        text = text.removeprefix(BYTE_ORDER_MARK).rstrip(b"\r\n")
        return _csv(text) if kind == "csv" else _jsonl(text, 0)


def _unpacked(file: gzip.GzipFile, path: Path) -> bytes:
    pieces, length = [], 0
    while piece := file.read(BLOCK_BYTES):
        pieces.append(piece)
        length += len(piece)
        if length > MOST_UNPACKED:
            raise DataError(f"holds more than {MOST_UNPACKED >> 20} MiB; expected less, or a Parquet file", str(path))
    return b"".join(pieces)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """A data file, unpacked where it is packed, and its kind by its name: "csv", "jsonl" or "parquet".

    What goes wrong while it is read becomes a DataError that names it.
    """
    import polars as pl

    try:
        with files.open_file(path) as file:
            kind = _kind(path)
            packed = kind != "parquet" and file.read(2) == b"\x1f\x8b"
            file.seek(0)
            yield kind, cast(IO[bytes], gzip.GzipFile(fileobj=file)) if packed else file
    except pl.exceptions.PanicException:  # its text is about the reader's insides
        raise DataError("cannot be read: it is damaged, or of a kind that Polars does not know", str(path)) from None
    except OSError as error:
        raise DataError(files.why(error), str(path)) from None
    except (pl.exceptions.PolarsError, ValueError, EOFError, zlib.error) as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise DataError(f"cannot be read: {reason}", str(path)) from None


def _kind(path: Path) -> str:
    name = path.name.lower()
    plain = name.removesuffix(".gz")
    if name.endswith(".parquet"):
        return "parquet"
    if plain.endswith(".csv"):
        return "csv"
    if plain.endswith((".jsonl", ".ndjson")):
        return "jsonl"
    raise DataError(f"cannot tell its kind by its name; expected {KINDS}", str(path))


def require(have: list[str], wanted: list[str], path: Path) -> None:
    """Raises for columns that are not there, with the nearest name."""
    problems = []
    for column in dict.fromkeys(wanted):
        if column not in have:
            near = get_close_matches(column, have, n=1, cutoff=0.5)
            more = ", ..." if len(have) > MOST_NAMED else ""
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(map(shown, have[:MOST_NAMED]))}{more}"
            problems.append(f"column {column!r} is missing; {hint}")
    if problems:
        raise DataError(problems, str(path))


def shown(name: str) -> str:
    """A name as it is, or with what cannot be printed written out: an error has one line a problem."""
    return name if name.isprintable() and name.strip() else repr(name)


# ---- Parquet --------------------------------------------------------------------------------------------


def _parquet_blocks(file: IO[bytes], columns: list[str], path: Path) -> Iterator[pl.DataFrame]:
    """Whole row groups, as many as make a block."""
    import polars as pl

    groups = check_layout(file)
    if sum(groups) > MOST_ROWS:
        raise DataError(f"has {sum(groups):,} rows; expected at most {MOST_ROWS:,}", str(path))
    lazy = pl.scan_parquet(file)
    require(lazy.collect_schema().names(), columns, path)
    start = end = 0
    for i, rows in enumerate(groups):
        end += rows
        if end > start and (end - start >= BLOCK_ROWS or i == len(groups) - 1):
            yield lazy.select(columns).slice(start, end - start).collect()
            start = end


# ---- text -----------------------------------------------------------------------------------------------


def _csv_blocks(file: IO[bytes], columns: list[str], path: Path) -> Iterator[pl.DataFrame]:
    header = b""
    for piece in _pieces(file, quoted=True):
        if not header:
            header, piece = _header_of(piece)
            names = _csv(header).columns
        frame = _csv(header + piece, [c for c in columns if c in names])
        require(names, columns, path)
        if frame.height:
            yield frame.select(columns)
    if not header:
        _csv(header)  # raises: it is empty


def _jsonl_blocks(file: IO[bytes], columns: list[str], path: Path) -> Iterator[pl.DataFrame]:
    """A key that a block has nowhere, but the first had, has no values in it."""
    import polars as pl

    rows = 0
    for piece in filter(bytes.strip, _pieces(file, quoted=False)):
        frame = _jsonl(piece, rows)
        if rows == 0:
            require(frame.columns, columns, path)
        rows += frame.height
        missing = [pl.lit(None).alias(c) for c in columns if c not in frame.columns]
        yield frame.with_columns(missing).select(columns)


def _pieces(file: IO[bytes], *, quoted: bool) -> Iterator[bytes]:
    """The text in pieces that end where a row ends; `quoted`: a line may end within quotes and the row go on.

    Blank lines at the end of the file are left out.
    """
    text, lines = file.read(BLOCK_BYTES).removeprefix(BYTE_ORDER_MARK), 0
    while fresh := file.read(BLOCK_BYTES):
        piece = text[: _end_of_rows(text, quoted)].rstrip(b"\r\n")
        if piece:
            yield piece
            lines += piece.count(b"\n") + 1
            text = text[len(piece) :].removeprefix(b"\r").removeprefix(b"\n")
        elif len(text) > LONGEST_LINE:
            hint = "; is there a quote that is never closed?" if quoted and b'"' in text else ""
            raise ValueError(f"line {lines + 1} is longer than {LONGEST_LINE >> 20} MiB{hint}")
        text += fresh
    if text := text.rstrip(b"\r\n"):
        yield text


def _end_of_rows(text: bytes, quoted: bool) -> int:
    """Where the last row ends that is whole: behind the last line break that is not within quotes; 0: nowhere."""
    quotes, end = text.count(b'"') if quoted else 0, len(text)
    while True:
        line_break = text.rfind(b"\n", 0, end)
        if line_break < 0:
            return 0
        quotes -= text.count(b'"', line_break, end) if quoted else 0
        if quotes % 2 == 0:
            return line_break + 1
        end = text.rfind(b'"', 0, line_break) + 1


def _header_of(text: bytes) -> tuple[bytes, bytes]:
    """The first row with anything in it, and what follows."""
    text = text.lstrip(b"\r\n")
    end = text.find(b"\n") + 1
    while end and text.count(b'"', 0, end) % 2:
        end = text.find(b"\n", end) + 1
    return (text[:end], text[end:]) if end else (text + b"\n", b"")


def _csv(text: bytes, columns: list[str] | None = None) -> pl.DataFrame:
    """Types are those of all rows; to look at the first rows alone takes a tenth of the time and mostly gives them."""
    import polars as pl

    try:
        frame = pl.read_csv(text, columns=columns, infer_schema_length=FIRST_ROWS)
        first = frame.head(FIRST_ROWS).select(pl.all().is_null().all())
        if frame.height <= FIRST_ROWS or not any(first.row(0)):
            return frame
    except pl.exceptions.ComputeError:
        pass
    return pl.read_csv(text, columns=columns, infer_schema_length=None)


def _jsonl(text: bytes, rows: int) -> pl.DataFrame:
    """The objects of some lines; `rows` are before them."""
    import polars as pl

    try:
        return pl.read_ndjson(text, infer_schema_length=None)
    except pl.exceptions.PolarsError:
        for i, line in enumerate(filter(bytes.strip, text.splitlines())):
            if problem := _no_object(line):
                raise ValueError(f"row {rows + i + 1} {problem}") from None
        raise


def _no_object(line: bytes) -> str | None:
    try:
        value = json.loads(line)
    except RecursionError:
        return "is nested too deeply"
    except ValueError as error:
        return f"is no JSON object: {error}"
    return None if isinstance(value, dict) else "is no JSON object; expected {...} in each line"
