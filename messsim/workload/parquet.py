"""Whether a Parquet file holds together, before Polars reads it.

Polars trusts what a file states of itself: one damaged byte in a page's number of values, and it asks for 2 EiB of
memory, which ends the process without an exception to catch. So the file's own map is walked first: the footer and
every page's header are Thrift structures in compact form, whose lengths must fit into the bytes that are there and
whose counts must add up. Data are not looked at: a page of a megabyte has a header of some 50 bytes, so the walk is
short.

The layout is that of https://github.com/apache/parquet-format (parquet.thrift) and of Thrift's compact protocol.
"""

import mmap
from collections.abc import Callable
from typing import IO, Any

__all__ = ["check_layout"]

MAGIC = b"PAR1"
DEEPEST = 32  # structures within structures; a schema nests by a list, not by structures

# Numbers of the fields that are looked at, by structure.
FILE_ROWS, FILE_ROW_GROUPS = 3, 4
GROUP_COLUMNS, GROUP_ROWS = 1, 3
COLUMN_META_DATA = 3
META_VALUES, META_BYTES, META_DATA_OFFSET, META_DICTIONARY_OFFSET = 5, 7, 9, 11
PAGE_BYTES, PAGE_V1, PAGE_DICTIONARY, PAGE_V2 = 3, 5, 7, 8
VALUES = 1  # of all kinds of pages

Bytes = bytes | mmap.mmap
Fields = dict[int, Any]


def check_layout(file: IO[bytes]) -> list[int]:
    """The numbers of rows of the groups of an open file; raises ValueError if footer or pages do not fit into it."""
    size = file.seek(0, 2)
    file.seek(0)
    if size < 12:
        raise ValueError("too short for a Parquet file")
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return _check(data, size)


def _check(data: Bytes, size: int) -> list[int]:
    if data[:4] != MAGIC or data[-4:] != MAGIC:
        raise ValueError("no Parquet file: it does not begin and end with PAR1")
    end = size - 8
    start = end - int.from_bytes(data[end : end + 4], "little")
    if start < 4:
        raise ValueError("its footer is longer than the file")
    footer = _Compact(data, start, end, "footer").structure()
    groups = _tables(footer.get(FILE_ROW_GROUPS))
    rows = [_count(group, GROUP_ROWS) for group in groups]
    if _count(footer, FILE_ROWS) != sum(rows):
        raise ValueError("its footer is damaged: the rows of its groups do not add up")
    for group in groups:
        for column in _tables(group.get(GROUP_COLUMNS)):
            _check_pages(data, _table(column.get(COLUMN_META_DATA)), start)
    return rows


def _check_pages(data: Bytes, column: Fields, footer: int) -> None:
    """The pages of a column lie within its bytes, one after the other, and hold its number of values."""
    offsets = [column[k] for k in (META_DATA_OFFSET, META_DICTIONARY_OFFSET) if isinstance(column.get(k), int)]
    at = min((o for o in offsets if o > 0), default=0)
    end = at + _count(column, META_BYTES)
    if at < len(MAGIC) or end > footer:
        raise ValueError("its footer is damaged: a column lies outside the file")
    values = 0
    while at < end:
        reader = _Compact(data, at, end, "page header")
        header = reader.structure()
        at = reader.at + _count(header, PAGE_BYTES)
        if at > end:
            raise ValueError("a page is longer than its column")
        _count(_table(header.get(PAGE_DICTIONARY, {VALUES: 0})), VALUES)
        values += sum(_count(_table(header[kind]), VALUES) for kind in (PAGE_V1, PAGE_V2) if kind in header)
    if values != _count(column, META_VALUES):
        raise ValueError("the values of a column's pages do not add up")


def _count(fields: Fields, number: int) -> int:
    value = fields.get(number)
    if not isinstance(value, int) or value < 0:
        raise ValueError("it is damaged: a length or number of values is missing or negative")
    return value


def _table(value: Any) -> Fields:
    return value if isinstance(value, dict) else {}


def _tables(value: Any) -> list[Fields]:
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


class _Compact:
    """Reads Thrift's compact protocol from data[at:end]; what does not fit is a ValueError."""

    def __init__(self, data: Bytes, at: int, end: int, what: str) -> None:
        self.at = at
        self._data = data
        self._end = end
        self._what = what
        self._depth = 0
        self._readers: dict[int, Callable[[], Any]] = {
            1: lambda: True,
            2: lambda: False,
            3: lambda: self._take(1)[0],
            4: self._zigzag,
            5: self._zigzag,
            6: self._zigzag,
            7: lambda: self._take(8),
            8: lambda: self._take(self._varint()),
            9: self._list,
            10: self._list,
            12: self.structure,
        }

    def structure(self) -> Fields:
        """The fields of a structure by their numbers."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise ValueError(f"its {self._what} is damaged: nested too deeply")
        fields: Fields = {}
        number = 0
        while head := self._take(1)[0]:
            number = number + (head >> 4) if head >> 4 else self._zigzag()
            fields[number] = self._value(head & 15)
        self._depth -= 1
        return fields

    def _value(self, kind: int) -> Any:
        if kind not in self._readers:
            raise ValueError(f"its {self._what} is damaged: it has a field of unknown type {kind}")
        return self._readers[kind]()

    def _list(self) -> list[Any]:
        head = self._take(1)[0]
        kind, count = head & 15, head >> 4
        if count == 15:
            count = self._varint()
        if count > self._end - self.at:  # an element takes a byte at least
            raise self._overrun()
        if kind in (1, 2):
            return list(self._take(count))
        return [self._value(kind) for _ in range(count)]

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift >= 70:
                raise ValueError(f"its {self._what} is damaged: a number of more than 64 bits")

    def _take(self, count: int) -> bytes:
        if count > self._end - self.at:
            raise self._overrun()
        taken = self._data[self.at : self.at + count]
        self.at += count
        return taken

    def _overrun(self) -> ValueError:
        return ValueError(f"its {self._what} is damaged: a length in it goes beyond its end")
