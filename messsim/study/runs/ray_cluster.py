"""The same on a Ray cluster: one core a run, on this machine or on many."""

import os
from collections.abc import Callable, Generator, Iterable
from itertools import islice
from types import TracebackType
from typing import Any, TypeVar

from messsim.engines.pipeline import cores
from messsim.errors import MesssimError, ScenarioError, SimulationError

from .workers import AHEAD, WAIT_S, guarded

__all__ = ["RayWorkers"]

Item = TypeVar("Item")
Value = TypeVar("Value")


class RayWorkers:
    """Ray workers, as a context; see `messsim.study.runs.Workers`.

    messsim, in this version, and the data files, under these paths, are expected on every node.

    Parameters
    ----------
    address
        Of a running cluster, such as ``ray://head:10001`` or ``auto``; none: what RAY_ADDRESS says, or else a Ray of
        this machine's own, which ends with the context.
    count
        Workers of that own Ray (none: one a core), or most runs at once on a cluster (none: one a core of it).

    Raises
    ------
    ScenarioError
        If Ray is not installed.
    SimulationError
        If the cluster cannot be reached.
    """

    def __init__(self, address: str | None = None, count: int | None = None) -> None:
        try:
            import ray
        except ImportError:
            raise ScenarioError("--on ray: Ray is not installed; expected `pip install messsim[ray]`") from None
        self._ray: Any = ray
        self._address = address or os.environ.get("RAY_ADDRESS") or None
        self._count = count
        self._ours = False

    def __enter__(self) -> "RayWorkers":
        if not self._ray.is_initialized():
            where = {"address": self._address} if self._address else {"num_cpus": self._count or cores()}
            quiet = {"log_to_driver": False, "logging_level": "ERROR"}
            if not self._address:
                quiet |= {"include_dashboard": False}
            try:
                self._ray.init(**where, **quiet)
            except Exception as error:  # Ray raises the class itself where it starts too slowly
                reason = str(error).strip().split("\n")[0]
                raise SimulationError(f"no Ray cluster at {self._address or 'this machine'}: {reason}") from None
            self._ours = True
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._ours:
            self._ray.shutdown()

    def each(
        self,
        function: Callable[[Item], Value],
        items: Iterable[Item],
        *,
        count: int | None = None,
        frees_gil: bool = False,
    ) -> Generator[tuple[int, Value | MesssimError], None, None]:
        """See `messsim.study.runs.Workers.each`."""
        call = self._ray.remote(guarded)
        most = AHEAD * (self._count or int(self._ray.cluster_resources().get("CPU", 1)))
        numbered = enumerate(items)
        waiting: dict[Any, int] = {}
        try:
            while True:
                for i, item in islice(numbered, most - len(waiting)):
                    waiting[call.remote(function, item)] = i
                if not waiting:
                    break
                done, _ = self._ray.wait(list(waiting), num_returns=1, timeout=WAIT_S)
                for reference in done:
                    i = waiting.pop(reference)
                    yield i, self._ray.get(reference)
        except self._ray.exceptions.RayTaskError:
            raise  # a bug, with the traceback of the worker
        except self._ray.exceptions.RayError as error:
            reason = str(error).strip().split("\n")[0]
            raise SimulationError(f"a worker of the Ray cluster was lost: {reason}") from None
        finally:
            for reference in waiting:
                self._ray.cancel(reference, force=True)
