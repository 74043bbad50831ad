"""A process that was forked from one that has simulated or read data: it lacks Polars' threads."""

import os

from messsim.errors import SimulationError

__all__ = ["check_not_forked", "is_in_use"]

_used_in: set[int] = set()  # ids of processes; a fork inherits its parent's


def check_not_forked() -> None:
    """To be called before anything of Polars is.

    Raises
    ------
    SimulationError
        If a parent of this process called it before the fork.
    """
    _used_in.add(os.getpid())
    if len(_used_in) > 1:
        raise SimulationError(
            "this process was forked from one that had simulated or read data before, whose threads it lacks; expected "
            'a process that is spawned: multiprocessing.get_context("spawn")'
        )


def is_in_use() -> bool:
    """Whether this process has called `check_not_forked`, so that none that is forked from it may."""
    return bool(_used_in)
