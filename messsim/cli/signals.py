"""Signals that end a command: each as Ctrl-C does, with cleaning up, and an exit code of its own."""

import os
import signal
import sys
import threading
from types import FrameType

__all__ = ["Ended", "end_like_ctrl_c", "exit_code"]

# Somebody's `kill`, a container that stops, a terminal that is gone, Ctrl-\, what batch systems send before they kill.
ENDS = (
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGXCPU,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGALRM,
)


AGAIN_S = 0.05


class Ended(KeyboardInterrupt):
    """What goes on is to end: whatever cleans up after Ctrl-C does so now."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def end_like_ctrl_c() -> None:
    """From here on these signals raise in the main thread; what is ignored, as under nohup, stays ignored."""
    for number in ENDS:
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _raise)
    sys.unraisablehook = _not_lost


def _raise(number: int, frame: FrameType | None) -> None:
    for other in ENDS:
        signal.signal(other, signal.SIG_IGN)  # a second one would stop the cleaning up
    raise Ended(number)


def _not_lost(unraisable: "sys.UnraisableHookArgs") -> None:
    """Where an exception cannot be raised, as in what Python calls when an object goes, a signal comes again."""
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)
        return
    number = unraisable.exc_value.number if isinstance(unraisable.exc_value, Ended) else signal.SIGINT
    if number != signal.SIGINT:
        signal.signal(number, _raise)
    again = threading.Timer(AGAIN_S, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()


def exit_code(interrupt: KeyboardInterrupt) -> int:
    """As a shell tells what a signal ended: 128 and its number."""
    return 128 + (interrupt.number if isinstance(interrupt, Ended) else signal.SIGINT)
