"""What the router decides for attempts, and how many decisions explored."""

from __future__ import annotations

import numpy as np

from messsim.routing import PLAN_ALL, PLAN_CHAIN, PLAN_MODEL

from .brain import Decision, destined
from .calendar import Calendar
from .instances import Instances
from .observer import Observer
from .open_request import OpenRequest
from .service import Service
from .setup import Setup

__all__ = ["Decisions"]


class Decisions:
    """Has attempts decided by the instance of the router that they come to.

    Attributes
    ----------
    attempts, explored, rated
        Decisions; requests that explored; requests that are rated if their user says anything.
    """

    def __init__(
        self, setup: Setup, calendar: Calendar, instances: Instances, service: Service, observer: Observer | None
    ) -> None:
        self.calendar = calendar
        self.instances = instances
        self.service = service
        self.observer = observer
        self.workload = setup.workload
        self.reference = setup.scenario.reference
        self.learns_every_answer = setup.policy.learns_every_answer
        self.needs_loads, self.needs_destinations = setup.needs_loads, setup.needs_destinations
        self.asks_next_model = setup.scenario.cluster.when_full == "next_model"
        self.keeps_session_model = setup.scenario.router.keep_session_model
        self.loads = np.zeros(len(setup.scenario.models))
        self.attempts = self.explored = self.rated = 0

    def at_once(self, opened: OpenRequest, i: int) -> None:
        """Decides the i-th request of the present chunk as it arrives."""
        self._look_at_servers(opened)
        self._decided(opened, self.instances.decide(opened, i, self.loads))

    def alone(self, opened: OpenRequest) -> None:
        """Decides an attempt whose chunk may be over."""
        uniforms = opened.columns.chunk.policy_uniforms[opened.request - opened.columns.chunk.first]
        if opened.attempt:
            uniforms = self.workload.uniforms_of_attempt(opened.request, opened.attempt)
        self._look_at_servers(opened)
        decision = self.instances.decide_alone(opened, uniforms, self.loads)
        if self.keeps_session_model and opened.attempt == 0:
            model = opened.rows.model_before.get(opened.request - opened.columns.chunk.first)
            if model is not None and decision.known[model] < np.inf:
                decision.plan = model
        self._decided(opened, decision)

    def _look_at_servers(self, opened: OpenRequest) -> None:
        if self.needs_loads:
            self.loads = self.service.loads()
        if self.needs_destinations:
            self.instances.brains[opened.instance].destinations = self.service.destinations(opened)

    def _seen(self, decision: Decision) -> int:
        """Index of the model whose answer the user gets."""
        if decision.plan == PLAN_ALL:
            return destined(self.reference, decision.costs)
        return decision.plan & PLAN_MODEL

    def _with_room(self, opened: OpenRequest, decision: Decision) -> int:
        """The plan, or another model where its own takes no more: a more capable one, or else the next less capable."""
        plan: int = decision.plan
        if not self.asks_next_model or plan & (PLAN_ALL | PLAN_CHAIN):
            return plan
        own = plan & PLAN_MODEL
        for m in (*range(own, len(decision.costs)), *range(own - 1, -1, -1)):
            if decision.costs[m] < np.inf and self.service.takes(m, opened.prompt, opened.max_new(m)):
                return int(plan & ~PLAN_MODEL | m)
        return plan

    def _decided(self, opened: OpenRequest, decision: Decision) -> None:
        decision.plan = self._with_room(opened, decision)
        opened.decides(decision, self._seen(decision), decision.explores, self.calendar.now)
        self.attempts += 1
        self.rated += opened.rated and opened.attempt == 0
        self.explored += opened.explored and not opened.explored_before
        if opened.rated and (opened.explored or self.learns_every_answer):
            chunk = opened.columns.chunk
            opened.will_learn(chunk.features[:, opened.request - chunk.first])
        if self.observer is not None:
            self.observer.decided(self.calendar.now, opened)
