"""The runs of a study: which there are, who makes them, and what is kept of them."""

from .local import GivenWorkers, local_workers, workers_from
from .matrix import Matrix, Runs, Task, check_seeds, runs_of
from .workers import OnProgress, Workers, every, guarded

__all__ = [
    "GivenWorkers",
    "Matrix",
    "OnProgress",
    "Runs",
    "Task",
    "Workers",
    "check_seeds",
    "every",
    "guarded",
    "local_workers",
    "runs_of",
    "workers_from",
]
