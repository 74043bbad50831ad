"""A rule of the user's own: a function that is compiled, and called with what the others see too.

Its answer counts only if it names one of those it may choose from; anything else stops the run.
"""

from typing import Any

import numpy as np

from messsim import _core

from .rule import Job, Rule

__all__ = ["Own"]


class Own(Rule):
    """What the function says; `own` holds it, with a memory for this model."""

    def __init__(self, *given: Any, own: _core.DispatchRule) -> None:
        super().__init__(*given)
        self._own = own
        self._first_place: dict[str, int] = {}  # of a pool among the replicas of the model
        places = 0
        for plan in self.plans:
            self._first_place[plan.name] = places
            places += plan.replicas

    def pick(self, up: list[Any], job: Job) -> Any:
        """One of at least two replicas that are up and take the job."""
        return self._picked(self._own, up, job)

    def look(self, up: list[Any], job: Job) -> Any:
        """Whom it would pick, by a memory that is thrown away."""
        return self._picked(self._own.copy(), up, job)

    def _picked(self, own: _core.DispatchRule, up: list[Any], job: Job) -> Any:
        loads, engines, caches = own.sees
        nothing = np.zeros(len(up))
        uniforms = np.array([self.draws.uniform(job), self.draws.uniform(job, second=True)])
        at = own.pick(
            job.request,
            job.attempt,
            job.session,
            job.prompt_tokens,
            up[0].calendar.now,
            np.array([self._place(s) for s in up], dtype=np.float64),
            np.array([self.looks.unfinished(s) for s in up], dtype=np.float64) if loads else nothing,
            np.array([self.waiting(s) for s in up], dtype=np.float64) if engines else nothing,
            np.array([self.usage(s) for s in up], dtype=np.float64) if engines else nothing,
            np.array([self.cached(s, job) for s in up], dtype=np.float64) if caches else nothing,
            uniforms,
        )
        return up[at]

    def _place(self, server: Any) -> int:
        plan = server.pool.plan
        return int(self._first_place[plan.name] + server.index - plan.first_replica)
