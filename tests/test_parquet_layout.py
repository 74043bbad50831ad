"""The map of a Parquet file is walked before Polars reads it: what holds together passes, what does not is told.

The damage that aborts the process, untold, is found by its symptom here: a child reads many damaged files and lives.
"""

import random
import subprocess
import sys

import polars as pl
import pytest

from messsim.errors import DataError
from messsim.workload.blocks import schema_of
from messsim.workload.blocks import whole as whole_file
from messsim.workload.parquet import check_layout

PLAIN = pl.DataFrame({"arrival_s": [0.0, 1.0, 2.5], "prompt_tokens": [5, 6, 7], "name": ["a", "b", None]})
NESTED = PLAIN.with_columns(pl.Series("list", [[1, 2], [], [3]]), pl.struct("arrival_s", "name").alias("pair"))
LONG = pl.DataFrame(
    {"x": range(50_000), "word": [f"w{i % 977}" for i in range(50_000)], "flag": [True, False] * 25_000}
)


@pytest.mark.parametrize("compression", ["zstd", "snappy", "lz4", "uncompressed"])
@pytest.mark.parametrize("frame", [PLAIN, NESTED, LONG, PLAIN.clear()], ids=["plain", "nested", "long", "empty"])
def test_what_polars_writes_passes(tmp_path, frame, compression):
    file = tmp_path / "t.parquet"
    frame.write_parquet(file, compression=compression, row_group_size=20_000, data_page_size=4096)
    with file.open("rb") as opened:
        assert sum(check_layout(opened)) == frame.height


def test_one_byte_that_asks_for_two_exbibytes_is_told(tmp_path):
    """The number of values of the first page, which is zigzag: 3 is written 6, and 5 means -3."""
    file = tmp_path / "t.parquet"
    PLAIN.select("arrival_s").write_parquet(file)
    whole = bytearray(file.read_bytes())
    at = whole.index(bytes.fromhex("2c1506"), 4) + 2  # field 5 (the data page), its field 1
    whole[at] = 5
    file.write_bytes(whole)
    with file.open("rb") as opened, pytest.raises(ValueError, match="number of values is missing or negative"):
        check_layout(opened)
    for read in (schema_of, whole_file):
        with pytest.raises(DataError, match="number of values is missing or negative"):
            read(file)


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"", "too short"),
        (b"PAR1" * 2, "too short"),
        (b"PAR1" + bytes(12), "does not begin and end"),
        (b"PAR1" + b"\xff\0\0\0" + b"PAR1", "longer than the file"),
        (b"PAR1" + b"\x00" + b"\x01\0\0\0" + b"PAR1", "missing or negative"),
        (b"PAR1" + b"\x18\xff\x7f" + b"\x03\0\0\0" + b"PAR1", "goes beyond its end"),
        (b"PAR1" + b"\x16" + b"\xff" * 20 + b"\x15\0\0\0" + b"PAR1", "more than 64 bits"),
        (b"PAR1" + b"\x1d\x00" + b"\x02\0\0\0" + b"PAR1", "unknown type 13"),
        (b"PAR1" + b"\x1c" * 99 + b"\x63\0\0\0" + b"PAR1", "nested too deeply"),
    ],
    ids=str,
)
def test_what_is_no_parquet_is_told(tmp_path, data, line):
    (tmp_path / "t.parquet").write_bytes(data)
    with (tmp_path / "t.parquet").open("rb") as opened, pytest.raises(ValueError, match=line):
        check_layout(opened)


# ---- files by hand: a page of five values in ten bytes, and what the footer says of them ----------------


def varint(value):
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


def encoded(value):
    """The type of a value in Thrift's compact protocol, and its bytes."""
    if isinstance(value, bool):
        return 1 if value else 2, b""
    if isinstance(value, int):
        return 6, varint(2 * value if value >= 0 else -2 * value - 1)
    if isinstance(value, bytes):
        return 8, varint(len(value)) + value
    if isinstance(value, float):
        return 7, bytes(8)
    if isinstance(value, list):
        kind = encoded(value[0])[0] if value else 12
        count = bytes([len(value) << 4 | kind]) if len(value) < 15 else bytes([0xF0 | kind]) + varint(len(value))
        content = bytes(1 if v else 2 for v in value) if kind in (1, 2) else b"".join(encoded(v)[1] for v in value)
        return 9, count + content
    text, before = b"", 0
    for number, inner in sorted(value.items()):
        kind, content = encoded(inner)
        step = number - before
        text += (bytes([step << 4 | kind]) if step < 16 else bytes([kind]) + varint(2 * number)) + content
        before = number
    return 12, text + b"\0"


def page(values, size=10, kind=5, says=None):
    return encoded({1: 0, 3: size if says is None else says, kind: {1: values}})[1] + bytes(size)


def file_of(pages, footer):
    text = encoded(footer)[1]
    return b"PAR1" + pages + text + len(text).to_bytes(4, "little") + b"PAR1"


def footer(pages, rows=5, *, groups=1, **changes):
    column = {5: 5, 7: len(pages), 9: 4} | {int(k[1:]): v for k, v in changes.items()}
    return {3: rows, 4: [{1: [{3: column}], 3: 5}] * groups}


def layout(tmp_path, data):
    (tmp_path / "t.parquet").write_bytes(data)
    with (tmp_path / "t.parquet").open("rb") as opened:
        return check_layout(opened)


PAGE, TWO = page(5), page(2) + page(3, kind=8)
DICTIONARY = page(7, kind=7)


@pytest.mark.parametrize(
    ("pages", "footer_fields", "rows"),
    [
        (PAGE, footer(PAGE), [5]),
        (TWO, footer(TWO), [5]),
        (DICTIONARY + PAGE, footer(DICTIONARY + PAGE, _9=4 + len(DICTIONARY), _11=4), [5]),
        (DICTIONARY + PAGE, footer(DICTIONARY + PAGE, _9=4, _11=0), [5]),  # 0: there is none
        (PAGE, footer(PAGE, 10, groups=2), [5, 5]),
        (PAGE, footer(PAGE) | {40: 1, 41: True, 42: False, 43: 1.5, 44: b"x" * 200, 45: [True, False], 900: -70}, [5]),
        (PAGE, footer(PAGE) | {5: [{1: k} for k in range(14)], 6: [{1: k} for k in range(300)], 7: []}, [5]),
        (page(5, 300), footer(page(5, 300)), [5]),
        (b"", {3: 0, 4: []}, []),
        (b"", {3: 0}, []),
    ],
)
def test_a_sound_map_passes(tmp_path, pages, footer_fields, rows):
    assert layout(tmp_path, file_of(pages, footer_fields)) == rows


def nested(levels):
    return {1: nested(levels - 1)} if levels else {}


@pytest.mark.parametrize(
    ("pages", "footer_fields", "line"),
    [
        *((PAGE, footer(PAGE, rows), "its footer is damaged: the rows of its groups do not add up") for rows in (4, 6)),
        (PAGE, footer(PAGE, _7=len(PAGE) + 1), "its footer is damaged: a column lies outside the file"),
        (PAGE, footer(PAGE, _9=3, _7=1), "its footer is damaged: a column lies outside the file"),
        (PAGE, footer(PAGE, _9=0), "its footer is damaged: a column lies outside the file"),
        (PAGE, footer(PAGE, _7=len(PAGE) - 1), "a page is longer than its column"),
        *((PAGE, footer(PAGE, _5=v), "the values of a column's pages do not add up") for v in (4, 6)),
        (TWO, footer(TWO, _7=len(page(2))), "the values of a column's pages do not add up"),
        (PAGE, footer(PAGE, _5=-1), "it is damaged: a length or number of values is missing or negative"),
        (PAGE, footer(PAGE) | {3: b"5"}, "it is damaged: a length or number of values is missing or negative"),
        (page(5, says=-1), footer(PAGE), "it is damaged: a length or number of values is missing or negative"),
        (page(-1, kind=7), footer(PAGE), "it is damaged: a length or number of values is missing or negative"),
        (PAGE[:2], footer(PAGE[:2]), "its page header is damaged: a length in it goes beyond its end"),
        (PAGE, footer(PAGE) | {50: nested(32)}, "its footer is damaged: nested too deeply"),
    ],
)
def test_a_map_that_does_not_fit_is_told(tmp_path, pages, footer_fields, line):
    with pytest.raises(ValueError, match=f"^{line}$"):
        layout(tmp_path, file_of(pages, footer_fields))


def test_structures_may_be_nested_thirty_two_deep(tmp_path):
    assert layout(tmp_path, file_of(PAGE, footer(PAGE) | {50: nested(30)})) == [5]


READ_ALL = """
import sys
from pathlib import Path
from messsim.errors import DataError
from messsim.workload.readers import read
for file in sorted(Path(sys.argv[1]).glob("*.parquet")):
    try:
        read(file)
    except DataError:
        pass
print("all read")
"""


@pytest.mark.parametrize("files", [400, pytest.param(20_000, marks=pytest.mark.slow)])
def test_no_damage_ends_the_process(tmp_path, files):
    """Without the walk one in some 2,500 does."""
    chance = random.Random(1)
    PLAIN.write_parquet(tmp_path / "whole")
    whole = (tmp_path / "whole").read_bytes()
    first = whole.index(bytes.fromhex("2c1506"), 4)
    for k in range(files):
        data = bytearray(whole)
        data[first + 2 if k % 10 == 0 else chance.randrange(len(data))] = chance.randrange(256)
        (tmp_path / f"{k}.parquet").write_bytes(data)
    child = [sys.executable, "-c", READ_ALL, str(tmp_path)]
    done = subprocess.run(child, capture_output=True, text=True)
    assert done.stdout == "all read\n", done.stderr[-2000:]
