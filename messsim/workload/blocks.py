"""The rows of a data file, a block after the other, whatever its length: CSV, JSONL (plain or gzip) and Parquet.

A block is a piece of the file that ends where a row ends, so that memory does not grow with the file. Types are those
of the block: a column may hold whole numbers in one and others in the next.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import json
import re
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from messsim import files
from messsim.errors import DataError, system_error
from messsim.forking import check_not_forked

from .dialect import Dialect
from .documents import DECODER, Documents, is_wrapped, keys_twice, rows_of, table_of
from .encoding import BYTE_ORDER_MARK, Letters, wide_encoding
from .foreign import FIRST_BYTES, is_binary, what_else
from .kinds import KINDS, PEEK, PREFIXED, SPACE, kind_by_name, kind_within
from .logfmt import as_json
from .messages import LeftOut, within_messages
from .nested import column_of, in_json, pick, widened
from .parquet import check_layout
from .quotes import Quotes
from .separated import FIRST_ROWS, separated

if TYPE_CHECKING:
    import polars as pl

__all__ = ["blocks", "opened", "schema_of", "whole"]

PARQUET = re.compile(rb"PAR1(?=.*[\0-\x08\x0e-\x1f])", re.S)  # and not a column of that name
GZIP, ZSTANDARD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
BLOCK_BYTES = 16 << 20  # of text
LONGEST_LINE = 64 << 20  # bytes
MOST_UNPACKED = 1 << 30  # bytes that a packed file may hold where all of it must be in memory
BLOCK_ROWS = 1 << 20  # of a Parquet file
MOST_ROWS = 200_000_000  # in memory 16 bytes each
MOST_NOISE_A_ROW = 10  # lines for each that is one, beyond which the file is of another kind
END = b"\r\n\x1a\0"  # Ctrl+Z, with which DOS ends a text, and zeros, which a crash leaves behind one

_kept: dict[tuple[int, int], tuple[pl.DataFrame, list[str]]] = {}  # by length and hash of its text, one at a time


def blocks(
    path: Path, columns: list[str] | None, notes: list[str] | None = None, labels: Collection[str] = ()
) -> Iterator[tuple[int, pl.DataFrame]]:
    """Some columns of a file, block by block in its order; each with how many rows came before it.

    Columns may be dotted paths; None: all there are. What deserves a word is added to `notes`. `labels` are columns
    of names, which a text without types may write as numbers.

    Raises
    ------
    DataError
        If the file is missing, unreadable, damaged, of another kind, without one of the columns, or empty; or if it
        has more rows than `MOST_ROWS`, or a line longer than `LONGEST_LINE`.
    """
    rows, wanted = 0, None if columns is None else list(dict.fromkeys(columns))
    notes = [] if notes is None else notes
    with opened(path) as (kind, file):
        reader = partial(_csv_blocks, labels=labels) if kind == "csv" else READERS[kind]
        for frame in reader(file, wanted, path, notes):
            yield rows, frame
            rows += frame.height
            if rows > MOST_ROWS:
                raise DataError(f"has more than {MOST_ROWS:,} rows; expected a part of it", str(path))
    if rows == 0:
        raise DataError("has no rows", str(path))


def schema_of(path: Path, *, again: bool = True) -> dict[str, pl.DataType]:
    """The columns of a file and their types, by its first rows; `again`: the file is read next.

    Raises
    ------
    DataError
        As `blocks`.
    """
    import polars as pl

    with opened(path) as (kind, file):
        if kind == "parquet":
            check_layout(file)
            return dict(widened(pl.scan_parquet(file)).collect_schema())
        if kind == "json":
            return dict(_json(_unpacked(file, path), again=again).schema)
        text = file.read(PEEK).removeprefix(BYTE_ORDER_MARK)
        goes_on = bool(file.read(1))
        if goes_on and b"\n" in text:
            text = text[: text.rindex(b"\n") + 1]  # the last line may be cut, within a letter too
        text = Letters([], exact=kind == "jsonl").utf8(text)
        if kind in ("jsonl", "logfmt"):
            lines = b"\n".join(text.rstrip(END).split(b"\n")[:FIRST_ROWS])
            return dict(_jsonl(as_json(lines)[0] if kind == "logfmt" else lines, 0, LeftOut()).schema)
        text = Quotes().doubled(text)
        dialect = Dialect.of(text)
        header, rest = _header_of(dialect.beginning(text))
        header = dialect.bare(header)
        some = dialect.cleaned(b"\n".join(rest.split(b"\n")[:FIRST_ROWS])) if b'"' not in rest else b""
        return dict(dialect.named(separated(header if goes_on else header + some, dialect)).schema)


def whole(path: Path, notes: list[str] | None = None, labels: Collection[str] = ()) -> pl.DataFrame:
    """All of a file at once. Types are those of all rows; `notes` and `labels` as in `blocks`.

    Raises
    ------
    DataError
        If the file is missing, unreadable, damaged or of another kind, or packed and of more than `MOST_UNPACKED`.
    """
    import polars as pl

    notes = [] if notes is None else notes
    with opened(path) as (kind, file):
        if kind == "parquet":
            check_layout(file)
            return widened(pl.read_parquet(file))
        if kind == "json":
            return _json(_unpacked(file, path), notes)
        letters = Letters(notes, exact=kind == "jsonl")
        text = letters.utf8(_unpacked(file, path).removeprefix(BYTE_ORDER_MARK)).rstrip(END)
        _check_lines(text)
        if kind in ("jsonl", "logfmt"):
            left_out = LeftOut()
            if kind == "logfmt":
                text, others = as_json(text)
                _note_others(others, notes)
            frame = _jsonl(text, 0, left_out)
            _note_twice(keys_twice(text, frame.columns), notes)
            _note_left_out(left_out, notes)
            return frame
        text = Quotes().doubled(text)
        dialect = Dialect.of(text)
        text = dialect.cleaned(dialect.beginning(text))
        as_text = _labelled(separated(_header_of(text)[0], dialect).columns, labels) if labels else []
        frame = separated(text, dialect, as_text=as_text)
        _note_names_twice(frame.columns, frame.columns, notes)
        return dialect.named(frame)


def _labelled(names: Sequence[str], labels: Collection[str]) -> list[str]:
    """Columns of labels, in whatever letters they are written."""
    folded = {label.strip().casefold() for label in labels}
    return [name for name in names if name.strip().casefold() in folded]


def _unpacked(file: IO[bytes], path: Path) -> bytes:
    if isinstance(file, BufferedReader):
        return file.read()
    pieces, length = [], 0
    while piece := file.read(BLOCK_BYTES):
        pieces.append(piece)
        length += len(piece)
        if length > MOST_UNPACKED:
            raise DataError(f"holds more than {MOST_UNPACKED >> 20} MiB; expected less, or a Parquet file", str(path))
    return b"".join(pieces)


def _check_lines(text: bytes) -> None:
    """Polars takes many times the memory of a line that is too long."""
    start = 0
    while len(text) - start > LONGEST_LINE:
        end = text.rfind(b"\n", start, start + LONGEST_LINE + 1)
        if end < 0:
            number = text.count(b"\n", 0, start) + 1
            raise ValueError(f"line {number} is longer than {LONGEST_LINE >> 20} MiB")
        start = end + 1


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """A data file, unpacked where it is packed, and its kind: "csv", "jsonl", "logfmt", "json" or "parquet".

    What goes wrong while it is read becomes a DataError that names it.
    """
    import polars as pl

    try:
        with files.open_file(path) as file:
            check_not_forked()
            start = file.read(FIRST_BYTES)
            file.seek(0)
            if other := what_else(start):
                raise DataError(other, str(path))
            kind = kind_by_name(path)
            if kind == "parquet" or PARQUET.match(start):
                yield "parquet", file
                return
            inner = _decoded(file, start).read(FIRST_BYTES)
            if other := what_else(inner):
                raise DataError(f"holds what {other}", str(path))
            if is_binary(inner):
                raise DataError(f"is binary, of a kind that is not known; expected {KINDS}", str(path))
            yield kind_within(kind, _decoded(file, start)), _decoded(file, start)
    except (OSError, pl.exceptions.PanicException) as error:
        if (refusal := system_error(error)) is not None:
            raise DataError(files.why(refusal), str(path)) from None
        # the text of a panic is about the reader's insides
        raise DataError("cannot be read: it is damaged, or of a kind that Polars does not know", str(path)) from None
    except (pl.exceptions.PolarsError, ValueError, EOFError, zlib.error, csv.Error) as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise DataError(f"cannot be read: {reason}", str(path)) from None


def _decoded(file: IO[bytes], start: bytes) -> IO[bytes]:
    """The file from its beginning, unpacked if it is packed."""
    file.seek(0)
    if (wide := wide_encoding(start)) is not None:
        text = file.read(MOST_UNPACKED + 1)
        if len(text) > MOST_UNPACKED:
            raise ValueError(f"it is of {wide.upper()} and longer than {MOST_UNPACKED >> 20} MiB; expected UTF-8")
        return BytesIO(text.decode(wide).encode())
    if start.startswith(GZIP):
        return cast(IO[bytes], gzip.GzipFile(fileobj=file))
    if not start.startswith(ZSTANDARD):
        return file
    try:
        import zstandard
    except ImportError:
        raise ValueError("it is packed with Zstandard; expected `pip install messsim[zstd]`, or it unpacked") from None
    return cast(IO[bytes], zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True, closefd=False))


# ---- Parquet --------------------------------------------------------------------------------------------


def _parquet_blocks(
    file: IO[bytes], columns: list[str] | None, path: Path, _notes: list[str]
) -> Iterator[pl.DataFrame]:
    """Whole row groups, as many as make a block."""
    import polars as pl

    groups = check_layout(file)
    if sum(groups) > MOST_ROWS:
        raise DataError(f"has {sum(groups):,} rows; expected at most {MOST_ROWS:,}", str(path))
    lazy = pl.scan_parquet(file)
    schema = lazy.collect_schema()
    lazy = widened(lazy.select(pick(schema, list(schema) if columns is None else columns, path)))
    start = end = 0
    for i, rows in enumerate(groups):
        end += rows
        if end > start and (end - start >= BLOCK_ROWS or i == len(groups) - 1):
            yield lazy.slice(start, end - start).collect()
            start = end


# ---- text -----------------------------------------------------------------------------------------------


def _csv_blocks(
    file: IO[bytes], columns: list[str] | None, path: Path, notes: list[str], labels: Collection[str] = ()
) -> Iterator[pl.DataFrame]:
    header, rows = b"", 0
    dialect, letters, quotes = Dialect(), Letters(notes), Quotes()
    for piece in (quotes.doubled(letters.utf8(p)) for p in _pieces(file, quoted=True)):
        if not header:
            dialect = Dialect.of(piece)
            header, piece = _header_of(dialect.beginning(piece))
            header = dialect.bare(header)
            bare = separated(header, dialect)
            names, have = dialect.named(bare), bare.columns
            wanted = names.columns if columns is None else columns
            read = dialect.original(have, wanted)
            as_text = _labelled(have, labels)
            _note_names_twice(read, have, notes)
        frame = dialect.named(separated(header + dialect.cleaned(piece), dialect, read, rows, as_text))
        rows += frame.height
        chosen = pick(dict(names.schema) | dict(frame.schema), wanted, path)
        if frame.height:
            yield in_json(frame, wanted).select(chosen)
    if not header:
        separated(header, dialect)  # raises: it is empty


def _jsonl_blocks(file: IO[bytes], columns: list[str] | None, path: Path, notes: list[str]) -> Iterator[pl.DataFrame]:
    letters = Letters(notes, exact=True)
    return _blocks_of_lines(map(letters.utf8, _pieces(file, quoted=False)), columns, path, notes)


def _logfmt_blocks(file: IO[bytes], columns: list[str] | None, path: Path, notes: list[str]) -> Iterator[pl.DataFrame]:
    left_out = 0

    def pieces() -> Iterator[bytes]:
        nonlocal left_out
        for piece in map(Letters(notes).utf8, _pieces(file, quoted=False)):
            lines, others = as_json(piece)
            left_out += others
            yield lines

    yield from _blocks_of_lines(pieces(), columns, path, notes)
    _note_others(left_out, notes)


def _blocks_of_lines(
    pieces: Iterable[bytes], columns: list[str] | None, path: Path, notes: list[str]
) -> Iterator[pl.DataFrame]:
    """A key that a block has nowhere, but the first had, has no values in it."""
    import polars as pl

    rows, left_out, twice = 0, LeftOut(), list[str]()
    for piece in filter(bytes.strip, pieces):
        frame = _jsonl(piece, rows, left_out)
        if not frame.height:
            continue
        columns = frame.columns if columns is None else columns
        twice += [name for name in keys_twice(piece, columns) if name not in twice]
        if rows == 0:
            pick(frame.schema, columns, path)
        rows += frame.height
        collected = {c: column_of(frame.schema, c) for c in columns}
        chosen = [pl.lit(None).alias(c) if e is None else e for c, e in collected.items()]
        yield in_json(frame, columns).select(chosen)
    _note_twice(twice, notes)
    _note_left_out(left_out, notes)


def _json_blocks(file: IO[bytes], columns: list[str] | None, path: Path, notes: list[str]) -> Iterator[pl.DataFrame]:
    frame = _json(_unpacked(file, path), notes)
    wanted = frame.columns if columns is None else columns
    yield in_json(frame, wanted).select(pick(frame.schema, wanted, path))


def _json(text: bytes, notes: list[str] | None = None, *, again: bool = False) -> pl.DataFrame:
    """The rows of a text of JSON; `again`: it will be read once more, and is kept until then."""
    known = len(text), hash(text)
    frame, its_notes = _kept.get(known) or _parsed(text)
    _kept.clear()
    if again:
        _kept[known] = frame, its_notes
    notes = [] if notes is None else notes
    notes += its_notes
    return frame


def _parsed(text: bytes) -> tuple[pl.DataFrame, list[str]]:
    notes: list[str] = []
    if len(text) > files.MOST_JSON:
        raise ValueError(f"it is longer than {files.MOST_JSON >> 20} MiB")
    documents = Documents.read(Letters(notes, exact=True).utf8(text.removeprefix(BYTE_ORDER_MARK)).decode())
    rows = rows_of(documents.values)
    _note_noise(documents.noise, notes)
    _note_twice(sorted(documents.twice), notes)
    if len(documents.values) > 1 and is_wrapped(documents.values[0]):
        notes.append(f"it holds {len(documents.values):,} results one after the other, all of which are read")
    for value in documents.values[:1]:
        runs = value.get("benchmarks") if isinstance(value, dict) else None
        if isinstance(runs, list) and len(runs) > 1:
            notes.append(f"it holds {len(runs):,} benchmarks, one after the other, all of which are read")
    if not rows:
        raise ValueError("it has no rows")
    encode = json.JSONEncoder(allow_nan=False).encode
    return _jsonl("\n".join(map(encode, rows)).encode(), 0, LeftOut()), notes


def _note_twice(keys: list[str], notes: list[str]) -> None:
    notes += [f"a row has {key!r} more than once: the first is read" for key in keys]


def _note_names_twice(names: list[str], have: list[str], notes: list[str]) -> None:
    """`have` are a header's names as Polars tells them apart."""
    notes += [f"its header has {n!r} more than once: the first is read" for n in names if f"{n}_duplicated_0" in have]


def _note_left_out(left_out: LeftOut, notes: list[str]) -> None:
    _note_noise(left_out.lines, notes)
    if left_out.messages:
        notes.append(f"lines of the log without a JSON object are left out: {left_out.messages:,}")


def _note_others(lines: int, notes: list[str]) -> None:
    if lines:
        notes.append(f"lines that are no keys with values are left out: {lines:,}")


def _note_noise(lines: int, notes: list[str]) -> None:
    if lines:
        notes.append(f"lines that are no JSON object are left out: {lines:,}")


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
    if text := text.rstrip(END):
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


def _jsonl(text: bytes, rows: int, left_out: LeftOut) -> pl.DataFrame:
    """The objects of some lines; `rows` are before them. Lines that begin as none are counted in `left_out`."""
    import polars as pl

    if not text.strip():
        raise ValueError("it has no rows")
    try:
        return within_messages(pl.read_ndjson(text, infer_schema_length=None), left_out)
    except pl.exceptions.PolarsError:
        lines = [line.strip(SPACE).rstrip(b",") for line in text.splitlines() if line.strip(SPACE)]
    objects = [line for line in lines if line.startswith(b"{")] or _messages(lines)
    if MOST_NOISE_A_ROW * len(objects) < len(lines):
        objects = lines
    for i, line in enumerate(objects):
        if problem := _no_object(line):
            raise ValueError(f"row {rows + i + 1} {problem}")
    left_out.lines += len(lines) - len(objects)
    try:
        frame = pl.read_ndjson(b"\n".join(objects), infer_schema_length=None)
    except pl.exceptions.PolarsError:  # as for NaN, which JSON has not, but Python writes; or kinds that differ by row
        frame = table_of([DECODER.decode(line.decode()) for line in objects])
    return within_messages(frame, left_out)


def _messages(lines: list[bytes]) -> list[bytes]:
    """The JSON objects that lines of a log end with."""
    ends = [line[line.find(b"{") :] for line in lines if PREFIXED.match(line)]
    return [end for end in ends if _no_object(end) is None]


def _no_object(line: bytes) -> str | None:
    try:
        value = json.loads(line)
    except RecursionError:
        return "is nested too deeply"
    except ValueError as error:
        return f"is no JSON object: {files.what_is_wrong(error)}"
    return None if isinstance(value, dict) else "is no JSON object; expected {...} in each line"


READERS = {
    "csv": _csv_blocks,
    "jsonl": _jsonl_blocks,
    "logfmt": _logfmt_blocks,
    "json": _json_blocks,
    "parquet": _parquet_blocks,
}
