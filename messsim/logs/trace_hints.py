"""What is said of a log whose columns nobody knows by name: which are missing, what may be meant, what goes unused."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from messsim.workload.apart import way_apart
from messsim.workload.meaning import by_meaning
from messsim.workload.nested import name_missing, names_in
from messsim.workload.unread import PROMPTS

from .looking import FirstRows, fields_of_list, is_text, may_be_outcomes
from .presets import Preset, nearest

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "DEFAULTS",
    "NO_TIMES",
    "UNUSED",
    "Summed",
    "beside_prompts",
    "lengths_alone",
    "named_twice",
    "what_is_missing",
    "when_done",
]

NO_TIMES = "none"  # what --time says where times are not wanted
DEFAULTS = {"time": "arrival_s", "prompt_tokens": "prompt_tokens", "output_tokens": "output_tokens"}
OPTIONS = {"time": "--time", "prompt_tokens": "--prompt-tokens", "output_tokens": "--output-tokens"}
OPTIONS_BY_DEFAULT = {DEFAULTS[key]: option for key, option in OPTIONS.items()}
# A number, a date, the level of a line of a log with what it says or when, a name with its value.
NO_NAME = re.compile(r"[-+]?\d+(\.\d+)?|\[?\d{4}-\d\d-\d\d\D.*|(DEBUG|INFO|WARN(ING)?|ERROR)\b.*[=:].*|\s*\w+=.*", re.S)
COUNTS = re.compile(r"(?i)(api_|num_|n_|model_|total_)?requests|request_?count|(num_|n_|total_)?calls")
OF_A_CACHE = ("cache_creation_input_tokens", "cache_read_input_tokens")
# Words of a name; not of one of the ends of a system, nor of who asks.
ENDS = re.compile(
    r"(?<!front )(?<!back )(?<!week )\bend\b(?! user)"
    r"|\b(ended|finish(ed)?|complete(d)?|completion (at|date|time|timestamp|ts))\b"
)
WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")
UNUSED = (
    ("cached tokens", re.compile(r"cached?_?(tokens|hit|read|creation)|tokens_cached", re.I)),
    *PROMPTS,
    ("priorities", re.compile(r"priority", re.I)),
    ("reasoning tokens", re.compile(r"reasoning", re.I)),
)  # what a file may say that an import leaves out


def what_is_missing(
    schema: Mapping[str, Any], preset: Preset | None, missing: list[str], unnamed: list[str], path: Path
) -> list[str]:
    """The columns that a trace lacks, a line each, and options that would name them."""
    first = FirstRows.of(path)
    within = {column: fields_of_list(schema[column]) for column in first.lists if column in schema}
    alone = [f"{column}.0.{name}" for column, fields in within.items() if first.lists[column] == 1 for name in fields]
    names = [*names_in(schema), *first.within_text, *alone]
    by_key = {key: names if key == DEFAULTS["time"] else first.may_count(names) for key in missing}
    problems = [line for key, among in by_key.items() for line in name_missing(list(schema), among, [key])]
    meant = {option: by_meaning(key, by_key[key]) for key, option in OPTIONS_BY_DEFAULT.items() if key in missing}
    if "--time" in meant and meant["--time"] is None:
        meant["--time"] = first.time or NO_TIMES  # the lengths alone are of use too
    if meant and all(meant.values()):
        problems[-1] += "; say " + " ".join(f"{option} {shlex.quote(str(name))}" for option, name in meant.items())
    problems += [f"has no column of {key.replace('_', ' ')}; say {OPTIONS[key]} COLUMN" for key in unnamed]
    if meant and any(NO_NAME.fullmatch(column) for column in schema):
        problems[-1] += "; its first line looks like a row, and should be the names of its columns"
    for column, fields in within.items():
        if first.lists[column] > 1 and all(by_meaning(key, fields) for key in list(DEFAULTS)[1:]):
            several = f"column {column!r} holds up to {first.lists[column]:,} requests in a row"
            problems[-1] += f"; {several}; expected a row for each, as {way_apart(column, schema, path)} makes them"
    spoken = [n for n in names if first.spoken & {n, n.split(".", 1)[0]}]
    counts = [by_meaning(key, first.may_count(names)) for key in list(DEFAULTS)[1:]]
    if is_text(spoken) and not any(counts):
        problems[-1] += "; it holds the text of conversations: count its tokens with your model's tokenizer"
    elif may_be_outcomes(schema) and not all(counts):
        problems[-1] += "; as a table of outcomes: --outcomes"
    if preset is None and (near := nearest(schema)) is not None:
        tool, absent = near
        problems[-1] += f". It looks most like {tool.title}, but lacks {', '.join(absent)}"
    return problems


def named_twice(names: Mapping[str, str | None]) -> str:
    """The problem of a column that is to be two things, of those that are wanted."""
    column, options = next(
        (column, [OPTIONS[key] for key, name in names.items() if name == column])
        for column in names.values()
        if column is not None and list(names.values()).count(column) > 1
    )
    return f"column {column!r} is named by {' and '.join(options)}; expected a column for each"


def lengths_alone(schema: Mapping[str, Any], preset: Preset) -> str:
    """The note on a known tool's file that is read without times; its tool may write none, and the file have some."""
    times = None if preset.time else by_meaning(DEFAULTS["time"], names_in(schema))
    if times is None:
        return "the file does not say when requests came: only their lengths are read"
    return f"only lengths are read; {times!r} may say when requests came: --time {shlex.quote(times)}"


def beside_prompts(schema: Mapping[str, Any], prompt: str) -> tuple[list[str], list[str]]:
    """Columns that count by itself what a cache holds of prompts, as Anthropic does, and a note on them."""
    stem, _, name = prompt.rpartition(".")
    beside = [n for n in names_in(schema) if n in {f"{stem}.{c}".lstrip(".") for c in OF_A_CACHE}]
    if not beside or name != "input_tokens":
        return [], []
    apart = f"Anthropic counts what a cache holds by itself, {' and '.join(beside)}"
    return beside, [f"prompts may be longer than {prompt!r} says: {apart}"]


def when_done(time: str | None) -> list[str]:
    """A note on a column of times that its name says to be the ends of requests."""
    if time is None or not ENDS.search(" ".join(WORDS.split(time)).lower()):
        return []
    return [f"column {time!r} may say when answers were done, not when they were asked for"]


class Summed:
    """Whether a column says that a row sums up several requests, block by block: its numbers, if some are above 1."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.columns = [c for c in schema if COUNTS.fullmatch(c)][:1]
        self._several = False

    def add(self, frame: pl.DataFrame) -> None:
        """Looks at the next rows."""
        numeric = (frame[c] for c in self.columns if frame[c].dtype.is_numeric())
        self._several |= any(bool((series > 1).any()) for series in numeric)

    def notes(self) -> list[str]:
        """What deserves to be said of it."""
        if not self._several:
            return []
        return [f"column {self.columns[0]!r} may say that a row sums up several requests: such rows are no requests"]
