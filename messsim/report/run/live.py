"""A run as it goes, on a terminal or as plain lines: the promise, the queue, who answers, latencies, replicas."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table

from messsim.results.verdict import falls_short
from messsim.shapes.live import Snapshot
from messsim.wording import number, per_request, percent, request_unit, seconds, visible

from ..base.screen import Text
from ..base.tables import Fitting, grid

__all__ = ["Curve", "dashboard", "line_of", "watching"]

SPARKS = "▁▂▃▄▅▆▇█"
BAR = 24  # characters of a whole bar
LINE_EVERY_S = 5.0


def line_of(s: Snapshot) -> str:
    """A snapshot as one plain line."""
    parts = [f"{s.requests:,}{_of_all(s)} requests", _promise(s), f"Q {s.queue:.3g}"]
    parts += [f"{q.name} p95 {seconds(q.p95_s)}" for q in s.latencies[:1] if q.p95_s is not None]
    return visible(f"{s.scenario}: {', '.join(parts)}")


def dashboard(s: Snapshot) -> RenderableType:
    """A snapshot for a terminal."""
    state = "over" if s.done else "running"
    head = f"{s.scenario}, {s.policy}: {s.requests:,}{_of_all(s)} requests, {seconds(s.time_s)} simulated, {state}"
    rows = grid()
    rows.add_row("promise", Text(_promise(s), style=_style(s)))
    rows.add_row("", Curve(s.satisfaction_curve, _style(s)))
    rows.add_row("queue", Text(f"{number(s.queue)} answers owed"))
    rows.add_row("", Curve(s.queue_curve))
    if s.certificate is not None and s.certificate > 0.0:
        rows.add_row("certificate", Text(f"at least {percent(s.certificate, 2)}, whatever the traffic does"))
    each = " a request" if request_unit(s.cost_unit)[0] == 1.0 else ""
    cost = f"{per_request(s.cost_per_request, s.cost_unit)}{each}, " if s.cost_per_request is not None else ""
    rows.add_row("cost", Text(f"{cost}{percent(s.explored / max(s.requests, 1), 2)} of requests explored"))
    for latency in s.latencies:
        if latency.p50_s is not None:
            rows.add_row(latency.name, Text(f"p50 {seconds(latency.p50_s)}, p95 {seconds(latency.p95_s)}"))
    parts: list[RenderableType] = [Text(head, style="bold"), rows, Text(), _models(s)]
    return Group(*parts, *([Text(), _pools(s)] if s.pools else []))


def _of_all(s: Snapshot) -> str:
    return "" if s.total is None or s.requests >= s.total else f" of {s.total:,}"


def _promise(s: Snapshot) -> str:
    if s.satisfaction is None or s.promise is None:
        return "no answer yet"
    so_far = "" if s.done else " so far"
    return (
        f"{percent(s.satisfaction, 2)} satisfied{so_far}, {percent(s.promise, 2)} promised "
        f"({100 * (s.satisfaction - s.promise):+.2f} points)"
    )


def _style(s: Snapshot) -> str:
    if s.satisfaction is None or s.promise is None:
        return ""
    return "yellow" if falls_short(s.satisfaction, s.promise) else "green"


def sparks(values: Sequence[float]) -> str:
    """Values as a line of blocks, from their least to their most."""
    if not values:
        return ""
    low, high = min(values), max(values)
    scale = (len(SPARKS) - 1) / (high - low) if high > low else 0.0
    return "".join(SPARKS[round((v - low) * scale)] for v in values)


class Curve:
    """A line of blocks that is no wider than its place, up to the last value."""

    def __init__(self, values: Sequence[float], style: str = "") -> None:
        self._values, self._style = list(values), style

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """For Rich."""
        return Measurement(1, max(1, min(len(self._values), options.max_width)))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """For Rich: where there are too many values, every other, or one of three."""
        step = -(-len(self._values) // options.max_width) or 1
        yield Text(sparks(self._values[::-step][::-1]), style=self._style)


def _models(s: Snapshot) -> RenderableType:
    answered = sum(m.answered for m in s.models)
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for heading in ("model", "share", ""):
        table.add_column(heading, justify="right" if heading == "share" else "left", overflow="fold")
    for m in s.models:
        share = m.answered / answered if answered else 0.0
        table.add_row(m.name, percent(share) if answered else "-", "█" * round(BAR * share))
    return table


def _pools(s: Snapshot) -> RenderableType:
    table = Fitting(("pool", "replicas", "requests in it", "a replica", "power"), spare=("a replica",))
    for p in s.pools:
        power = number(p.power_w, "W")
        table.add_row(p.name, str(p.replicas), f"{p.in_system:,}", f"{p.in_system / max(p.replicas, 1):.1f}", power)
    return table


@contextlib.contextmanager
def watching(console: Console) -> Iterator[Callable[[Snapshot], None]]:
    """Something to tell snapshots to: a picture that changes on a terminal, else a plain line every few seconds."""
    if console.is_terminal:
        from rich.live import Live

        with Live(console=console, auto_refresh=False, transient=True) as live:
            yield lambda snapshot: live.update(dashboard(snapshot), refresh=True)
        return
    last_s = time.monotonic()

    def tell(snapshot: Snapshot) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= LINE_EVERY_S:
            last_s = time.monotonic()
            console.print(line_of(snapshot), highlight=False, soft_wrap=True)

    yield tell
