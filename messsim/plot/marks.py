"""What happened from outside: phases and failures, as lines and shades across a chart."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .figure import library
from .parts import haloed

if TYPE_CHECKING:
    import polars as pl

__all__ = ["NOTHING", "Marks", "OutageMark", "PhaseMark"]

MOST_SHADES = 400
NARROW, LETTER = 250.0, 8.0  # pixels: of the axis on a narrow screen, and of a letter beside a line
MOST_NAMES = 8


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
            drawn = alt.Chart(alt.Data(values=lines)).encode(x="at:Q", tooltip=[alt.Tooltip("what:N", title="begins")])
            before = [drawn.mark_rule(style=style) for style in (["mark-edge"] * filled + ["mark"])]
            labels = _labels(lines, timeline, axis, scale)
            for align, dx in (("left", 3), ("right", -3)):
                if there := [label for label in labels if label["align"] == align]:
                    named = alt.Chart(alt.Data(values=there)).encode(x="at:Q", text="text:N")
                    before += haloed(named, align=align, baseline="top", dx=dx, y=2)
        return behind, before

    def note(self, *, filled: bool = False) -> str:
        """What the layers mean, to be put behind the words to a chart."""
        red = "Red, along the top" if filled else "Red bands"
        return self._listed() + (f" {red}: a replica is down; darker: several are." if self.outages else "")

    def _listed(self) -> str:
        """The phases by their numbers, which stand at their lines."""
        if not self.phases:
            return ""
        names = [f"{k} {phase.name}" for k, phase in enumerate(self.phases, 1) if phase.name != f"phase {k}"]
        if not names:
            return " Dotted lines: phases begin, by their number."
        more = f", and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        return f" Dotted lines: phases begin: {', '.join(names[:MOST_NAMES])}{more}."

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
        for number, phase in enumerate(self.phases, 1):
            known = "request" if phase.request is not None else "time_s"
            at = float(phase.request if phase.request is not None else phase.time_s or 0.0)
            last = timeline[known].max()
            if isinstance(last, (int, float)) and at <= last:
                at = at if known == axis else _interpolated(timeline, at, known, axis)
                lines.append({"at": at / scale, "what": phase.name, "number": number})
        return lines


def _labels(
    lines: list[dict[str, str | float]], timeline: pl.DataFrame, axis: str, scale: float
) -> list[dict[str, str | float]]:
    """Numbers of phases where they begin; those that begin so soon after another that they would touch: ``2-4``."""
    last = timeline[axis].max()
    end = (last if isinstance(last, (int, float)) else 0.0) / scale
    pixel = end / NARROW
    labels: list[dict[str, str | float]] = []
    for line in sorted(lines, key=lambda line: float(line["at"])):
        before: dict[str, str | float] = labels[-1] if labels else {"at": -math.inf, "text": ""}
        if float(line["at"]) - float(before["at"]) < pixel * LETTER * (1 + len(str(before["text"]))):
            first = str(before["text"]).partition("-")[0]
            labels[-1] = before | {"text": f"{first}-{line['number']}"}
        else:
            labels.append({"at": line["at"], "text": f"{line['number']}"})
    return [
        label | {"align": "right" if float(label["at"]) > end - pixel * LETTER * len(str(label["text"])) else "left"}
        for label in labels
    ]


def _interpolated(timeline: pl.DataFrame, at: float, known: str, wanted: str) -> float:
    return float(np.interp(at, timeline[known].to_numpy(), timeline[wanted].to_numpy()))


NOTHING = Marks()
