"""A progress bar with rate, time left, running satisfaction and Q."""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType

from messsim.wording import percent, visible

from .screen import Text

if TYPE_CHECKING:
    from messsim.engines import Progress as RunProgress

OnProgress = Callable[[int, int], None]  # runs done, and of how many

__all__ = ["known_bar", "progress_bar", "runs_bar"]

SHOW_CURVE_S = 10.0  # a run that takes longer shows how satisfaction went
CURVE = 40  # characters
LEVELS = " ▁▂▃▄▅▆▇█"


@contextlib.contextmanager
def progress_bar(
    console: Console, name: str, alpha: float | None = None
) -> Iterator["Callable[[RunProgress], None] | None"]:
    """Something to tell progress to, or None where nobody would see it.

    With `alpha`, the promise, satisfaction stands beside it, and after ten seconds how it went.
    """
    if not console.is_terminal:
        yield None
        return
    from rich.live import Live
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("satisfied {task.fields[satisfied]}  Q {task.fields[queue]}"),
    )
    shares: list[float] = []
    bar = Progress(*columns, console=console)
    with Live(bar, console=console, transient=True) as live:
        task = bar.add_task(visible(name), total=1.0, rate="", satisfied="-", queue="-")

        def tell(progress: "RunProgress") -> None:
            if not math.isnan(progress.satisfaction):
                shares.append(progress.satisfaction)
            elapsed = bar.tasks[task].elapsed or 0.0
            rate = f"{progress.requests / elapsed:,.0f} requests/s" if elapsed > 0 else ""
            if progress.total:
                done = progress.requests / progress.total
            else:
                done = progress.time_s / progress.horizon_s if progress.horizon_s else 0.0
            bar.update(
                task,
                completed=done,
                rate=rate,
                satisfied="-" if math.isnan(progress.satisfaction) else percent(progress.satisfaction),
                queue=f"{progress.queue:.3g}",
            )
            if alpha is not None and elapsed > SHOW_CURVE_S:
                text = f"satisfied so far |{curve(shares, alpha)}| middle: {percent(alpha)} promised"
                live.update(Group(bar, Text(text)))

        yield tell


@contextlib.contextmanager
def runs_bar(console: Console, name: str) -> Iterator[OnProgress | None]:
    """Something to tell how many runs of a study are done, out of how many; None where nobody would see it."""
    with known_bar(console, name) as (on_progress, _):
        yield on_progress


@contextlib.contextmanager
def known_bar(console: Console, name: str) -> Iterator[tuple[OnProgress | None, Callable[[RenderableType], None]]]:
    """The same, and a function that shows what is known so far below the bar."""
    if not console.is_terminal:
        yield None, lambda known: None
        return
    from rich.live import Live
    from rich.progress import BarColumn, Progress, Task, TextColumn, TimeRemainingColumn

    class Left(TimeRemainingColumn):
        """Nothing as long as nobody knows."""

        def render(self, task: Task) -> Text:
            return Text() if task.time_remaining is None else Text(f", {super().render(task)} left")

    runs = TextColumn("{task.fields[runs]}")
    bar = Progress(TextColumn("{task.description}", markup=False), BarColumn(), runs, Left(), console=console)
    task = bar.add_task(visible(name), total=None, runs="begins")
    with Live(bar, console=console, transient=True) as live:
        yield (
            lambda done, total: bar.update(task, completed=done, total=total, runs=f"{done:,} of {total:,} runs"),
            lambda known: live.update(Group(bar, known)),
        )


def curve(shares: Sequence[float], alpha: float) -> str:
    """How satisfaction went, from the first to the last, on a scale whose middle is the promise."""
    step = max(1, math.ceil(len(shares) / CURVE))
    picked = list(shares[::-step])[::-1]
    reach = max((abs(s - alpha) for s in picked), default=0.0) or 1.0
    middle, top = len(LEVELS) // 2, len(LEVELS) - 1
    return "".join(LEVELS[min(top, max(1, round(middle + (s - alpha) / reach * (top - middle))))] for s in picked)
