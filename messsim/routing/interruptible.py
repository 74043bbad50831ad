"""Calls that Ctrl-C ends, even where compiled code of the user's never returns.

Python looks for signals between two of its own steps. A function that never returns would keep the main thread from
ever looking, so it runs in another thread, and the main thread waits.
"""

import contextlib
import ctypes
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

__all__ = ["interruptible"]

WAIT_S = 0.1  # then signals are heard: a wait without an end may be restarted by other handlers
GRACE_S = 2.0  # for a thread to come out of what it does, once it has been told

Given = ParamSpec("Given")
Value = TypeVar("Value")


def interruptible(function: Callable[Given, Value], *args: Given.args, **kwargs: Given.kwargs) -> Value:
    """Calls a function in another thread, so that this one hears of signals.

    What a signal handler raises here, KeyboardInterrupt for one, stops the function at its next step of Python. One
    that has not come to any within two seconds is left behind in a thread that ends with this process.

    Outside the main thread, which hears of no signals, the function is simply called.
    """
    if threading.current_thread() is not threading.main_thread():
        return function(*args, **kwargs)
    values: list[Value] = []
    errors: list[BaseException] = []
    over = threading.Event()  # Thread.join calls a thread that runs on over when a signal comes (bpo-45274)

    def call() -> None:
        with contextlib.suppress(KeyboardInterrupt):  # one that comes when the call is over ends nothing
            try:
                values.append(function(*args, **kwargs))
            except BaseException as error:
                errors.append(error)
            finally:
                over.set()

    thread = threading.Thread(target=call, name="messsim-run", daemon=True)
    thread.start()
    try:
        while not over.wait(WAIT_S):
            pass
    except BaseException as stopped:
        _stop(thread)
        if over.wait(GRACE_S):
            raise
        text = f"did not return within {GRACE_S:g} s of being stopped; nothing was written"
        stopped.args = (f"interrupted; a function of the policy {text}",)  # of a signal it keeps which
        raise
    if errors:
        raise errors[0]
    return values[0]


def _stop(thread: threading.Thread) -> None:
    """Raises KeyboardInterrupt in a thread at its next step of Python."""
    if thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(KeyboardInterrupt))
