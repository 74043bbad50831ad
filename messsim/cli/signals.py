"""Signals that end a command: each as Ctrl-C does, with cleaning up, and an exit code of its own."""

import signal
from types import FrameType

__all__ = ["Ended", "end_like_ctrl_c", "exit_code"]

INTERRUPTED = 128 + signal.SIGINT


class Ended(KeyboardInterrupt):
    """What goes on is to end: whatever cleans up after Ctrl-C does so now."""


class Terminated(Ended):
    """SIGTERM: somebody's ``kill``, a container that stops."""


class HungUp(Ended):
    """SIGHUP: the terminal is gone."""


ENDS: dict[int, type[Ended]] = {signal.SIGTERM: Terminated, signal.SIGHUP: HungUp}


def end_like_ctrl_c() -> None:
    """From here on SIGTERM and SIGHUP raise in the main thread; what is ignored, as under nohup, stays ignored."""
    for number in ENDS:
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _raise)


def _raise(number: int, frame: FrameType | None) -> None:
    for other in ENDS:
        signal.signal(other, signal.SIG_IGN)  # a second one would stop the cleaning up
    raise ENDS[number]


def exit_code(interrupt: KeyboardInterrupt) -> int:
    """As a shell tells what a signal ended: 130, 143 or 129."""
    return next((128 + number for number, kind in ENDS.items() if isinstance(interrupt, kind)), INTERRUPTED)
