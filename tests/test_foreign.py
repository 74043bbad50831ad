"""Files that are no data file are told by how they begin, and what helps is said."""

import pytest

from messsim.workload.foreign import what_else

PACKED = "it unpacked, or packed by gzip or zstd"
REFUSED = "the file itself: was its download refused?"


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"PK\x03\x04rest", "a ZIP archive or a workbook of Excel; expected the table in it, unpacked or saved as CSV"),
        (
            b"SQLite format 3\0",
            "a database of SQLite; expected a table of it: sqlite3 -csv -header FILE 'select * from TABLE'",
        ),
        (b"\xfd7zXZ\0\0", f"packed by xz; expected {PACKED}"),
        (b"BZh11AY&SY", f"packed by bzip2; expected {PACKED}"),
        (b"BZh91AY&SY", f"packed by bzip2; expected {PACKED}"),
        (b"ARROW1\0\0", "of Arrow; expected Parquet: pandas.read_feather(FILE).to_parquet('FILE.parquet')"),
        (
            b"version https://git-lfs.github.com/spec/v1",
            "a pointer of Git LFS, not the file; expected what `git lfs pull` fetches",
        ),
        (b"<!DOCTYPE html>", f"a web page; expected {REFUSED}"),
        (b"\xef\xbb\xbf\n <HTML lang='en'>", f"a web page; expected {REFUSED}"),
        (b"%PDF-1.7", "a PDF; expected the table in it, as CSV"),
        (
            b"============ Serving Benchmark Result ============",
            "what a benchmark prints; expected the file that it writes: --save-result",
        ),
        (
            b"=" * 48 + b"\nMLPerf Results Summary",
            "a summary of MLPerf's loadgen; expected a file that says lengths of prompts and answers",
        ),
        (
            b"# HELP vllm:num_requests_running Number of",
            "of Prometheus's counters, which sum up requests; expected a log that says them one by one",
        ),
        (
            b"\n# TYPE sglang_requests counter",
            "of Prometheus's counters, which sum up requests; expected a log that says them one by one",
        ),
    ],
)
def test_what_a_file_is_by_how_it_begins(start, what):
    assert what_else(start) == f"is {what}"


@pytest.mark.parametrize(
    "start",
    [b"", b"arrival_s,x\n", b"{", b"PAR1", b"BZh01AY&SY", b"# HELP wanted", b"# a comment: x_y", b"xPK\x03\x04", b"<x"],
)
def test_what_may_be_a_data_file(start):
    assert what_else(start) is None
