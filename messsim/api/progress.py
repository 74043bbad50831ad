"""Progress of long work: a line in a notebook, or whatever the caller wants."""

from __future__ import annotations

import contextlib
import html
import math
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from messsim.wording import percent

if TYPE_CHECKING:
    from messsim.engines import Progress

__all__ = ["RunProgress", "StudyProgress", "run_progress", "study_progress"]

RunProgress = Callable[["Progress"], None]
StudyProgress = Callable[[int, int], None]

EVERY_S = 0.5  # between two lines
FIRST_S = 1.0  # before the first: short work shows none


@contextlib.contextmanager
def run_progress(given: RunProgress | None) -> Iterator[RunProgress | None]:
    """Where a run tells how far it is: the caller's function, a line of the notebook, or nowhere."""
    with _line() as show:
        if given is not None or show is None:
            yield given
            return

        def tell(progress: Progress) -> None:
            share = progress.requests / progress.total if progress.total else None
            satisfied = None if math.isnan(progress.satisfaction) else progress.satisfaction
            show(f"{percent(share, 0)}, {progress.requests:,} requests, {percent(satisfied)} satisfied")

        yield tell


@contextlib.contextmanager
def study_progress(given: StudyProgress | None) -> Iterator[StudyProgress | None]:
    """The same for a study, which tells how many runs are done, and of how many."""
    with _line() as show:
        if given is not None or show is None:
            yield given
            return
        yield lambda done, total: show(f"{done:,} of {total:,} runs")


@contextlib.contextmanager
def _line() -> Iterator[Callable[[str], None] | None]:
    """A line of a notebook that is written again and again, and empty in the end; None where there is no notebook."""
    handle = _display()
    if handle is None:
        yield None
        return
    last = time.monotonic() + FIRST_S - EVERY_S

    def show(text: str) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY_S:
            last = time.monotonic()
            handle.update({"text/plain": text, "text/html": f"<code>{html.escape(text)}</code>"}, raw=True)

    try:
        yield show
    finally:
        handle.update({"text/plain": "", "text/html": ""}, raw=True)


def _display() -> Any:
    """A place in the notebook that this runs in, if it does."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import DisplayHandle

    handle = DisplayHandle()
    handle.display({"text/plain": "", "text/html": ""}, raw=True)
    return handle
