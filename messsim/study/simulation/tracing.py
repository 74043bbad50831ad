"""A window of a run, for a trace viewer."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from messsim.engines import Progress, prepare
from messsim.errors import OutputError
from messsim.results import whole_or_absent
from messsim.routing import interruptible
from messsim.scenario import Scenario
from messsim.version import __version__

from .trace.events import TraceFile
from .trace.tracks import Tracks

__all__ = ["parse_window", "trace"]


def parse_window(text: str) -> tuple[float, float]:
    """``A..B``, seconds of simulated time."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*\.\.\s*(\d+(?:\.\d+)?)\s*", text)
    window = (float(match[1]), float(match[2])) if match else (0.0, 0.0)
    if not window[0] < window[1] <= 1e15:
        raise OutputError(f"--trace-window {text}: expected A..B, seconds of simulated time with A < B, as in 60..120")
    return window


def trace(
    scenario: Scenario,
    file: str | Path,
    window_s: tuple[float, float] = (0.0, 60.0),
    progress: Callable[[Progress], None] | None = None,
) -> int:
    """Writes what happens between two times of a run to a file of Chrome's Trace Event Format.

    The run is that of the SimPy engine, which can be watched, up to the end of the window; the compiled engine's is
    the same bit for bit.

    Parameters
    ----------
    scenario
        From `messsim.load`.
    file
        Appears whole or not at all; one that is there already is replaced.
    window_s
        From and to, seconds of simulated time.
    progress
        Called now and then with how far the run is.

    Returns
    -------
    int
        Events in the file, names of its tracks left out: 0 if nothing happens in the window.

    Raises
    ------
    ScenarioError, OutputError, SimulationError
        If the scenario cannot be run, the file cannot be written or would have more than two million events, or the
        run cannot go on.
    """
    from messsim.engines.simpy_engine import watch

    target = Path(file)
    if target.is_dir():
        raise OutputError(f"{target}: is a directory; expected the name of a file to write")
    from_s, until_s = window_s
    setup = prepare(scenario)
    about = {"scenario": scenario.name, "seed": scenario.seed, "replication": scenario.replication}
    with whole_or_absent(target) as beside, beside.open("w", encoding="utf-8") as out:
        written = TraceFile(out, from_s, about | {"messsim": __version__, "window_s": list(window_s)})
        tracks = Tracks(setup.scenario, setup.pools, written)
        if setup.runs_own_code:
            interruptible(watch, setup, tracks, until_s, progress)
        else:
            watch(setup, tracks, until_s, progress)
        tracks.close(min(until_s, scenario.horizon_s or until_s))
    return written.happened
