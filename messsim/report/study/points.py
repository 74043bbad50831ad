"""What a sweep found, as a table: a line a point."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType

from messsim.scenario.overrides import format_value
from messsim.shapes.studies import Span, Sweep, SweepFailure
from messsim.wording import headed

from ..base.screen import Text
from ..base.tables import Fitting, half_width, number

__all__ = ["spread", "sweep_table"]

MOST_FAILURES = 10


def sweep_table(sweep: Sweep, command: Sequence[str]) -> RenderableType:
    """A line a point: each figure's mean and 95 % interval; then what failed, with the command that shows it.

    `command` is the run of the scenario as it was given, without the point.
    """
    paths = list(dict.fromkeys(path for p in sweep["points"] for path in p["point"]))
    shown = list(sweep["points"][0]["figures"])
    unit = None if "cost.unit" in paths else sweep["cost_unit"]
    scales, heads = zip(*(headed(path, unit) for path in shown), strict=True)
    table = Fitting([*paths, "runs", *heads], spare=[*reversed(heads[1:]), "runs"], left=len(paths))
    for p in sweep["points"]:
        values = [_cell(p["point"], path) for path in paths]
        spreads = [spread(p["figures"][path], scale) for path, scale in zip(shown, scales, strict=True)]
        table.add_row(*values, str(p["replications"]), *spreads)
    parts: list[RenderableType] = [_headline(sweep), Text(), table, Text()]
    parts += [Text(_how_sure(sweep["replications"]), style="dim")]
    for failure in sweep["failures"][:MOST_FAILURES]:
        parts += [Text(f"failed: {failure['error']}", style="bold red"), _again(failure, command)]
    if len(sweep["failures"]) > MOST_FAILURES:
        parts.append(Text(f"... and {len(sweep['failures']) - MOST_FAILURES} more failed", style="bold red"))
    return Group(*parts)


def spread(interval: Span | None, scale: float = 1.0) -> str:
    """A mean with half the width of its interval, both times `scale`."""
    if interval is None or interval["mean"] is None:
        return "-"
    mean = number(scale * interval["mean"])
    if interval["low"] is None or interval["high"] is None:
        return mean
    return f"{mean} ± {half_width(scale * (interval['high'] - interval['low']) / 2)}"


def _headline(sweep: Sweep) -> Text:
    points = len(sweep["points"])
    resumed = f", {sweep['resumed']:,} of them from before" if sweep["resumed"] else ""
    runs = sweep["computed"] + sweep["resumed"]
    return Text(f"{sweep['scenario']}: {_many(points, 'point')}, {_many(runs, 'run')}{resumed}", style="bold")


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def _cell(point: Mapping[str, Any], path: str) -> str:
    return format_value(point[path]) if path in point else "-"


def _how_sure(replications: int) -> str:
    if replications == 1:
        return "one replication: no interval; --seeds 5 gives one"
    return f"mean ± half of the 95 % interval over {replications} replications, the same at every point"


def _again(failure: SweepFailure, command: Sequence[str]) -> Text:
    """The command that shows a failure, on one line however long, to be copied; print it with crop=False."""
    sets = [part for path, v in failure["point"].items() for part in ("--set", f"{path}={format_value(v)}")]
    words = shlex.join([*command, *sets, "--replication", str(failure["replication"])])
    return Text(f"  {words}", no_wrap=True, overflow="ignore")
