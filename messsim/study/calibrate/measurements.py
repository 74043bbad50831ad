"""Files of measurements to calibrate by: iterations, or a server at fixed concurrencies."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from messsim.errors import DataError, MissingColumns
from messsim.shapes.evidence import Facts
from messsim.workload.choosing import Chooser
from messsim.workload.chunk import Floats
from messsim.workload.counts import CountsColumn
from messsim.workload.readers import ROW_IN_FILE, numbers, picked, read, require, row_number, with_rows_in_file
from messsim.workload.units import UNITS
from messsim.zoo.fitting import Iterations

from .aiperf import summed_up
from .benchmarks import BENCHMARKS, ENGINE, LEAST, TOTALS, benchmarked
from .guidellm import of_guidellm, refuse_csv
from .lengths import Lengths, of_columns
from .llama_cpp import as_iterations
from .usual import by_usual_names, counts, with_own_units, with_whole_counts

if TYPE_CHECKING:
    import numpy.typing as npt
    import polars as pl

__all__ = ["READINGS", "Measurements", "ServedPoints", "joined", "read_measurements"]

EXPECTED = (
    "a row for each concurrency, with clients, prompt_tokens, output_tokens, and ttft_ms or tpot_ms, or a row for each "
    "iteration, with prompt_tokens, batch, cached_tokens and duration_s"
)
WHOSE = ("model", "gpu", "tp")  # columns that say whose measurements a row has
SAMPLED = {"prompt_len": "prompt_tokens", "output_len": "output_tokens", "batch": "clients"}  # AIConfigurator's names
PARETO = {"isl": "prompt_tokens", "osl": "output_tokens", "concurrency": "clients"}  # what its command line writes
SILICON = {  # what the wheel's silicon_sample.csv calls them since its version 0.12
    "isl": "prompt_tokens",
    "osl": "output_tokens",
    "batch_size": "clients",
    "silicon_ttft_ms": "ttft_ms",
    "silicon_tpot_ms": "tpot_ms",
    "model_path": "model",
    "system": "gpu",
    "tp_size": "tp",
}
WHOLE = ("clients", "prompt_tokens", "output_tokens")  # of points
READINGS = ("ttft_s", "tpot_s", "e2e_s", "tokens_per_s")
MOST_NAMED, MOST_LISTED = 8, 12  # values of a column, and columns, that an error names
PLAUSIBLE_S = {"ttft_s": (1e-4, 600.0), "tpot_s": (1e-5, 2.0), "duration_s": (1e-6, 30.0)}  # else another unit
MOST_A_TOKEN_S = 10.0  # of a whole answer, by its tokens
UNIT_NAMES = {"ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds", "s": "seconds"}
TIMES = ("ttft", "tpot", "e2e", "duration")  # readings that have a unit
MEANINGS = {"ttft": "the time to the first token", "tpot": "the time per token", "duration": "an iteration's time"}
UNITLESS = re.compile(r"(ttft|tpot|itl|e2el?|latency)", re.I)
LEVEL = r"(median|min|max|p\d+(\.\d+)?)"
NO_MEAN = re.compile(rf"{LEVEL}_?(ttft|tpot|itl|e2e)|(ttft|tpot|itl|e2e)\w*_{LEVEL}$", re.I)


@dataclass(frozen=True)
class ServedPoints:
    """A server at fixed concurrencies: clients who each ask again when answered.

    Attributes
    ----------
    clients, prompt_tokens, output_tokens
        Of each point, whole; of requests that differ the means.
    readings
        Means by name: "ttft_s", "tpot_s", "e2e_s" (seconds) and "tokens_per_s" (output tokens of all clients).
    j_per_token
        Energy of all GPUs per output token, J; None where none was measured.
    lengths
        Of each point how long each of its requests was, where the file says so and they differ.
    """

    clients: list[int]
    prompt_tokens: list[int]
    output_tokens: list[int]
    readings: dict[str, Floats]
    j_per_token: Floats | None
    lengths: list[Lengths | None] | None = None

    def __len__(self) -> int:
        return len(self.clients)

    def lengths_of(self, point: int) -> Lengths | None:
        """How long each request of a point was; None: all as long as the means say."""
        return None if self.lengths is None else self.lengths[point]


@dataclass(frozen=True)
class Measurements:
    """What a file holds, and of what.

    Attributes
    ----------
    whose
        "model", "gpu", "tp" and "backend", as far as the file says.
    rows
        Iterations or points.
    idle_w
        Power of all GPUs in rows without any work, W; None if there are no such rows.
    notes
        What is allowed in the file, but deserves a word.
    """

    whose: Facts
    rows: Iterations | ServedPoints
    idle_w: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def kind(self) -> Literal["served", "iterations"]:
        """What the rows are."""
        return "served" if isinstance(self.rows, ServedPoints) else "iterations"


def read_measurements(path: Path, chooser: Chooser | None = None, unit: str = "auto") -> Measurements:
    """Reads a file of measurements.

    Parameters
    ----------
    path
        CSV, CSV.gz, Parquet, JSONL or JSON. Points may also be in the columns of AIConfigurator's measured samples, or
        be results of ``vllm bench serve``, of SGLang's bench_serving, of AIPerf or of GuideLLM.
    chooser
        Which rows count; with any `tokens`, only those whose readings are numbers other than 0, and of points the
        lengths and clients too. None: all.
    unit
        Of all times: "s", "ms", "us" or "ns"; "auto": as the columns' names say, else seconds.

    Raises
    ------
    DataError
        With file, column, row and value, if a column is missing or a value is not what it should be; if the file
        holds more than one model, GPU, tp or engine.
    """
    if unit not in ("auto", *UNITS):
        raise DataError(f"--time-format {unit}: the times are durations; expected auto, {', '.join(UNITS)}", str(path))
    notes: list[str] = []
    points, chooser = of_guidellm(path, notes), chooser or Chooser()
    chooser.labels = [c for c in (chooser.unique,) if c is not None and not counts(c)]
    frame = with_rows_in_file(read(path, notes=notes, labels=chooser.labels) if points is None else points)
    refuse_csv(frame.columns, path)
    if chooser.tokens:
        chooser.tokens = tuple(_needed(frame))
    chosen = chooser.of_file(frame, path, as_one=True)
    given = [c for c in chosen.columns if c != ROW_IN_FILE]
    frame = _named(chosen, path, unit, notes)
    whose = _whose(frame, path)
    if unit == "auto":
        _doubt_seconds(frame, given, path)
        _doubt_answers(frame, given, path)
    if "clients" in frame.columns:
        served = _points(frame, path, given)
        return Measurements(whose, served, notes=(*notes, *_rounded(frame, given, path)))
    if {f"{reading}_s" for reading in ("ttft", "tpot", "e2e")} & set(frame.columns):
        expected = "a column clients, how many requests ran at once, beside prompt_tokens and output_tokens"
        raise DataError(f"has times of answers; expected {expected}; it has {_listed(given)}", str(path))
    rows, idle_w = _iterations(frame, path)
    return Measurements(whose, rows, idle_w, tuple(notes))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST_LISTED]) + (", ..." if len(names) > MOST_LISTED else "")


def joined(parts: Sequence[tuple[Path, Measurements]]) -> Measurements:
    """What several files hold of one server, as if it were one file.

    Raises
    ------
    DataError
        With the first file that is of another model, GPU, tp or backend than the one before it, of another kind, or
        has other readings.
    """
    (_, whole), *others = parts
    notes = dict[str, list[Path]]()
    for path, part in parts:
        for note in part.notes:
            notes.setdefault(note, []).append(path)
    for path, part in others:
        for name in whole.whose.keys() & part.whose.keys():
            if whole.whose[name] != part.whose[name]:
                raise DataError(
                    f"is of {name} {part.whose[name]}; expected {whole.whose[name]}, as the files before", str(path)
                )
        idle = [m.idle_w for m in (whole, part) if m.idle_w is not None]
        rows = _joined_rows(whole.rows, part.rows, path)
        whole = Measurements(whole.whose | part.whose, rows, float(np.mean(idle)) if idle else None)
    return replace(whole, notes=tuple(_of_files(note, files) if others else note for note, files in notes.items()))


def _of_files(note: str, files: Sequence[Path]) -> str:
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return f"{files[0]}{more}: {note}"


def _joined_rows(
    whole: Iterations | ServedPoints, part: Iterations | ServedPoints, path: Path
) -> Iterations | ServedPoints:
    if type(whole) is not type(part):
        kinds = {Iterations: "iterations", ServedPoints: "a server at fixed concurrencies"}
        raise DataError(f"holds {kinds[type(part)]}; expected {kinds[type(whole)]}, as the files before", str(path))
    kept, more = ({k: v for k, v in vars(each).items() if v is not None} for each in (whole, part))
    readings = [sorted(each.get("readings", ())) + sorted(each) for each in (kept, more)]
    if readings[0] != readings[1]:
        wrong = sorted(set(readings[0]) ^ set(readings[1]))
        raise DataError(f"has other readings than the files before: {', '.join(wrong)}; expected the same", str(path))

    def both(a: Any, b: Any) -> Any:
        if isinstance(a, dict):
            return {name: both(a[name], b[name]) for name in a}
        return np.concatenate([a, b]) if isinstance(a, np.ndarray) else a + b if isinstance(a, list) else a

    return type(whole)(
        **{name: both(kept[name], more[name]) for name in kept}
        | {name: None for name in vars(whole) if name not in kept}
    )


def _needed(frame: pl.DataFrame) -> list[str]:
    """Columns that hold a number other than 0 in each row that was measured, under the names that the file has."""
    units = [f"{reading}_{unit}" for reading in TIMES for unit in UNITS]
    names = [*TIMES, *units, "tokens_per_s"]
    if not {"duration", *(f"duration_{u}" for u in UNITS)} & set(frame.columns):  # points: iterations may lack prompts
        names += ["completed", *BENCHMARKS, *TOTALS, *SAMPLED, *PARETO, *{**SAMPLED, **TOTALS}.values()]
    return [c for c in names if c in frame.columns and frame[c].null_count() < frame.height]


def _named(frame: pl.DataFrame, path: Path, unit: str, notes: list[str]) -> pl.DataFrame:
    """AIConfigurator's tables and benchmarks' sums under our names, in seconds; any other table as it is."""
    counted = with_whole_counts(frame, path)
    stated = with_own_units(counted, path) if unit == "auto" else counted
    try:
        frame = by_usual_names(summed_up(benchmarked(as_iterations(_sampled(stated, path), path), path, notes), notes))
    except DataError as error:
        raise DataError(error.problems, str(path)) from None
    frame = _in_seconds(frame, path) if unit == "auto" else _all_in(frame, path, unit)
    ours = {*SAMPLED.values()}
    for names in (SAMPLED, PARETO):
        if set(names) <= set(frame.columns) and not ours & set(frame.columns):
            return frame.rename(names)
    return frame


def _sampled(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    """AIConfigurator's measured samples under our names; others as they are."""
    if not set(SILICON) <= set(frame.columns):
        return frame
    _one_value(frame, [theirs for theirs, ours in SILICON.items() if ours in WHOSE], path)
    whole = {name: numbers(frame, name, path, least=1).astype(int) for name in ("tp_size", "batch_size")}
    others = [c for c in ENGINE if c in frame.columns]
    return picked(frame.with_columns(**whole), [*SILICON, *others]).rename(SILICON)


def _in_seconds(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Readings whose name says another unit, or that AIConfigurator writes in milliseconds, as seconds beside it."""
    import polars as pl

    collected = {}
    for reading in TIMES:
        for unit, per_second in UNITS.items():
            column = f"{reading}_{unit}"
            there = column in frame.columns and frame[column].null_count() < frame.height
            if unit != "s" and there and f"{reading}_s" not in frame.columns:
                collected[f"{reading}_s"] = numbers(frame, column, path, least=LEAST) / per_second
        if reading in frame.columns and set(PARETO) <= set(frame.columns):
            collected[f"{reading}_s"] = numbers(frame, reading, path, least=LEAST) / 1e3
    return frame.with_columns(pl.Series(name, values) for name, values in collected.items())


def _all_in(frame: pl.DataFrame, path: Path, unit: str) -> pl.DataFrame:
    """All readings are in one unit, whatever their columns are called."""
    import polars as pl

    collected = {}
    for reading in TIMES:
        for column in (reading, *(f"{reading}_{u}" for u in UNITS)):
            if column in frame.columns and frame[column].null_count() < frame.height:
                collected[f"{reading}_s"] = numbers(frame, column, path, least=LEAST) / UNITS[unit]
    return frame.with_columns(pl.Series(name, values) for name, values in collected.items())


def _whose(frame: pl.DataFrame, path: Path) -> Facts:
    columns = [c for c in WHOSE + ENGINE if c in frame.columns]
    _one_value(frame, columns, path)
    return {c: frame[c][0] for c in columns if c != "backend_version" and frame[c][0] is not None}


def _one_value(frame: pl.DataFrame, columns: Sequence[str], path: Path) -> None:
    """Raises where rows are of several models, GPUs, tp or engines."""
    several = [c for c in columns if frame[c].n_unique() > 1]
    if several:
        column = several[0]
        values = [str(v) for v in frame[column].unique().sort()]
        named = ", ".join(values[:MOST_NAMED] + ["..."] * (len(values) > MOST_NAMED))
        raise DataError(
            f"holds {len(values)} values of {column} ({named}); expected the rows of one: --select {column}=VALUE",
            str(path),
        )


def _iterations(frame: pl.DataFrame, path: Path) -> tuple[Iterations, float | None]:
    if "duration" in frame.columns and "duration_s" not in frame.columns:
        raise DataError(
            "column 'duration' says no unit: name it duration_s, duration_ms, or as the unit is, or give --time-format",
            str(path),
        )
    wanted = ["prompt_tokens", "batch", "cached_tokens", "duration_s"]
    if not {"batch", "cached_tokens", "duration_s"} & set(frame.columns):
        names = _listed([c for c in frame.columns if c != ROW_IN_FILE])
        raise MissingColumns([f"holds no measurements: expected {EXPECTED}; it has {names}"], str(path), {})
    require(frame.columns, wanted, path)
    prompts, batch, cached = (numbers(frame, c, path, least=0) for c in ("prompt_tokens", "batch", "cached_tokens"))
    seconds = numbers(frame, "duration_s", path, least=LEAST)
    joules = _optional(frame, "energy_j", path, least=LEAST)
    prior = _optional(frame, "prompt_prior", path, least=0)
    pairs = _optional(frame, "prompt_pairs", path, least=0)
    if prior is None:
        prior = np.zeros(len(prompts))
    if pairs is None:
        pairs = prompts * (prior + prompts / 2)
    _together(frame, "prompt_prior", prior, "prompt_tokens", prompts, path)
    _together(frame, "cached_tokens", cached, "batch", batch, path)
    _together(frame, "prompt_pairs", pairs, "prompt_tokens", prompts, path)
    works = prompts + batch > 0
    if joules is None and not works.all():
        row = row_number(frame, int(np.argmin(works)))
        raise DataError(
            f"row {row} has neither prompt_tokens nor batch; expected work, or energy_j of a pause", str(path)
        )
    if not works.any():
        raise DataError("has no iteration with prompt_tokens or batch", str(path))
    idle_w = None if works.all() or joules is None else float(joules[~works].sum() / seconds[~works].sum())
    if joules is not None:
        joules = joules[works]
    prompts, pairs, prior, batch, cached, seconds = (c[works] for c in (prompts, pairs, prior, batch, cached, seconds))
    return Iterations(prompts, pairs, prior, batch, cached, seconds, joules), idle_w


def _together(frame: pl.DataFrame, column: str, values: Floats, other: str, needs: Floats, path: Path) -> None:
    """Raises where a column says something of what another says there is none of."""
    wrong = (values > 0) & ~(needs > 0)
    if wrong.any():
        row = int(np.argmax(wrong))
        where = f"row {row_number(frame, row)}, where {other} is 0"
        raise DataError(f"column {column!r} has {values[row]:.10g} in {where}", str(path))


def _optional(frame: pl.DataFrame, column: str, path: Path, *, least: float) -> Floats | None:
    """A column that may be missing or empty."""
    if column not in frame.columns or frame[column].null_count() == frame.height:
        return None
    return numbers(frame, column, path, least=least)


def _plausible(frame: pl.DataFrame, path: Path) -> Iterator[tuple[str, Floats, tuple[float, float]]]:
    """Times in seconds, NaN in rows that do not count, and between what they lie on any server."""
    for column, (least, most) in PLAUSIBLE_S.items():
        times = _optional(frame, column, path, least=LEAST)
        if times is None:
            continue
        decode = _decode(frame) if column == "duration_s" else np.zeros(len(times), np.bool_)
        if decode.any():  # without prompts, an iteration is a token's time
            yield column, np.where(decode, times, np.nan), (least, PLAUSIBLE_S["tpot_s"][1])
        if not decode.all():
            yield column, np.where(decode, np.nan, times), (least, most)


def _doubt_seconds(frame: pl.DataFrame, columns: Sequence[str], path: Path) -> None:
    """Raises where times are longer or shorter than any server's, and would be right in another unit.

    `columns` are those of the file, of which an error can name one.
    """
    for column, times, (least, most) in _plausible(frame, path):
        if least <= (median := float(np.nanmedian(times))) <= most:
            continue
        long = median > most
        first = int(np.argmax(times > most if long else times < least))
        value, row, ours = times[first], row_number(frame, first), column.removesuffix("_s")
        takes, limit = ("so many", f"at most {most:g}") if long else ("so few", f"at least {least:g}")
        takes, unit = f"no server takes {takes} seconds, {limit}", _finer(frame, path) if long else "s"
        if column in columns:
            what = f"column {column!r} has {value:.10g} in row {row}: {takes}; are these {UNIT_NAMES[unit]}? Then "
            raise DataError(f"{what}--time-format {unit}, or name the column {ours}_{unit}", str(path))
        raise DataError(
            f"{_name_in(columns, ours)} comes to {value:.10g} s in row {row}: {takes}; --time-format says the unit "
            "of all times: s, ms, us or ns",
            str(path),
        )


def _decode(frame: pl.DataFrame) -> npt.NDArray[np.bool_]:
    """Which iterations are known to have no prompt."""
    if "prompt_tokens" not in frame.columns or not frame["prompt_tokens"].dtype.is_numeric():
        return np.zeros(frame.height, dtype=np.bool_)
    return np.asarray((frame["prompt_tokens"] == 0).fill_null(value=False), dtype=np.bool_)


def _doubt_answers(frame: pl.DataFrame, columns: Sequence[str], path: Path) -> None:
    """Raises where whole answers take more seconds than any server needs for their tokens."""
    times, tokens = (_optional(frame, c, path, least=LEAST) for c in ("e2e_s", "output_tokens"))
    if times is None or tokens is None or float(np.median(times / tokens)) <= MOST_A_TOKEN_S:
        return
    row = int(np.argmax(times > MOST_A_TOKEN_S * tokens))
    theirs = next((f"column {c!r}" for c in columns if "e2e" in c.lower()), "the time of a whole answer")
    raise DataError(
        f"{theirs} has {times[row]:.10g} in row {row_number(frame, row)}: no server takes so many seconds for "
        f"{tokens[row]:.10g} tokens, at most {MOST_A_TOKEN_S * tokens[row]:.10g}; are these milliseconds? Then "
        "--time-format ms, or name the column e2e_ms",
        str(path),
    )


def _finer(frame: pl.DataFrame, path: Path) -> str:
    """The unit in which every time would be a server's; milliseconds where there is none."""
    medians = {c: np.median(t) for c in PLAUSIBLE_S if (t := _optional(frame, c, path, least=LEAST)) is not None}

    def fits(unit: str) -> bool:
        return all(PLAUSIBLE_S[c][0] <= median / UNITS[unit] <= PLAUSIBLE_S[c][1] for c, median in medians.items())

    return next((unit for unit in ("ms", "us", "ns") if fits(unit)), "ms")


def _name_in(columns: Sequence[str], reading: str) -> str:
    """What the file calls a reading, as an error names it."""
    benchmark = [name for name, ours in BENCHMARKS.items() if ours == f"{reading}_ms"]
    names = [*(f"{reading}_{unit}" for unit in UNITS), reading, *benchmark]
    return next((f"column {name!r}" for name in names if name in columns), MEANINGS[reading])


def _nearly(columns: Sequence[str], given: Sequence[str]) -> str:
    """What columns hold that are no readings yet: times without a unit, and what is no mean; else what a file has."""
    if bare := [c for c in columns if UNITLESS.fullmatch(c)]:
        say = "say" if len(bare) > 1 else "says"
        what = "no unit: name the columns ttft_s, tpot_ms, or as their unit is, or give --time-format"
        return f"; {', '.join(bare)} {say} {what}"
    if other := [c for c in columns if NO_MEAN.match(c)]:
        are = "are no means" if len(other) > 1 else "is no mean"
        return f"; {', '.join(other[:MOST_NAMED])} {are}, which a fit needs: mean_ttft_ms, mean_tpot_ms"
    return f"; it has {_listed(given)}" if given else ""


def _rounded(frame: pl.DataFrame, columns: Sequence[str], path: Path) -> Iterator[str]:
    """Notes on counts of the file's own that are not whole; means of benchmarks are told by those that read them."""
    for name in WHOLE:
        if name in columns:
            column = CountsColumn(name, path)
            column.read(frame, 0)
            yield from column.notes()


def _points(frame: pl.DataFrame, path: Path, given: Sequence[str] = ()) -> ServedPoints:
    """`given` are the columns of the file, by its own names."""
    require(frame.columns, ["prompt_tokens", "output_tokens"], path)
    readings = {c: result for c in READINGS if (result := _optional(frame, c, path, least=LEAST)) is not None}
    if not readings:
        raise MissingColumns(
            [f"has none of the columns {', '.join(READINGS)}{_nearly(frame.columns, given)}"], str(path), {}
        )
    _no_bare_times(frame.columns, readings, path)
    clients, prompts, outputs = ([round(v) for v in numbers(frame, c, path, least=1, most=1e7)] for c in WHOLE)
    if "tpot_s" in readings and min(outputs) < 2:
        row = row_number(frame, outputs.index(min(outputs)))
        raise DataError(f"column 'output_tokens' has 1 in row {row}, where tpot_s has no meaning", str(path))
    joules = _optional(frame, "j_per_token", path, least=LEAST)
    return ServedPoints(clients, prompts, outputs, readings, joules, of_columns(frame))


def _no_bare_times(columns: Sequence[str], readings: Mapping[str, Floats], path: Path) -> None:
    """Raises where times without a unit would be passed over beside readings that have one."""
    if bare := [name for name in ("ttft", "tpot", "e2e") if name in columns and f"{name}_s" not in readings]:
        what, them = ("columns {} say", "them") if len(bare) > 1 else ("column {} says", "it")
        raise DataError(
            f"{what.format(', '.join(bare))} no unit: name {them} {bare[0]}_s, {bare[0]}_ms, or as the unit is, give "
            f"--time-format, or leave {them} out",
            str(path),
        )
