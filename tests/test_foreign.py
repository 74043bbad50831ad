"""Files that are no data file are told by how they begin, and what helps is said."""

import gzip

import pytest

from messsim.errors import DataError
from messsim.workload.blocks import schema_of
from messsim.workload.foreign import what_else

PACKED = "it unpacked, or packed by gzip or zstd"
TABLE = "its table as CSV, such as COPY TABLE TO STDOUT WITH (FORMAT csv, HEADER) writes"
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
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "a workbook of Excel (.xls); expected the table in it, saved as CSV"),
        (b"Obj\x01\x04\x14avro.codec", "of Avro; expected Parquet or JSON Lines: avro-tools tojson FILE"),
        (b"7z\xbc\xaf\x27\x1c\0\x04", f"packed by 7-Zip; expected {PACKED}"),
        (b"\x04\x22\x4d\x18d@", f"packed by LZ4; expected {PACKED}"),
        (b"ORC\x11\n\0", "of ORC; expected Parquet: pandas.read_orc(FILE).to_parquet('FILE.parquet')"),
        (b"PARE\x15\0", "Parquet that is encrypted; expected it without encryption"),
        (b"trace.csv".ljust(257, b"\0") + b"ustar\x0000", "an archive of tar; expected the table in it, unpacked"),
        (b"12345678DUCK@\0\0", f"a database of DuckDB; expected {TABLE}"),
        (b"INSERT INTO `logs` VALUES (1", f"a dump of a database; expected {TABLE}"),
        (b"--\n-- PostgreSQL database dump", f"a dump of a database; expected {TABLE}"),
        (b"PGDMP\x01\x0e", f"a dump of a database; expected {TABLE}"),
        (b"- arrival_s: 0\n  prompt_tokens: 1\n", "YAML; expected JSON, or a table"),
        (b"---\n- arrival_s: 0\n\n  prompt: a, b\n- arrival_s: 1\n  pro", "YAML; expected JSON, or a table"),
        (b"- usage:\n    tokens: 3\n", "YAML; expected JSON, or a table"),
        (b"insert into logs(a, b) values", f"a dump of a database; expected {TABLE}"),
        (b'CREATE TABLE IF NOT EXISTS "logs" (\n', f"a dump of a database; expected {TABLE}"),
        (b"\x93NUMPY\x01\0", "an array of NumPy; expected a table with names of its columns, as CSV"),
    ],
)
def test_what_a_file_is_by_how_it_begins(start, what):
    assert what_else(start) == f"is {what}"


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"arrival_s,x\n",
        b"{",
        b"PAR1",
        b"BZh01AY&SY",
        b"# HELP wanted",
        b"# a comment: x_y",
        b"xPK\x03\x04",
        b"<x",
        b"ORCID,x\n",
        b"PARENT,x\n",
        b"---\na: 1\n",
        b"- 1\n",
        b"insertion,x\n",
        b"- run: 1\narrival_s,x,y\n1,2,3\n",
        b"- GPU: H100\n- Model: x\n\n| a | b |\n|---|---|\n",
        b"- GPU: H100\n  driver: 5\n\na,b,c\n1,2,3\n",
        b"insert into t,arrival_s\n1,2\n",
        b"create table time,arrival_s\n1,2\n",
        b"pgdmp,x\n",
        b"PGDMP\n1\n",
        b"user_id DUCK,x\n1,2\n",
        b"12345678DUCK\n1\n",
        b"ORC\tx\n1\t2\n",
        b"PARE\n1\n",
        b"x" * 257 + b"ustar,x\n",
        b"---+---\n",
    ],
)
def test_what_may_be_a_data_file(start):
    assert what_else(start) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"PK\x03\x04rest", mtime=0), "holds what is a ZIP archive or a workbook of Excel; expected the"),
        (
            gzip.compress(b"t.csv".ljust(257, b"\0") + b"ustar", mtime=0),
            "holds what is an archive of tar; expected the",
        ),
        (b"\x01\x02\x03\0\x05,1\n", "is binary, of a kind that is not known; expected .csv"),
        (gzip.compress(b"\x01\x02\x03\0\x05,1\n", mtime=0), "is binary, of a kind that is not known; expected .csv"),
    ],
)
def test_what_no_table_is_whatever_its_name(tmp_path, content, message):
    (file := tmp_path / "f.csv.gz").write_bytes(content)
    with pytest.raises(DataError, match=message):
        schema_of(file)


@pytest.mark.parametrize("name", ["t.tar.gz", "t.tgz", "T.TAR.ZST", "t.tar"])
def test_archives_are_told_by_their_names(tmp_path, name):
    (file := tmp_path / name).write_bytes(gzip.compress(b"t.csv", mtime=0))
    with pytest.raises(DataError, match="is an archive of tar, by its name; expected the table in it, unpacked"):
        schema_of(file)
