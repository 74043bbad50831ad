"""What happened from outside: phases and failures, as lines and shades across a chart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .figure import library

if TYPE_CHECKING:
    import polars as pl

__all__ = ["NOTHING", "Marks", "OutageMark", "PhaseMark"]

MOST_SHADES = 400
LABEL_SHARE = 0.16  # of the axis, that the label of a phase takes on a narrow screen


@dataclass(frozen=True)
class PhaseMark:
    """Where a phase of the scenario starts: the first request, or seconds."""

    name: str
    request: int | None
    time_s: float | None


@dataclass(frozen=True)
class OutageMark:
    """A replica that is down, seconds."""

    pool: str
    replica: int
    from_s: float
    to_s: float
    planned: bool


@dataclass(frozen=True)
class Marks:
    """Phases and failures of a run."""

    phases: list[PhaseMark] = field(default_factory=list)
    outages: list[OutageMark] = field(default_factory=list)

    def layers(
        self, timeline: pl.DataFrame, axis: str, scale: float = 1.0, *, filled: bool = False
    ) -> tuple[list[Any], list[Any]]:
        """Layers behind and before the curves of a chart.

        Parameters
        ----------
        timeline
            The run's: it tells which request came when.
        axis
            What the chart's x is: "request" or "time_s".
        scale
            x is in units of so much.
        filled
            Whether the chart is full of colour: failures are then a strip along its top, not shades behind it.
        """
        alt = library()
        behind, before = [], []
        if shades := self._shades(timeline, axis, scale):
            tip = [alt.Tooltip("what:N", title="down")]
            ends = {"y": alt.value(-7), "y2": alt.value(-1)} if filled else {}
            drawn = alt.Chart(alt.Data(values=shades)).mark_rect(style="strip" if filled else "outage")
            behind = [drawn.encode(x="from:Q", x2="to:Q", tooltip=tip, **ends)]
        if lines := self._lines(timeline, axis, scale):
            before = [
                alt.Chart(alt.Data(values=lines)).mark_rule(style="mark").encode(x="at:Q"),
                alt.Chart(alt.Data(values=_labels(lines, timeline, axis, scale)))
                .mark_text(style="mark-label", align="left", baseline="top", dx=4, y=0)
                .encode(x="at:Q", text="what:N"),
            ]
        return behind, before

    def note(self, *, filled: bool = False) -> str:
        """What the layers mean, to be put behind the words to a chart."""
        red = "Red, along the top" if filled else "Red bands"
        phases = " Dotted lines: a phase begins." if self.phases else ""
        return phases + (f" {red}: a replica is down." if self.outages else "")

    def _shades(self, timeline: pl.DataFrame, axis: str, scale: float) -> list[dict[str, str | float]]:
        until_s = timeline["time_s"].max() if len(timeline) else 0.0  # a repair may come after the run
        assert isinstance(until_s, (int, float))

        def at(time_s: float) -> float:
            time_s = min(time_s, until_s)
            return time_s if axis == "time_s" else _interpolated(timeline, time_s, "time_s", "request")

        return [
            {
                "from": at(o.from_s) / scale,
                "to": at(o.to_s) / scale,
                "what": f"{o.pool}, replica {o.replica}" + (" (planned)" if o.planned else ""),
            }
            for o in self.outages[:MOST_SHADES]
        ]

    def _lines(self, timeline: pl.DataFrame, axis: str, scale: float) -> list[dict[str, str | float]]:
        lines: list[dict[str, str | float]] = []
        for phase in self.phases:
            known = "request" if phase.request is not None else "time_s"
            at = float(phase.request if phase.request is not None else phase.time_s or 0.0)
            last = timeline[known].max()
            if isinstance(last, (int, float)) and at <= last:
                at = at if known == axis else _interpolated(timeline, at, known, axis)
                lines.append({"at": at / scale, "what": phase.name})
        return lines


def _labels(
    lines: list[dict[str, str | float]], timeline: pl.DataFrame, axis: str, scale: float
) -> list[dict[str, str | float]]:
    """Names of phases where they begin; those that begin so soon after another that they would touch stand with it."""
    last = timeline[axis].max()
    room = LABEL_SHARE * (last if isinstance(last, (int, float)) else 0.0) / scale
    labels: list[dict[str, str | float]] = []
    for line in sorted(lines, key=lambda line: float(line["at"])):
        if labels and float(line["at"]) - float(labels[-1]["at"]) < room:
            labels[-1] = labels[-1] | {"what": f"{labels[-1]['what']}, {line['what']}"}
        else:
            labels.append(line)
    return labels


def _interpolated(timeline: pl.DataFrame, at: float, known: str, wanted: str) -> float:
    return float(np.interp(at, timeline[known].to_numpy(), timeline[wanted].to_numpy()))


NOTHING = Marks()
