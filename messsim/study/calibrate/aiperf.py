"""AIPerf's aggregates and GenAI-Perf's, one run for each concurrency: their JSON, or a table made of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from operator import itemgetter
from typing import TYPE_CHECKING

from messsim.workload.nested import column_of, names_in
from messsim.workload.readers import picked
from messsim.workload.units import UNITS, unit_of

from .lengths import ALIKE, Law, Lengths, by_quantiles, columns_of, shows_spread

if TYPE_CHECKING:
    import polars as pl

__all__ = ["summed_up"]

# Their names (docs: reference/json-export-schema; GenAI-Perf's means have the same, and its concurrency is an option),
# as words in lower case, by ours.
CLIENTS = (
    "concurrency",
    "input_config_loadgen_concurrency",
    "loadgen_concurrency",
    "max_concurrency",
    "clients",
    "input_config_concurrency",
    "input_config_perf_analyzer_stimulus_concurrency",
)
TOKENS = {"prompt_tokens": "input_sequence_length", "output_tokens": "output_sequence_length"}
TIMES = {"ttft": "time_to_first_token", "tpot": "inter_token_latency", "e2e": "request_latency"}
RATES = {"tokens_per_s": "output_token_throughput"}
MEANS: tuple[str, ...] = ("_avg", "_mean", "_ms_avg", "_avg_ms", "_tokens_avg", "_tokens_sec_avg", "")
MEANS += ("_ms", "_s", "_tokens", "_tokens_sec")  # titles of tables, with the unit in brackets
LEVELS = {"min": 0.0, "max": 1.0} | {f"p{n}": n / 100 for n in (1, 5, 10, 25, 50, 75, 90, 95, 99)}
LEAST_LEVELS = 3  # a spread is told by a middle, and by both sides of it
REQUESTS_A_CLIENT, MOST_REQUESTS = 10, 10_000  # of a run whose lengths are drawn
WORDS = re.compile(r"[^a-z0-9]+")


def summed_up(frame: pl.DataFrame, notes: list[str]) -> pl.DataFrame:
    """Its means under our names, times in the unit that it says, else in ms as it writes; another table as it is.

    What deserves a word is added to `notes`.
    """
    names = {_words(name): name for name in names_in(frame.schema)}
    clients = next((names[c] for c in CLIENTS if c in names), None)
    means = {ours: _mean(names, stem) for ours, stem in (TOKENS | TIMES | RATES).items()}
    if clients is None or any(means[ours] is None for ours in TOKENS) or not any(means[ours] for ours in TIMES):
        return frame
    wanted = {"clients": clients}
    for ours, name in means.items():
        if name is not None:
            wanted[f"{ours}_{_unit(frame, names, name)}" if ours in TIMES else ours] = name
    columns = {ours: column_of(frame.schema, name) for ours, name in wanted.items()}
    named = [column.alias(ours) for ours, column in columns.items() if column is not None]
    runs = _runs(frame, names, clients)
    lengths = [_of_run(run) for run in runs]
    notes += _notes_on(runs, lengths)
    return _with_few(picked(frame, named), runs).with_columns(**columns_of(lengths))


def _with_few(frame: pl.DataFrame, runs: list[dict[str, float | None]]) -> pl.DataFrame:
    """The same with no more clients than requests: no more are ever under way."""
    import polars as pl

    if not frame["clients"].dtype.is_numeric():
        return frame
    requests = pl.Series([run.get("requests") for run in runs], dtype=pl.Float64)
    clients = pl.col("clients")
    return frame.with_columns(
        pl.when((requests >= 1.0) & (requests < clients)).then(requests).otherwise(clients).alias("clients")
    )


def _notes_on(runs: list[dict[str, float | None]], lengths: list[Lengths | None]) -> Iterator[str]:
    """Notes on lengths that are drawn, and on such as are taken to be alike though they differ."""
    if any(each is not None and each.vary for each in lengths):
        yield (
            "lengths of requests are drawn by the quantiles of prompts and of answers, each by itself, and stretched "
            "to their means"
        )
    unknown = (run for run, each in zip(runs, lengths, strict=True) if each is None)
    if any(shows_spread(run.get(f"{ours} avg") or 0.0) for run in unknown for ours in TOKENS):
        yield f"{ALIKE}; the JSON of AIPerf and of GenAI-Perf has quantiles"


def _runs(frame: pl.DataFrame, names: dict[str, str], clients: str) -> list[dict[str, float | None]]:
    """Clients of each run, its requests, and the quantiles and means of their lengths, as far as it has them."""
    import polars as pl

    wanted = {"clients": clients}
    if (count := _mean(names, "request_count")) is not None:
        wanted["requests"] = count
    for ours, stem in TOKENS.items():
        levels = {stat: names[f"{stem}_{stat}"] for stat in LEVELS if f"{stem}_{stat}" in names}
        wanted |= {f"{ours} {stat}": name for stat, name in (levels | {"avg": _mean(names, stem) or ""}).items()}
    columns = {key: column_of(frame.schema, name) for key, name in wanted.items()}
    return frame.select(
        *(column.cast(pl.Float64, strict=False).alias(key) for key, column in columns.items() if column is not None)
    ).to_dicts()


def _of_run(run: dict[str, float | None]) -> Lengths | None:
    laws = [_law(run, ours) for ours in TOKENS]
    requests = run.get("requests") or REQUESTS_A_CLIENT * (run["clients"] or 0.0)
    if laws[0] is None or laws[1] is None or not requests >= 1.0:
        return None
    return by_quantiles(int(min(requests, MOST_REQUESTS)), laws[0], laws[1])


def _law(run: dict[str, float | None], ours: str) -> Law | None:
    """The quantiles of prompts or of answers, rising; None where there are too few, or no mean."""
    known = ((level, run.get(f"{ours} {stat}")) for stat, level in sorted(LEVELS.items(), key=itemgetter(1)))
    quantiles = [(level, tokens) for level, tokens in known if tokens is not None and tokens > 0.0]
    mean = run.get(f"{ours} avg")
    if mean is None or not mean > 0.0 or len(quantiles) < LEAST_LEVELS:
        return None
    return [level for level, _ in quantiles], [tokens for _, tokens in quantiles], mean


def _mean(names: dict[str, str], stem: str) -> str | None:
    return next((names[f"{stem}{end}"] for end in MEANS if f"{stem}{end}" in names), None)


def _unit(frame: pl.DataFrame, names: dict[str, str], name: str) -> str:
    """That beside the mean, that in its name, or milliseconds."""
    beside = names.get(_words(re.sub(r"\.avg$", ".unit", name)))
    if beside is not None and beside != name and (column := column_of(frame.schema, beside)) is not None:
        units = set(frame.select(column).to_series().drop_nulls())
        if len(units) == 1 and (unit := str(units.pop())) in UNITS:
            return unit
    by_name = unit_of(name)
    return by_name if by_name in UNITS else "ms"


def _words(name: str) -> str:
    return WORDS.sub("_", name.lower()).strip("_")
