"""Commands that run beside a test, and end with it."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

__all__ = ["commands"]


@contextlib.contextmanager
def commands() -> Iterator[Callable[..., subprocess.Popen]]:
    """What starts a command of messsim in a session of its own; all its processes that are left then are killed."""
    with contextlib.ExitStack() as stack:

        def started(*args: object) -> subprocess.Popen:
            command = [sys.executable, "-m", "messsim.cli", *map(str, args)]
            pipe = subprocess.PIPE
            process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
            stack.enter_context(process)
            stack.callback(_kill, process.pid)
            return process

        yield started


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
