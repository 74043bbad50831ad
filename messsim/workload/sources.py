"""The data files that a scenario's requests come from; without any their readers are not imported."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shlex
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from messsim.errors import MissingColumns
from messsim.scenario import Scenario

if TYPE_CHECKING:
    from .table import OutcomeTable
    from .trace import Lengths, TraceRows

__all__ = ["lengths_of", "table_of", "trace_of"]

Data = TypeVar("Data")
MOST_KEPT = 1 << 26  # bytes of what is kept of a file after the run
_latest: dict[str, tuple[object, Any]] = {}  # by kind, what was read last: of which file and how, and the data


def trace_of(scenario: Scenario) -> TraceRows | None:
    """The trace of arrivals, if they come from one; token columns only where a law asks for them."""
    law = scenario.arrivals
    if law.kind != "trace":
        return None
    from .trace import read_trace

    prompt, output = _asked(scenario, "trace")
    if scenario.tokens.file is not None:
        prompt = output = False
    tenants = [t.name for t in scenario.tenants]
    path = scenario.path(law.file)
    asked = (law, prompt, output, tenants)
    with _another_tool(path, law.columns, "arrivals.columns", "import"):
        return _once(path, "trace", asked, lambda: read_trace(law, path, prompt=prompt, output=output, tenants=tenants))


def lengths_of(scenario: Scenario) -> Lengths | None:
    """The file of lengths without times, if the scenario names one; likewise."""
    tokens = scenario.tokens
    if tokens.file is None:
        return None
    from .trace import read_lengths

    prompt, output = _asked(scenario, "trace")
    path = scenario.path(tokens.file)
    asked = (tokens, prompt, output)
    with _another_tool(path, tokens.columns, "tokens.columns", "import"):
        return _once(path, "lengths", asked, lambda: read_lengths(tokens, path, prompt=prompt, output=output))


def table_of(scenario: Scenario) -> OutcomeTable | None:
    """The table of outcomes, if they come from one; likewise."""
    satisfaction = scenario.satisfaction
    if satisfaction.kind != "table":
        return None
    from .table import read_table

    prompt, output = _asked(scenario, "table")
    path = scenario.path(satisfaction.file)
    columns = [m.column or m.name for m in scenario.models]
    asked = (satisfaction, scenario.features, columns, scenario.phases, prompt, output)
    with _another_tool(path, None, "models.column", "import --outcomes"):
        return _once(path, "table", asked, lambda: read_table(scenario, satisfaction, prompt=prompt, output=output))


def _once(path: Path, kind: str, asked: object, read: Callable[[], Data]) -> Data:
    """What is read of a file, kept for the next run: those of a study are on the same files."""
    key = (version := _version(path), asked)
    last_key, data = _latest.get(kind, (None, None))
    if version is not None and key == last_key:
        kept: Data = data
        return kept
    _latest.pop(kind, None)
    del data  # before the next is read
    data = read()
    arrays = list(_arrays_of(data))
    if version is not None and sum(array.nbytes for array in arrays) <= MOST_KEPT:
        for array in arrays:
            array.setflags(write=False)  # other runs share it
        _latest[kind] = key, data
    return data


def _arrays_of(data: object) -> Iterator[NDArray[Any]]:
    """All arrays that it holds."""
    if isinstance(data, np.ndarray):
        yield data
    elif dataclasses.is_dataclass(data):
        for field in dataclasses.fields(data):
            yield from _arrays_of(getattr(data, field.name))
    elif isinstance(data, dict):
        for value in data.values():
            yield from _arrays_of(value)


def _version(path: Path) -> tuple[int, ...] | None:
    """Which file it is, and which of its versions; None where none can be told.

    The time of its last change (ctime), unlike that of its text (mtime), cannot be put back.
    """
    try:
        file = path.stat()
    except OSError:
        return None  # reading it tells why
    if not stat.S_ISREG(file.st_mode):
        return None
    return file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns, file.st_ctime_ns


@contextlib.contextmanager
def _another_tool(path: Path, columns: Any, key: str, command: str) -> Iterator[None]:
    """Adds to an error of missing columns what names them; of several, as in a file of another tool, what reads it."""
    try:
        yield
    except MissingColumns as error:
        several = len(error.meant) > 1
        by_user = set() if columns is None else {getattr(columns, key) for key in columns.model_fields_set}
        if not several and (columns is None or error.meant.keys() <= by_user):
            raise
        ways = [f"messsim {command} {shlex.quote(path.name)} --out FILE reads files of other tools"] * several
        named = {} if columns is None else {key: name for key, name in columns if name in error.meant}
        if named and all(error.meant[name] for name in named.values()):
            table = ", ".join(f"{key} = {json.dumps(error.meant[name])}" for key, name in named.items())
            ways.insert(0, f"{key} = {{ {table} }} {'names them' if several else 'names it'}")
        if not ways:
            raise
        raise MissingColumns([*error.problems, ", or ".join(ways)], str(path), error.meant) from None


def _asked(scenario: Scenario, kind: str) -> tuple[bool, bool]:
    """Whether a law of this kind asks for prompt tokens, and for answer tokens."""
    prompts = [scenario.tokens.prompt, *(p.prompt for p in scenario.phases if p.prompt)]
    outputs = [m.output or scenario.tokens.output for m in scenario.models]
    outputs += [p.output for p in scenario.phases if p.output]
    return any(law.kind == kind for law in prompts), any(law.kind == kind for law in outputs)
