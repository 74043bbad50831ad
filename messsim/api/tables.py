"""Summaries of studies as tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from messsim.results.figures import Figure, figures
from messsim.results.rent import pool_of

if TYPE_CHECKING:
    import polars as pl

__all__ = ["clusters_table", "flat_table", "points_table"]

ENDS = ("mean", "low", "high")


def flat_table(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """A row an object; its inner figures are named by their path, such as ``latency_s.ttft``."""
    from messsim.study.runs.rows import frame_of

    return frame_of([figures(row) for row in rows])


def points_table(points: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """A row a point of a sweep: its keys, and mean, low and high of each figure."""
    return flat_table([{**p["point"], "replications": p["replications"], **_ends(p["figures"])} for p in points])


def clusters_table(clusters: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """A row a cluster of a plan: its pools, what it costs, its verdict, and its figures."""
    return flat_table(
        [
            {
                **{f"{p['pool']}.{key}": p[key] for p in c["pools"] for key in ("replicas", "gpu", "tp")},
                **{key: c[key] for key in ("gpus", "objective", "verdict")},
                **_ends({r["path"]: r for r in c["requirements"]}),
                **_ends({path: figure for path, figure in c["figures"].items() if pool_of(path)}),
            }
            for c in clusters
        ]
    )


def _ends(intervals: Mapping[str, Mapping[str, Any] | None]) -> dict[str, Figure]:
    return {f"{path} {end}": None if i is None else i[end] for path, i in intervals.items() for end in ENDS}
