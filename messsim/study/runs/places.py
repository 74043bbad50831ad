"""Where the runs of a study happen."""

from contextlib import AbstractContextManager

from messsim.errors import ScenarioError

from . import Workers, local_workers

__all__ = ["workers_on"]


def workers_on(place: str, count: int | None, ray_address: str | None) -> AbstractContextManager[Workers]:
    """Processes of this machine ("local"), or a Ray cluster ("ray"), for a command: to be called before it reads data.

    Processes are copies of this one, which has imported what runs need, as long as it has no threads.

    Raises
    ------
    ScenarioError
        If an address is given for "local", or Ray is not installed.
    """
    if place == "local":
        if ray_address is not None:
            raise ScenarioError(f"--ray-address {ray_address}: expected --on ray with it")
        return local_workers(count, may_fork=True)
    from .ray_cluster import RayWorkers

    return RayWorkers(ray_address, count)
