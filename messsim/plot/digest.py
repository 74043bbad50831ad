"""Records and timelines cut down to what a chart can show: a bounded number of rows, whatever the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from messsim.summary import LatencyName

if TYPE_CHECKING:
    import polars as pl

    from .figure import Run

__all__ = ["LATENCIES", "LEAST_S", "by_request", "latency_bins", "latency_by_time", "sliced", "thinned"]

MOST_POINTS = 400  # of one line
SLICES = 120  # of a run, where something is counted in each
LEAST_S = 2.0**-20  # a latency below a microsecond is none
BINS_PER_OCTAVE = 4  # of a histogram
FINE_BINS_PER_OCTAVE = 16  # where percentiles are read off
LATENCIES: dict[LatencyName, str] = {"ttft": "TTFT", "tpot": "TPOT", "e2e": "end to end", "queueing": "queueing"}


def thinned(frame: pl.DataFrame, most: int = MOST_POINTS) -> pl.DataFrame:
    """Every k-th row, and the last."""
    step = -(-len(frame) // most)
    if step <= 1:
        return frame
    kept = frame.gather_every(step)
    return kept if (len(frame) - 1) % step == 0 else kept.vstack(frame.tail(1))


def sliced(run: Run) -> pl.DataFrame:
    """The timeline in slices of time.

    Columns: `slice`, `from_s`, `to_s`, the mean of each ``in_system_POOL`` and ``replicas_PHASE_POOL`` over the rows of
    the slice, ``power_w_POOL``, the mean over its time, and ``hit_rate_POOL``, the mean over the tokens of its prompts.
    """
    import polars as pl

    timeline = run.timeline
    names = [c for c in timeline.columns if c.startswith(("in_system_", "power_w_", "hit_rate_", "replicas_"))]
    started = {c: c.replace("hit_rate_", "started_prompt_tokens_", 1) for c in names if c.startswith("hit_rate_")}
    counts = ("in_system_", "replicas_")
    mean = [pl.col(c).mean() if c.startswith(counts) else _mean(c, started.get(c, "lasts")) for c in names]
    width = _width(run)
    return (
        timeline.with_columns(pl.col(c).diff().fill_null(0) for c in started.values())
        .with_columns(lasts=pl.col("time_s").diff().fill_null(0.0), slice=_slice("time_s", width))
        .group_by("slice")
        .agg(*mean)
        .sort("slice")
        .with_columns(from_s=pl.col("slice") * width, to_s=(pl.col("slice") + 1) * width)
        .with_columns(pl.col(c).fill_nan(None) for c in names)
    )


def _mean(column: str, weight: str) -> pl.Expr:
    """The mean of what is known of a column, by a weight."""
    import polars as pl

    known = pl.col(column).is_not_null() & pl.col(column).is_finite()
    return (
        pl.when(known).then(pl.col(column) * pl.col(weight)).sum() / pl.when(known).then(pl.col(weight)).sum()
    ).alias(column)


def _slice(column: str, width: float) -> pl.Expr:
    """Which slice a time is in; the last one has both its ends."""
    import polars as pl

    return (pl.col(column) / width).floor().cast(pl.Int64).clip(0, SLICES - 1)


def _width(run: Run) -> float:
    """Length of a slice, seconds."""
    last = run.timeline["time_s"].max()
    return float(last) / SLICES if isinstance(last, float) and last > 0 else 1.0


def by_request(run: Run, group: str) -> pl.DataFrame:
    """Answered requests in slices of the request numbers, by model or tenant.

    Columns: the group, `request` (the first of the slice), `answered`, `satisfied` (their sum).
    """
    import polars as pl

    size = max(1, -(-int(run.summary["requests"]["arrived"]) // SLICES))
    return (
        run.requests.filter(pl.col("status") == "completed")
        .group_by((pl.col("id") // size * size).alias("request"), pl.col(group).cast(pl.String))
        .agg(pl.len().alias("answered"), pl.col("satisfied").sum())
        .sort("request", group)
        .collect(engine="streaming")
    )


def _latency(name: str) -> Any:
    """An expression: seconds; null where a request has none."""
    import polars as pl

    c = pl.col
    return {
        "ttft": c("first_token_s") - c("arrival_s"),
        "tpot": pl.when(c("output_tokens") > 1).then((c("finish_s") - c("first_token_s")) / (c("output_tokens") - 1)),
        "e2e": c("finish_s") - c("arrival_s"),
        "queueing": c("start_s") - c("arrival_s"),
    }[name]


def _counted(run: Run) -> pl.LazyFrame:
    """The requests that the latencies of the summary are of."""
    import polars as pl

    warmup = int(run.summary["accuracy"]["warmup_left_out_of_latencies"])
    return run.requests.filter((pl.col("status") == "completed") & (pl.col("id") >= warmup))


def _bin(per_octave: int) -> Any:
    import polars as pl

    number = (pl.col("value").log(2.0) * per_octave).floor()
    return number.cast(pl.Int32, strict=False).alias("bin")  # of 0 none, which old releases of Polars call an error


def _start(number: pl.Expr) -> pl.Expr:
    return 2.0 ** (number / BINS_PER_OCTAVE)


def latency_bins(run: Run, name: str) -> pl.DataFrame:
    """How many answers of each model had a latency in each bin of a logarithmic grid.

    Columns: `model`, `from_s`, `to_s`, `count`; latencies below `LEAST_S` have nulls for both ends.
    """
    import polars as pl

    counted = _counted(run).select(pl.col("model").cast(pl.String), _latency(name).alias("value"))
    zero = pl.col("value") < LEAST_S
    return (
        counted.drop_nulls()
        .with_columns(pl.when(~zero).then(_bin(BINS_PER_OCTAVE)).alias("bin"))
        .group_by("model", "bin")
        .len("count")
        .sort("bin", "model")
        .with_columns(
            from_s=2.0 ** (pl.col("bin") / BINS_PER_OCTAVE), to_s=2.0 ** ((pl.col("bin") + 1) / BINS_PER_OCTAVE)
        )
        .drop("bin")
        .collect(engine="streaming")
    )


def latency_by_time(run: Run, name: str, shares: list[float]) -> pl.DataFrame:
    """Percentiles of a latency by when requests came, each off by at most 2.2 %.

    Columns: `from_s`, `to_s` of the slice, `answers`, and ``p50`` and so on, seconds.
    """
    import polars as pl

    width = _width(run)
    counts = (
        _counted(run)
        .select(_slice("arrival_s", width).alias("slice"), _latency(name).alias("value"))
        .filter(pl.col("value") >= LEAST_S)
        .group_by("slice", _bin(FINE_BINS_PER_OCTAVE))
        .len("count")
        .sort("slice", "bin")
        .collect(engine="streaming")
        .with_columns(so_far=pl.col("count").cum_sum().over("slice"), all=pl.col("count").sum().over("slice"))
    )
    middle = 2.0 ** ((pl.col("bin") + 0.5) / FINE_BINS_PER_OCTAVE)
    collected = [middle.filter(pl.col("so_far") >= s * pl.col("all")).first().alias(f"p{100 * s:g}") for s in shares]
    return (
        counts.group_by("slice", maintain_order=True)
        .agg(pl.col("all").first().alias("answers"), *collected)
        .with_columns(from_s=pl.col("slice") * width, to_s=(pl.col("slice") + 1) * width)
    )
