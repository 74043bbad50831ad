"""What a trace viewer shows of a run: the router, and every replica with the sequences that it runs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from messsim.engines.cluster import PoolPlan
from messsim.engines.open_request import OpenRequest
from messsim.scenario import Scenario

from .events import Slots, TraceFile

__all__ = ["Tracks"]

Job = Any
ROUTER, FIRST_REPLICA = 1, 1000  # processes; a viewer shows these numbers behind their names
PREFILL, DECODE = "prefill", "decode"


@dataclass(slots=True)
class _Phase:
    """What a sequence has been doing since when, on which of its replica's tracks.

    Of an API's prefill it is known when it ends; what follows is decoding.
    """

    name: str
    since_s: float
    slot: int
    until_s: float = math.inf


@dataclass(slots=True)
class _Replica:
    """A replica as far as it is drawn."""

    running: dict[Job, _Phase] = field(default_factory=dict)
    slots: Slots = field(default_factory=Slots)
    named: int = 0  # of its slots


class Tracks:
    """Draws what it hears of a run into a trace file (messsim.engines.observer.Observer).

    A sequence is a span of prefill and one of decoding, again after a preemption or a failure; both names end in the
    request's number. Counters: the virtual queue that each decision saw, decisions of the window by model, sequences
    and hit rate of each replica.
    """

    def __init__(self, scenario: Scenario, pools: list[PoolPlan], file: TraceFile) -> None:
        self._file = file
        self._models = scenario.model_names
        self._tenants = [t.name for t in scenario.promises]
        self._decisions = dict.fromkeys(self._models, 0)
        self._queues = dict.fromkeys(self._tenants, 0.0)
        self._replicas: dict[int, _Replica] = {}
        self._names = {
            plan.first_replica + k: f"{plan.name}, API"
            if plan.is_api
            else f"{plan.name}, replica {plan.first_replica + k}"
            for plan in pools
            for k in range(plan.replicas)
        }
        scaled = [plan for plan in pools if plan.serving.autoscale is not None]
        self._pool_of = {plan.first_replica + k: plan.name for plan in scaled for k in range(plan.replicas)}
        self._phases: dict[str, dict[int, str]] = {
            plan.name: dict.fromkeys(range(plan.first_replica, plan.first_replica + plan.replicas), "ready")
            for plan in scaled
        }
        file.name(ROUTER, None, "router")
        file.name(ROUTER, 1, "decisions")

    # ---- the router -------------------------------------------------------------------------------------

    def decided(self, time_s: float, request: OpenRequest) -> None:
        """An instant with what was decided by, and two counters."""
        model, tenant = self._models[request.seen], self._tenants[request.tenant]
        scores = dict(zip(self._models, map(float, request.decision.scores), strict=True)) if request.scored else {}
        costs = dict(zip(self._models, map(float, request.decision.costs), strict=True))
        costs = {name: cost for name, cost in costs.items() if math.isfinite(cost)}  # of models that are there
        self._file.instant(
            ROUTER,
            1,
            f"explore {request.request}" if request.explored else f"{model} {request.request}",
            "explore" if request.explored else "exploit",
            time_s,
            request=request.request,
            tenant=tenant,
            instance=request.decision.instance,
            model=model,
            queue=request.decision.queue,
            scores=scores,
            costs=costs,
        )
        self._decisions[model] += self._file.shows(time_s)
        self._queues[tenant] = request.decision.queue
        self._file.counter(ROUTER, "virtual queue", time_s, self._queues)
        self._file.counter(ROUTER, "decisions", time_s, self._decisions)

    def too_long(self, time_s: float, request: OpenRequest) -> None:
        """A request that no model can take."""
        self._file.instant(ROUTER, 1, f"too long {request.request}", "rejection", time_s, request=request.request)

    # ---- replicas ---------------------------------------------------------------------------------------

    def batch_starts(
        self,
        time_s: float,
        replica: int,
        decoding: list[Job],
        prefilling: list[Job],
        waiting: int,
        prompt_tokens: tuple[int, int] | None,
    ) -> None:
        """Sequences that come, go on to decoding, or are preempted."""
        drawn = self._replica(replica)
        batch = dict.fromkeys(decoding, DECODE) | dict.fromkeys(prefilling, PREFILL)
        for job in [job for job in drawn.running if job not in batch]:
            slot = self._end(replica, job, time_s)
            self._file.instant(
                FIRST_REPLICA + replica, slot, f"preempted {job.request}", "preemption", time_s, request=job.request
            )
        for job, phase in batch.items():
            known = drawn.running.get(job)
            if known is not None and known.name != phase:
                self._draw(replica, job, known, time_s)
                known.name, known.since_s = phase, time_s
            elif known is None:
                drawn.running[job] = _Phase(phase, time_s, self._slot(replica, drawn))
        counted = {"decoding": len(decoding), "prefilling": len(prefilling)}
        self._file.counter(FIRST_REPLICA + replica, "sequences", time_s, counted)
        self._file.counter(FIRST_REPLICA + replica, "waiting", time_s, {"requests": waiting})
        if prompt_tokens is not None and prompt_tokens[0] > 0:
            percent = 100.0 * prompt_tokens[1] / prompt_tokens[0]
            self._file.counter(FIRST_REPLICA + replica, "cached of prompts so far (%)", time_s, {"hit rate": percent})

    def call_begins(self, time_s: float, job: Job, first_token_s: float) -> None:
        """A call of an API, which goes on to decoding by itself."""
        drawn = self._replica(job.replica)
        drawn.running[job] = _Phase(PREFILL, time_s, self._slot(job.replica, drawn), first_token_s)

    def prefilled(self, time_s: float, job: Job) -> None:
        """The end of a prefill for another replica."""
        if job in self._replica(job.source).running:
            self._end(job.source, job, time_s)

    def transfer_begins(self, time_s: float, replica: int, job: Job) -> None:
        """Its KV sets off."""
        self._transfer(time_s, replica, job, "sets off")

    def transferred(self, time_s: float, replica: int, job: Job) -> None:
        """Its KV is there."""
        self._transfer(time_s, replica, job, "is here")

    def _transfer(self, time_s: float, replica: int, job: Job, what: str) -> None:
        self._replica(replica)
        name = f"KV of {job.request} {what}"
        self._file.instant(FIRST_REPLICA + replica, None, name, "transfer", time_s, request=job.request)

    def finished(self, time_s: float, job: Job) -> None:
        """The end of a sequence."""
        if job.replica >= 0 and job in self._replica(job.replica).running:  # else nobody serves it
            self._end(job.replica, job, time_s)

    def lost(self, time_s: float, job: Job, rejected: bool) -> None:
        """A copy that nobody will answer."""
        name, kind = (f"rejected {job.request}", "rejection") if rejected else (f"lost {job.request}", "failure")
        self._file.instant(ROUTER, 1, name, kind, time_s, request=job.request, model=self._models[job.model])

    def abandoned(self, time_s: float, job: Job) -> None:
        """The end of a sequence whose client has given up."""
        if job.replica >= 0 and job in self._replica(job.replica).running:
            self._end(job.replica, job, time_s)
        name, model = f"given up {job.request}", self._models[job.model]
        self._file.instant(ROUTER, 1, name, "giving up", time_s, request=job.request, model=model)

    def failed(self, time_s: float, replica: int) -> None:
        """All its sequences end."""
        for job in list(self._replica(replica).running):
            self._end(replica, job, time_s)
        self._file.instant(FIRST_REPLICA + replica, None, "failed", "failure", time_s)

    def repaired(self, time_s: float, replica: int) -> None:
        """It is up again."""
        self._replica(replica)
        self._file.instant(FIRST_REPLICA + replica, None, "repaired", "failure", time_s)

    def scaled(self, time_s: float, replica: int, phase: str) -> None:
        """A replica loads, is ready, drains or is off; counters of its pool."""
        self._replica(replica)
        self._file.instant(FIRST_REPLICA + replica, None, phase, "scaling", time_s)
        pool = self._pool_of[replica]
        counts = self._phases[pool]
        counts[replica] = phase
        shown = {p: sum(x == p for x in counts.values()) for p in ("ready", "loading", "draining")}
        self._file.counter(ROUTER, f"replicas of {pool}", time_s, shown)

    def close(self, time_s: float) -> None:
        """What still runs at the end of the window is drawn up to it."""
        for replica, drawn in self._replicas.items():
            for job, phase in drawn.running.items():
                self._draw(replica, job, phase, time_s)
        self._file.close()

    # ---- drawing ----------------------------------------------------------------------------------------

    def _end(self, replica: int, job: Job, time_s: float) -> int:
        drawn = self._replica(replica)
        phase = drawn.running.pop(job)
        self._draw(replica, job, phase, time_s)
        drawn.slots.give_back(phase.slot)
        return phase.slot + 1

    def _draw(self, replica: int, job: Job, phase: _Phase, end_s: float) -> None:
        if phase.until_s < end_s:
            decoding = _Phase(DECODE, phase.until_s, phase.slot)
            self._draw(replica, job, decoding, end_s)
            end_s = phase.until_s
        self._file.span(
            FIRST_REPLICA + replica,
            phase.slot + 1,
            f"{phase.name} {job.request}",
            phase.name,
            phase.since_s,
            end_s,
            request=job.request,
            copy="the user's" if job.model == job.tag.seen else "exploration",
            prompt_tokens=job.prompt_tokens,
            cached_prompt_tokens=job.cached_prompt_tokens,
            output_tokens=job.output_tokens,
            preemptions=job.preemptions,
        )

    def _replica(self, number: int) -> _Replica:
        drawn = self._replicas.get(number)
        if drawn is None:
            drawn = self._replicas[number] = _Replica()
            self._file.name(FIRST_REPLICA + number, None, self._names[number])
        return drawn

    def _slot(self, replica: int, drawn: _Replica) -> int:
        slot = drawn.slots.take()
        if slot == drawn.named:
            drawn.named += 1
            self._file.name(FIRST_REPLICA + replica, slot + 1, "sequence")
        return slot
