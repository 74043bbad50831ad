"""Summaries as rows of one table: what `compare` and `sweep` write to ``results.parquet``.

A row has the keys that tell its point from the others, the policy, seed and replication, an `error` (null where the
run came to its end), and then every figure of the summary in a column of its own: ``sla_satisfaction``,
``latency_s_ttft_p95``, ``models_8b_share``. Rows are functions of scenario and seed: what depends on the machine
(``performance``) is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from messsim.errors import MesssimError, SimulationError
from messsim.results.figures import Figure, figures, plain
from messsim.scenario import Scenario
from messsim.version import __version__

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Row", "check_version", "column_of", "failed_row", "frame_of", "row_of"]

Row = dict[str, Figure]

LEFT_OUT = ("performance", "accuracy", "intervals")  # of the machine, constants, and what rows give together


def row_of(scenario: Scenario, summary: Mapping[str, Any], point: Mapping[str, Any] | None = None) -> Row:
    """The row of a run.

    Parameters
    ----------
    scenario
        What was run.
    summary
        What came of it.
    point
        What tells it from the other points: values by key path, such as ``{"router.V": 1e-4}``.
    """
    figures_here = {k: v for k, v in summary.items() if k not in LEFT_OUT}
    return _head(scenario, point, None) | {column_of(path): value for path, value in figures(figures_here).items()}


def failed_row(scenario: Scenario, error: MesssimError, point: Mapping[str, Any] | None = None) -> Row:
    """The row of a run that did not come to its end."""
    return _head(scenario, point, str(error)) | {"scenario": scenario.name, "engine": scenario.engine}


def check_version(row: Mapping[str, Any]) -> None:
    """Raises for a row, or a summary, that another version made, on a cluster whose nodes differ.

    Raises
    ------
    SimulationError
        That names both versions.
    """
    if row["version"] != __version__:
        raise SimulationError(f"a worker runs messsim {row['version']}, not {__version__}; expected the same")


def _head(scenario: Scenario, point: Mapping[str, Any] | None, error: str | None) -> Row:
    return {
        **{key: _cell(value) for key, value in (point or {}).items()},
        "policy": scenario.router.policy_name,
        "seed": scenario.seed,
        "replication": scenario.replication,
        "error": error,
    }


def _cell(value: Any) -> Figure:
    """A value of a scenario as one cell: lists and tables as JSON."""
    return value if value is None or isinstance(value, (bool, int, float, str)) else json.dumps(value, default=str)


def column_of(path: str) -> str:
    """The column of the figure at a path: ``latency_s.ttft.p95`` is ``latency_s_ttft_p95``."""
    return plain(path).replace(".", "_")


def frame_of(rows: Sequence[Row]) -> pl.DataFrame:
    """All rows as a Polars frame, in the order given.

    A column holds whole numbers, numbers, truth values or texts, whatever holds all its values; a figure that no row
    has is a null number. A row without a column that others have is null there.
    """
    import polars as pl

    columns = list(dict.fromkeys(name for row in rows for name in row))
    return pl.DataFrame([_series(name, [row.get(name) for row in rows]) for name in columns])


def _series(name: str, values: list[Figure]) -> pl.Series:
    import polars as pl

    kinds = {type(v) for v in values if v is not None}
    if kinds == {bool}:
        return pl.Series(name, values, pl.Boolean)
    if kinds == {int}:
        return pl.Series(name, values, pl.Int64)
    if kinds <= {int, float} and name != "error":
        return pl.Series(name, [None if v is None else float(v) for v in values], pl.Float64)
    return pl.Series(name, [v if v is None or isinstance(v, str) else json.dumps(v) for v in values], pl.String)
