"""A progress bar with rate, time left, running satisfaction and Q."""

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from rich.console import Console

from messsim.wording import percent, visible

if TYPE_CHECKING:
    from messsim.engines import Progress as RunProgress

__all__ = ["progress_bar", "runs_bar"]


@contextlib.contextmanager
def progress_bar(console: Console, name: str) -> Iterator["Callable[[RunProgress], None] | None"]:
    """Something to tell progress to, or None where nobody would see it."""
    if not console.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("satisfied {task.fields[satisfied]}  Q {task.fields[queue]}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(visible(name), total=1.0, rate="", satisfied="-", queue="-")

        def tell(progress: "RunProgress") -> None:
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

        yield tell


@contextlib.contextmanager
def runs_bar(console: Console, name: str) -> Iterator[Callable[[int, int], None] | None]:
    """Something to tell how many runs of a study are done, out of how many; None where nobody would see it."""
    if not console.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TextColumn("runs,"))
    left = (TimeRemainingColumn(), TextColumn("left"))
    with Progress(*columns, *left, console=console, transient=True) as bar:
        task = bar.add_task(visible(name), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
