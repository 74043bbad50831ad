"""The paper's eight benchmarks once more, in both accountings, beside what it published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean

from messsim.errors import ScenarioError
from messsim.results.intervals import replication_interval
from messsim.scenario import parse
from messsim.scenario.toml import Table
from messsim.shapes.evidence import BestSingleOfPaper, MeanCost, MeanCosts, PaperBenchmark, PaperRun, PaperSummary
from messsim.version import __version__

from ..runs import GivenWorkers, Matrix, OnProgress, Runs, runs_of
from ..runs.identity import contents
from ..runs.journal import Key
from ..runs.points import Point
from ..runs.rows import Row, row_of
from ..runs.summaries import Summary, summary_at
from .captures import captured
from .paper import BENCHMARKS, MODELS, PUBLISHED_COST_MJ, RIVALS_COST_MJ, Benchmark

__all__ = ["EXPLORATION", "reproduce_paper"]

EXPLORATION = (0.01, 0.1, 1.0)  # c


def reproduce_paper(
    data: Path | None = None,
    *,
    seeds: int = 20,
    exploration: Sequence[float] = EXPLORATION,
    seed: int | None = None,
    sets: list[str] | None = None,
    out: Path | None = None,
    workers: GivenWorkers = None,
    on_progress: OnProgress | None = None,
) -> PaperSummary:
    """Runs every benchmark at every rate of exploration, in replications 0 ... seeds - 1.

    Parameters
    ----------
    data
        A directory with the authors' capture files; none: the scenarios of ``scenarios/paper``.
    seeds
        Replications.
    exploration
        Values of ``router.c``.
    seed, sets
        Of all scenarios.
    out
        A directory for ``results.parquet``; one that the same study began is continued.
    workers, on_progress
        As in `messsim.study.runs.runs_of`.

    Returns
    -------
    PaperSummary

    Raises
    ------
    DataError, ScenarioError
        If the capture files or the overrides are wrong.
    """
    if any(s.split("=")[0].strip() == "router.c" for s in sets or []):
        raise ScenarioError("--set router.c: expected --c, once for each value")
    known = captured(data) if data is not None else [(b, b.scenario()) for b in BENCHMARKS]
    points: list[Point] = [{"benchmark": b.name, "router.c": c} for b, _ in known for c in exploration]
    scenarios = [parse(_at(table, c), sets, seed=seed) for _, table in known for c in exploration]
    keys = [(i, r) for i in range(len(points)) for r in range(seeds)]
    matrix = Matrix(scenarios[0], points, scenarios.__getitem__, summary_at)
    with runs_of(
        matrix,
        out=out,
        identity=lambda: contents("reproduce paper", scenarios[0], points, scenarios, several=True),
        table=lambda runs: _rows(matrix, runs, keys),
        keys=keys,
        workers=workers,
        on_progress=on_progress,
    ) as runs:
        done = runs.all(keys)
    summaries: dict[tuple[str, float], list[Summary]] = {}
    for (i, _), summary in zip(keys, done, strict=True):
        summaries.setdefault((points[i]["benchmark"], points[i]["router.c"]), []).append(summary)
    benchmarks = [_benchmark(b, table, {c: summaries[b.name, c] for c in exploration}) for b, table in known]
    return _summed_up("scenarios" if data is None else str(data), seeds, benchmarks, exploration)


def _summed_up(data: str, seeds: int, benchmarks: list[PaperBenchmark], exploration: Sequence[float]) -> PaperSummary:
    names = {b["name"] for b in benchmarks}
    return {
        "version": __version__,
        "data": data,
        "replications": seeds,
        "missing": [b.name for b in BENCHMARKS if b.name not in names],
        "benchmarks": benchmarks,
        "mean_cost": _mean_costs(benchmarks, exploration),
    }


def _rows(matrix: Matrix[Summary], runs: Runs[Summary], keys: Sequence[Key]) -> list[Row]:
    known = [key for key in keys if key in runs.values]
    return [row_of(matrix.scenario(key), runs.values[key], matrix.points[key[0]]) for key in known]


def _at(table: Table, c: float) -> Table:
    return table | {"router": table["router"] | {"c": c}}


def _benchmark(benchmark: Benchmark, table: Table, runs: dict[float, list[Summary]]) -> PaperBenchmark:
    names = [m["name"] for m in table["models"]]
    first = next(iter(runs.values()))  # what needs no router does not depend on c
    comparable = names == list(MODELS)
    return {
        "name": benchmark.name,
        "title": benchmark.title,
        "alpha": first[0]["sla"]["alpha"],
        "requests": first[0]["requests"]["arrived"],
        "published": {
            "satisfaction": benchmark.satisfaction,
            "shares": dict(zip(MODELS, benchmark.shares, strict=True)) if comparable else None,
        },
        "best_single": _best_single(first),
        "static_mix_mj": _mean([_all(s, s["cost"]["static_mix_per_request"]) for s in first]),
        "runs": [_run(c, summaries, benchmark) for c, summaries in runs.items()],
    }


def _run(c: float, runs: list[Summary], benchmark: Benchmark) -> PaperRun:
    paper = _known(r["sla"]["satisfaction_time_mean"] for r in runs)
    return {
        "c": c,
        "paper": {
            "satisfaction": replication_interval(paper).summary(),
            "cost_mj": replication_interval([r["cost"]["paper"] / 1e6 for r in runs]).summary(),
        },
        "whole": {
            "satisfaction": replication_interval(_known(r["sla"]["satisfaction"] for r in runs)).summary(),
            "cost_mj": replication_interval([r["cost"]["total"] / 1e6 for r in runs]).summary(),
        },
        "shares": {
            m["name"]: fmean(_known(r["models"][k]["share"] for r in runs)) for k, m in enumerate(runs[0]["models"])
        },
        "explored": fmean(r["requests"]["explored"] / r["requests"]["arrived"] for r in runs),
        "kept": sum(r["sla"]["kept"] is True for r in runs),
        "less_than_published": benchmark.satisfaction - fmean(paper),
        "ratio_to_oracle": _mean([r["cost"]["ratio_to_oracle"] for r in runs]),
    }


def _best_single(runs: list[Summary]) -> BestSingleOfPaper:
    """The model that is most often the cheapest to keep the promise alone, and its cost where it is."""
    best = [r["cost"]["best_single"] for r in runs]
    model, _ = Counter(b["model"] for b in best).most_common(1)[0]
    costs = [_all(r, b["per_request"]) for r, b in zip(runs, best, strict=True) if b["model"] == model]
    return {"model": model, "cost_mj": _mean(costs)}


def _all(run: Summary, per_request: float | None) -> float | None:
    return None if per_request is None else per_request * run["requests"]["arrived"] / 1e6


def _known(values: Iterable[float | None]) -> list[float]:
    return [v for v in values if v is not None]


def _mean(values: Iterable[float | None]) -> float | None:
    known = _known(values)
    return fmean(known) if known else None


def _mean_costs(benchmarks: list[PaperBenchmark], exploration: Sequence[float]) -> MeanCosts:
    ours: list[MeanCost] = [
        {
            "c": c,
            "paper_mj": fmean(b["runs"][k]["paper"]["cost_mj"]["mean"] for b in benchmarks),
            "whole_mj": fmean(b["runs"][k]["whole"]["cost_mj"]["mean"] for b in benchmarks),
        }
        for k, c in enumerate(exploration)
    ]
    return {"ours": ours, "published_mj": PUBLISHED_COST_MJ, "rivals_mj": list(RIVALS_COST_MJ)}
