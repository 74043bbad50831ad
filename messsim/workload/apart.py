"""Rows that hold several requests each, in a list of objects, as traces of agents do."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .nested import column_of

if TYPE_CHECKING:
    import polars as pl

__all__ = ["FIRST", "FirstOfLists", "is_of_objects", "way_apart"]

FIRST = ".0."  # within a path, where it leads into the first of a list
UNPACKED = {".gz": "gzip -dc", ".zst": "zstd -dc"}  # what writes a packed file as it was


def is_of_objects(dtype: Any) -> bool:
    """Whether a column is one of lists of objects."""
    import polars as pl

    return isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.Struct)


def way_apart(column: str, schema: Mapping[str, Any], path: Path) -> str:
    """What makes a row of each object in the lists of a column, with what else the row says of all of them.

    Where the row and the object have a column of one name, the object's stays.
    """
    if path.suffix.lower() == ".parquet":
        twice = [field.name for field in schema[column].inner.fields if field.name in schema and field.name != column]
        left_out = f".drop({twice!r})" if twice else ""
        return f"polars.read_parquet(FILE){left_out}.explode({column!r}).unnest({column!r})"
    key = json.dumps(column)
    rows = f"recurse(arrays[], (objects | select(has({key}) | not)[])) | objects"  # wherever in a document they are
    script = f"{rows} | . as $row | .[{key}][]? | ($row | del(.[{key}])) + ."
    unpack = UNPACKED.get(path.suffix.lower())
    if unpack is None:
        return f"jq -c {shlex.quote(script)} FILE > FILE.jsonl"
    return f"{unpack} FILE | jq -c {shlex.quote(script)} > FILE.jsonl"


class FirstOfLists:
    """Lists of objects of which columns by path are those of the first, block by block: how many more they hold.

    Attributes
    ----------
    columns
        Those lists, to be read beside.
    """

    def __init__(self, names: Iterable[str], schema: Mapping[str, Any], path: Path) -> None:
        import polars as pl

        lists = dict.fromkeys(name.partition(FIRST)[0] for name in names if FIRST in name and name not in schema)
        types = {
            c: pl.DataFrame(schema=schema).select(way).dtypes[0]
            for c in lists
            if (way := column_of(schema, c)) is not None
        }
        self.columns = [column for column, dtype in types.items() if is_of_objects(dtype)]
        self._schema, self._path = schema, path
        self._more = dict.fromkeys(self.columns, 0)

    def add(self, frame: pl.DataFrame, keep: NDArray[np.bool_] | None = None) -> None:
        """The next rows, of which those in `keep` count."""
        for column in self.columns:
            if is_of_objects(frame.schema[column]):
                counts = frame[column].list.len().fill_null(0).to_numpy()
                counts = counts if keep is None else counts[keep]
                self._more[column] += int(counts.sum()) - int((counts > 0).sum())

    def notes(self) -> list[str]:
        """How many are left out, and what makes rows of them."""
        collected = []
        for column in filter(self._more.get, self.columns):
            note = f"requests behind the first in each row's {column!r} are left out: {self._more[column]:,}"
            if column in self._schema:
                note += f"; {way_apart(column, self._schema, self._path)} makes a row of each"
            collected.append(note)
        return collected
