"""Timelines of replications laid over one another by request number."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from messsim.results.intervals import share_interval
from messsim.results.verdict import falls_short

if TYPE_CHECKING:
    import polars as pl

__all__ = ["CURVES", "SHARES", "aligned", "from_columns", "halved"]

MOST = 512  # rows of a timeline that a process hands back
CURVES = {
    "satisfaction": "satisfaction_running",
    "certificate": "certificate",
    "queue": "queue",
    "cost": "cost_running",
}
SHARES = {"p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}


def halved(timeline: pl.DataFrame) -> pl.DataFrame:
    """Every second row, and again, until there are few; what is left are multiples of a power of two."""
    columns = ["request", "promise_running", *CURVES.values()]
    while len(timeline) > MOST:
        timeline = timeline.gather_every(2)
    return timeline.select(columns)


def from_columns(columns: Mapping[str, Sequence[float | None]]) -> pl.DataFrame:
    """A timeline that `halved` left and that was kept as JSON."""
    import polars as pl

    return pl.DataFrame(columns, schema={c: pl.Int64 if c == "request" else pl.Float64 for c in columns})


def aligned(timelines: Sequence[pl.DataFrame], since: Sequence[int | None]) -> pl.DataFrame:
    """What replications have in common at each request number that all of them have sampled.

    Parameters
    ----------
    timelines
        One a replication, as `halved` leaves them: rows at multiples of powers of two, so that the coarsest grid is
        part of all others. Under a horizon some end before others do.
    since
        First request from which on each keeps its promise; None: never.

    Returns
    -------
    polars.DataFrame
        `request`; `runs`, those that got so far; of each of `CURVES` the mean and the quantiles ``NAME_p05`` ...
        ``NAME_p95`` over them; `below`, the share of runs whose satisfaction so far is below the promise, with its
        95 % interval `below_low`, `below_high` (Clopper and Pearson); `settled`, the share of runs that keep the
        promise from here to their end.
    """
    import polars as pl

    longest = max(timelines, key=lambda t: t["request"].max() or 0)
    stride = max(_stride(t) for t in timelines)
    requests = longest["request"].to_numpy()
    requests = requests[requests % stride == 0]
    curves = {name: _matrix(timelines, column, requests) for name, column in CURVES.items()}
    promise = _matrix(timelines, "promise_running", requests)
    got_so_far = np.array([requests <= (t["request"].max() if len(t) else -1) for t in timelines])
    table: dict[str, NDArray[np.generic]] = {"request": requests, "runs": got_so_far.sum(axis=0)}
    for name, matrix in curves.items():
        table |= {f"{name}_{key}": values for key, values in _bands(matrix).items()}
    table |= _below(curves["satisfaction"], promise)
    never = np.iinfo(np.int64).max
    first = np.array([never if s is None else s for s in since])
    table["settled"] = (first[:, None] <= requests).mean(axis=0)
    floats = pl.selectors.float()
    return pl.DataFrame(table).with_columns(floats.fill_nan(None))


def _stride(timeline: pl.DataFrame) -> int:
    return int(timeline["request"][1]) if len(timeline) > 1 else 1


def _matrix(timelines: Sequence[pl.DataFrame], column: str, requests: NDArray[np.int64]) -> NDArray[np.float64]:
    """[runs, requests]; NaN where a run has no value."""
    matrix = np.full((len(timelines), len(requests)), np.nan)
    for row, timeline in zip(matrix, timelines, strict=True):
        there = timeline.filter(timeline["request"].is_in(requests.tolist()))
        row[np.searchsorted(requests, there["request"].to_numpy())] = there[column].cast(float).fill_null(np.nan)
    return matrix


def _bands(matrix: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where no run has a value, there is none
        quantiles = np.nanquantile(matrix, list(SHARES.values()), axis=0).reshape(len(SHARES), matrix.shape[1])
        return {"mean": np.nanmean(matrix, axis=0)} | dict(zip(SHARES, quantiles, strict=True))


def _below(satisfaction: NDArray[np.float64], promise: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    known = ~np.isnan(satisfaction)
    counts, runs = (known & falls_short(satisfaction, promise)).sum(axis=0), known.sum(axis=0)
    ends = np.array(
        [share_interval(int(k), int(n)) if n else (np.nan, np.nan) for k, n in zip(counts, runs, strict=True)]
    ).reshape(-1, 2)
    with np.errstate(invalid="ignore"):
        share = counts / runs
    return {"below": share, "below_low": ends[:, 0], "below_high": ends[:, 1]}
