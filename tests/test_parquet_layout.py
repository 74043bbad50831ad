"""The map of a Parquet file is walked before Polars reads it: what holds together passes, what does not is told.

The damage that aborts the process, untold, is found by its symptom here: a child reads many damaged files and lives.
"""

import random
import subprocess
import sys

import polars as pl
import pytest

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
