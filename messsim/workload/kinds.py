"""Of which kind a data file is: by its name, else by what its first bytes say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import IO

from messsim import files
from messsim.errors import DataError

from .documents import is_wrapped
from .encoding import BYTE_ORDER_MARK
from .logfmt import is_logfmt

__all__ = ["KINDS", "PEEK", "PREFIXED", "SPACE", "kind_by_name", "kind_within"]

KINDS = ".csv, .csv.gz, .parquet, .jsonl or .ndjson, .json, .tsv, .txt or .log, all but Parquet also with .gz or .zst"
BY_CONTENT = (".json", ".log", ".txt", ".md", ".tsv", "-")  # names that do not tell what is within
PEEK = 1 << 20  # bytes from which the kind of a file is told
MOST_NOISE = 50  # lines before the first row
WRAPPERS = re.compile(rb'^\s*\{\s*"(benchmarks|resourceSpans)"|"input_lens"')
SPACE = b" \t\r\n\x1e"  # the last begins a text of application/json-seq
JSON_AFTER_ALL = re.compile(rb'\s*(\[\s*)?\{\s*"[^"\n]*"\s*:')  # whatever its name says
SEPARATED = re.compile(rb"^[^,;\t|\n]*(?:[,;\t|][^,;\t|\n]*)+$", re.M)  # a line with values that something parts
NOISE_BEFORE_ARRAY = re.compile(rb"(?:[^{\[\n][^\n]*\n){1,50}\[\s*\{")
JSON_BEGINS = re.compile(rb"\{|\[(?!\d+[-/]|[A-Z][a-z]{2} |[A-Z]{2,}\])")  # and not a stamp or a level in brackets
PREFIXED = re.compile(rb'[^{"]*\{"[^\n]*\}\s*$')  # a line of a log whose message is JSON


def kind_by_name(path: Path) -> str:
    """What the name says: "csv", "jsonl", "parquet", or "any" for one that may be either."""
    name = path.name.lower()
    plain = name.removesuffix(".gz").removesuffix(".zst")
    if name.endswith(".parquet"):
        return "parquet"
    if plain.endswith(".csv"):
        return "csv"
    if plain.endswith((".jsonl", ".ndjson")):
        return "jsonl"
    if plain.endswith(BY_CONTENT):
        return "any"
    if plain.endswith((".tar", ".tgz")):
        raise DataError("is an archive of tar, by its name; expected the table in it, unpacked", str(path))
    if (refusal := files.pickle_refusal(plain)) is not None:
        raise DataError(refusal, str(path))
    raise DataError(f"cannot tell its kind by its name; expected {KINDS}", str(path))


def kind_within(kind: str, file: IO[bytes]) -> str:
    """What the first bytes say: "json" is what must be read as a whole."""
    start = file.read(PEEK).removeprefix(BYTE_ORDER_MARK).lstrip(SPACE)
    if kind == "csv":
        if not JSON_AFTER_ALL.match(start):
            return kind
        kind = "any"
    if kind == "jsonl" and _is_header(start):
        return "csv"
    noise = NOISE_BEFORE_ARRAY.match(start)
    if kind == "any" and noise is not None:
        return "json"
    first = start.split(b"\n", 1)[0]
    if kind == "any" and is_logfmt(start):
        return "logfmt"
    if (
        kind == "any"
        and not JSON_BEGINS.match(start)
        and not any(line.lstrip(SPACE).startswith(b"{") for line in start.splitlines()[1:MOST_NOISE])
        and not PREFIXED.match(first)
    ):
        return "csv"
    if kind == "any" and start.startswith(b"[") and JSON_BEGINS.match(start):
        return "json"
    if not start.startswith(b"{") or (len(first) == len(start) == PEEK):
        return "json" if start.startswith(b"[{") or WRAPPERS.search(first) else "jsonl"
    try:
        alone = len(start.rstrip()) == len(first.rstrip())
        return "json" if alone or is_wrapped(json.loads(first)) else "jsonl"
    except (ValueError, RecursionError):
        return "json" if first.strip() == b"{" or b"}{" in first or WRAPPERS.search(first) else "jsonl"


def _is_header(start: bytes) -> bool:
    """Whether a text begins with names that something parts, and goes on with rows of it, of which none is JSON."""
    first, *lines = start.split(b"\n", MOST_NOISE)[:MOST_NOISE]
    is_json = any(line.lstrip(SPACE).startswith(b"{") or PREFIXED.match(line) for line in lines)
    in_header = b"{" not in first and b"[" not in first and SEPARATED.match(first)
    return bool(in_header and len(lines) > 0 and SEPARATED.match(lines[0]) and not is_json)
