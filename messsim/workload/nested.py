"""Columns by dotted path: fields of structs, elements of lists, and JSON in a column of text."""

from __future__ import annotations

import ast
import json
import warnings
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from messsim.errors import MissingColumns
from messsim.wording import shown

from .meaning import by_meaning, meaning_of

if TYPE_CHECKING:
    import polars as pl

    Table = TypeVar("Table", pl.DataFrame, pl.LazyFrame)

__all__ = [
    "column_of",
    "in_json",
    "json_of",
    "name_missing",
    "names_in",
    "of_other_type",
    "pick",
    "require",
    "resolved",
    "widened",
]

MOST_NAMED = 12  # columns of a file that an error names
TYPES = ("$date", "$numberLong", "$numberInt", "$numberDouble", "$oid", "S", "N")  # of values in exports of databases
LIKE_A_SLIP = 0.8  # how alike two names are of which one is the other, mistyped
UNREACHABLE = {"\\", "\0"}  # what no key may have that a path leads to within JSON as text; nor both kinds of quotes
DEEPEST = 4  # structs within structs whose fields an error may suggest


def column_of(schema: Mapping[str, Any], name: str, *, in_text: bool = True) -> pl.Expr | None:
    """The column of this name, else what its dotted path leads to; None: nothing. `in_text`: also into JSON as text.

    A name that holds dots itself goes before a path, and a longer name before a shorter.
    """
    import polars as pl

    walked = _walk(schema, name)
    if walked is None:
        return None
    head, steps = walked
    if not in_text and any(kind == "json" for kind, _ in steps):
        return None
    column = pl.col(head)
    for kind, step in steps:
        if kind == "field":
            column = column.struct.field(step)
        elif kind == "any":
            column = pl.coalesce([column.struct.field(name).cast(pl.String) for name in step.split()])
        elif kind == "element":
            column = column.list.get(int(step), null_on_oob=True)
        else:
            ways = [
                column.map_batches(_as_json, return_dtype=pl.String, is_elementwise=True).str.json_path_match(way)
                for way in step.split("\0")
            ]
            column = pl.coalesce(ways)
    return column.alias(name)


def json_of(text: str) -> str:
    """A dictionary as Python and ClickHouse write it, ``{'a': 1, 'b': None}``, as JSON; other text as it is."""
    if not text.lstrip().startswith("{'"):
        return text
    try:
        with warnings.catch_warnings(action="ignore"):  # of escapes that Python does not know
            return json.dumps(ast.literal_eval(text.strip()))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return text


def in_json(frame: pl.DataFrame, wanted: list[str]) -> pl.DataFrame:
    """The frame with columns of text as JSON that paths lead into: converted once, not once a path."""
    walked = [way for name in wanted if (way := _walk(frame.schema, name)) is not None]
    texts = {head for head, steps in walked if steps and steps[0][0] == "json"}.difference(wanted)
    return frame.with_columns(_as_json(frame[name]) for name in sorted(texts))


def _as_json(series: pl.Series) -> pl.Series:
    import polars as pl

    if not series.str.contains(r"^\s*\{'").any():
        return series
    return pl.Series(series.name, [None if text is None else json_of(text) for text in series], dtype=pl.String)


def _walk(fields: Mapping[str, Any], path: str) -> tuple[str, list[tuple[str, str]]] | None:
    """The column and the steps that a path takes from it."""
    for head, rest in _splits(path):
        if head in fields:
            steps = _steps(fields[head], rest) if rest else _typed(fields[head])
            if steps is not None:
                return head, steps
    return None


def _typed(dtype: Any) -> list[tuple[str, str]]:
    """The way to a value that is written with its type, as MongoDB and DynamoDB export them."""
    import polars as pl

    steps: list[tuple[str, str]] = []
    while isinstance(dtype, pl.Struct) and dtype.fields and all(f.name in TYPES for f in dtype.fields):
        if len(dtype.fields) > 1:  # rows differ in their types
            plain = not any(f.dtype.is_nested() for f in dtype.fields)
            return [*steps, ("any", " ".join(f.name for f in dtype.fields))] if plain else steps
        steps.append(("field", dtype.fields[0].name))
        dtype = dtype.fields[0].dtype
    return steps


def _splits(path: str) -> Iterator[tuple[str, str]]:
    yield path, ""
    parts = path.split(".")
    for end in range(len(parts) - 1, 0, -1):
        yield ".".join(parts[:end]), ".".join(parts[end:])


def _steps(dtype: Any, path: str) -> list[tuple[str, str]] | None:
    import polars as pl

    if isinstance(dtype, pl.Struct):
        walked = _walk({f.name: f.dtype for f in dtype.fields}, path)
        return None if walked is None else [("field", walked[0]), *walked[1]]
    if isinstance(dtype, pl.List):
        head, _, rest = path.partition(".")
        if not head.isdecimal():
            return None
        more = _steps(dtype.inner, rest) if rest else []
        return None if more is None else [("element", head), *more]
    if dtype == pl.String and not UNREACHABLE.intersection(path) and not {"'", '"'} <= set(path):
        quote = '"' if "'" in path else "'"
        parts = [part if part.isdecimal() else f"{quote}{part}{quote}" for part in path.split(".")]
        nested = "$" + "".join(f"[{part}]" for part in parts)
        return [("json", f"$[{quote}{path}{quote}]\0{nested}" if "." in path else nested)]  # a key may have dots itself
    return None


def names_in(schema: Mapping[str, Any], deep: int = DEEPEST) -> Iterator[str]:
    """Every column, and the dotted path of every field of structs."""
    import polars as pl

    for name, dtype in schema.items():
        if name.startswith("\0"):  # it was added to the file's
            continue
        yield name
        if deep and isinstance(dtype, pl.Struct):
            for inner in names_in({f.name: f.dtype for f in dtype.fields}, deep - 1):
                yield f"{name}.{inner}"


def of_other_type(column: str, dtype: Any, expected: str) -> str:
    """What a column holds that is not what was expected; of objects, a field of theirs that may be meant."""
    import polars as pl

    if not isinstance(dtype, pl.Struct) or not dtype.fields:
        return f"column {column!r} is of type {dtype}; expected {expected}"
    fields = [f.name for f in dtype.fields]
    meant = by_meaning(column, fields) or by_meaning("score", fields) or fields[0]
    return f"column {column!r} holds objects; did you mean {f'{column}.{meant}'!r}?"


def pick(schema: Mapping[str, Any], wanted: list[str], path: Path) -> list[pl.Expr]:
    """The columns of these names or dotted paths.

    Raises
    ------
    DataError
        For those that are not there, with the nearest name.
    """
    names = list(dict.fromkeys(wanted))
    collected = {name: column_of(schema, name) for name in names}
    if missing := [name for name in names if collected[name] is None]:
        have = list(names_in(schema))
        meant = {name: by_meaning(name, have) for name in missing}
        raise MissingColumns(name_missing(list(schema), have, missing), str(path), meant)
    return [column for column in collected.values() if column is not None]


def widened(table: Table) -> Table:
    """Columns as those of a text would be: labels that a file numbers as text, numbers of other than 64 bits in these.

    Polars compares and subtracts in a column's own bits, in which a unit of time may not fit.
    """
    import polars as pl
    from polars import selectors as cs

    wide = [getattr(pl, name) for name in ("Float16", "Float32", "Int128", "UInt128") if hasattr(pl, name)]
    return table.with_columns(
        cs.by_dtype(pl.Categorical, pl.Enum).cast(pl.String),
        cs.by_dtype(pl.Int8, pl.Int16, pl.Int32, pl.UInt8, pl.UInt16, pl.UInt32).cast(pl.Int64),
        cs.by_dtype(*wide).cast(pl.Float64),  # not all of which the oldest Polars has
    )


def resolved(frame: pl.DataFrame, wanted: list[str], path: Path) -> pl.DataFrame:
    """The frame, and beside its columns what dotted paths among `wanted` lead to."""
    nested = [c for c in dict.fromkeys(wanted) if c not in frame.columns]
    if not nested:
        return frame
    inner = in_json(frame, nested).select(pick(frame.schema, nested, path))
    return widened(frame.with_columns(inner.get_columns()))


def require(have: list[str], wanted: list[str], path: Path) -> None:
    """Raises for columns that are not there, with the nearest name."""
    missing = [c for c in dict.fromkeys(wanted) if c not in have]
    if missing:
        meant = {c: by_meaning(c, have) for c in missing}
        raise MissingColumns(name_missing(have, have, missing), str(path), meant)


def name_missing(columns: list[str], names: list[str], missing: list[str]) -> list[str]:
    """A line for each column that is missing, with the name that means the same, else the nearest by its letters."""
    problems = []
    # What begins with \0 was added to the file's columns.
    columns, names = ([n for n in some if not n.startswith("\0")] for some in (columns, names))
    more = ", ..." if len(columns) > MOST_NAMED else ""
    for name in missing:
        meant = by_meaning(name, names)
        what = meaning_of(name)
        others = names if what is None else [n for n in names if meaning_of(n) in (None, what)]
        near = [meant] if meant else get_close_matches(name, others, n=1, cutoff=0.5 if what is None else LIKE_A_SLIP)
        if not near:
            near = [n for n in names if n.lower() == name.lower() or ("." in n and n.rsplit(".", 1)[-1] == name)][:1]
        hint = (
            f"did you mean {near[0]!r}?"
            if near
            else f"it has {', '.join(map(shown, columns[:MOST_NAMED])) or 'none'}{more}"
        )
        problems.append(f"column {name!r} is missing; {hint}")
    return problems
