"""A process that was forked from one that has simulated: Polars' threads are not in it, and it would wait forever."""

import os

from messsim.errors import SimulationError

__all__ = ["check_not_forked"]

_simulated_in: set[int] = set()  # ids of processes; a fork inherits its parent's


def check_not_forked() -> None:
    """To be called before anything of Polars is.

    Raises
    ------
    SimulationError
        If a parent of this process called it before the fork.
    """
    _simulated_in.add(os.getpid())
    if len(_simulated_in) > 1:
        raise SimulationError(
            "this process was forked from one that had simulated before, whose threads it lacks; expected a process "
            'that is spawned: multiprocessing.get_context("spawn")'
        )
