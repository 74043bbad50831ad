"""The servers as a whole: where copies are served, how many are in the system, and what each has cost."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from messsim.scenario import Scenario
from messsim.workload import Chance
from messsim.workload.chunk import Floats

from .calendar import Calendar
from .destinations import Destinations
from .dispatch import Draws, rule_of
from .looks import Looks
from .observer import Observer
from .open_request import OpenRequest
from .outcome import PoolOutcome, assert_paid
from .server_pool import ServerPool
from .servers import ModelServers
from .setup import Setup
from .sums import in_order
from .transfers import Decoders, Transfers

__all__ = ["Service"]


class Service:
    """All pools of a cluster; none where answers cost what is known and take no time.

    Attributes
    ----------
    pools, servers
        In the order of the file, and for each model.
    """

    def __init__(
        self, setup: Setup, calendar: Calendar, done: Callable[[Any], None], observer: Observer | None
    ) -> None:
        s = setup.scenario
        self.calendar = calendar
        self.in_usd = s.cost.unit == "USD"
        self.max_waiting = s.cluster.admission.max_waiting if s.cluster.admission else None
        shared = s.cluster.dispatch == "shared_queue"
        self.looks = Looks(s.cluster.state_delay_s, settles=setup.needs_destinations)
        chance, replicas = setup.workload.chance, sum(plan.replicas for plan in setup.pools)
        self.pools = [
            ServerPool(calendar, plan, shared, self.in_usd, done, chance, replicas + k, self.looks, observer)
            for k, plan in enumerate(setup.pools)
        ]
        self.servers = [
            ModelServers(
                [p for p in self.pools if p.plan.model == m and p.plan.role != "decode"],
                shared,
                rule_of(
                    s.cluster.dispatch,
                    s.cluster,
                    Draws(chance, chance.column("dispatch", name)),
                    self.looks,
                    [plan for plan in setup.pools if plan.model == m and plan.role != "decode"],
                    setup.own_rule,
                ),
            )
            for m, name in enumerate(s.model_names)
        ]
        self._destinations = Destinations(self.pools, self.servers, self.looks, s.cluster.dispatch)
        self.transfers = self._split(s, chance, done, observer)
        self._urgency = setup.urgency
        if self.looks.delay_s > 0:
            calendar.before = self._look
            self._look_at_all()
            self._seen_loads = np.zeros(len(self.servers))
        self._plan_of = [plan for plan in setup.pools for _ in range(plan.replicas)]
        self.in_system_integral = 0.0
        self._in_system = 0
        self._in_system_since_s = 0.0
        self._paid_j = 0.0
        self._measured: list[tuple[float, float, float]] | None = None  # (busy, idle, rented) seconds by pool

    def _split(self, s: Scenario, chance: Chance, done: Callable[[Any], None], observer: Observer | None) -> Transfers:
        """Pools that decode what others prefill."""
        decoders: dict[int, Decoders] = {}
        for m, name in enumerate(s.model_names):
            pools = [p for p in self.pools if p.plan.model == m and p.plan.role == "decode"]
            if pools:
                draws = Draws(chance, chance.column("dispatch-decode", name))
                rule = rule_of(s.cluster.decode_dispatch, s.cluster, draws, self.looks, [p.plan for p in pools], None)
                self.servers[m].decoders = decoders[m] = Decoders(pools, False, rule)
        transfers = Transfers(s.cluster.transfer, self.calendar, self.pools, decoders, done, observer)
        for pool in self.pools:
            pool.transfers = transfers if pool.plan.role != "both" else None
        return transfers

    def check(self) -> None:
        """Raises unless the blocks of every prefix cache add up."""
        for pool in self.pools:
            for server in pool.replicas:
                server.replica.check()

    def place(self, job: Any) -> bool:
        """Sends a copy to its model's servers; False if it is turned away."""
        self._count(1, self.calendar.now)
        if self._urgency is not None:
            priorities, ttft_s = self._urgency
            opened: OpenRequest = job.tag
            job.hurry(priorities[opened.tenant], opened.arrival_s, opened.arrival_s + ttft_s[opened.tenant])
        servers: ModelServers = self.servers[job.model]
        return servers.place(job, self.max_waiting)

    def takes(self, model: int, prompt_tokens: int, max_new_tokens: int) -> bool:
        """Whether a model's servers take such a request now."""
        return self.servers[model].takes(prompt_tokens, max_new_tokens, self.max_waiting)

    def retry_after_s(self, opened: OpenRequest) -> float:
        """When the servers that turned a request away say that it may come again, in seconds; infinite: they do not."""
        return self.servers[opened.seen].retry_after_s(opened.prompt, opened.max_new(opened.seen))

    def retry(self, job: Any) -> bool:
        """Places a copy again that a failure hit; False if its model's APIs are down and it has no replicas.

        Where an API takes over, what the replica drew is paid at once: no server could tell when the run is cut.
        """
        servers: ModelServers = self.servers[job.model]
        if not servers.place(job):
            return False
        if job.replica >= 0 and self._plan_of[job.replica].is_api:
            energy_j, usd = job.take_energy_j(), job.take_usage_usd()
            self._paid_j += energy_j
            job.tag.pay(job.model, energy_j, usd if self.in_usd else energy_j)
        return True

    def abort(self, job: Any) -> bool:
        """Nobody waits for a copy any more; returns whether it has left the servers by now. Else it comes finished."""
        servers: ModelServers = self.servers[job.model]
        return servers.abort(job)

    def detokenizes(self, job: Any) -> bool:
        """Whether a job's answer takes time after its last token."""
        return bool(job.replica >= 0 and self._plan_of[job.replica].serving.detokenize_s > 0.0)

    def leave(self) -> None:
        """A copy is complete, turned away or lost."""
        if self.pools:
            self._count(-1, self.calendar.now)

    def count(self, change: int) -> None:
        """So many requests more are in the system, before any server has them."""
        self._count(change, self.calendar.now)

    def _count(self, change: int, now: float) -> None:
        self.in_system_integral += self._in_system * (now - self._in_system_since_s)
        self._in_system_since_s = now
        self._in_system += change

    def charge(self, opened: OpenRequest, job: Any) -> float:
        """Charges a copy for what it has used; returns its cost."""
        energy_j = float(job.energy_j)
        if not self.pools:
            cost = float(opened.decision.known[job.model])
            energy_j = 0.0 if self.in_usd else cost
        elif self.in_usd:
            cost = self._price(job)
        else:
            cost = energy_j
        self._paid_j += energy_j
        opened.pay(job.model, energy_j, cost)
        return cost

    def _price(self, job: Any) -> float:
        """USD: an API's tokens, or a share of the replica's time."""
        if job.replica < 0:
            return 0.0
        plan = self._plan_of[job.replica]
        if not plan.is_api:
            return float(job.usage_usd + job.usage_s * plan.usd_per_s)
        if math.isnan(job.finish_s):  # an outage ended it: providers charge for answers
            return 0.0
        serving = plan.serving
        cached = job.cached_prompt_tokens if plan.prompt_cache["keep_s"] > 0.0 else 0
        prompt_usd = serving.usd_per_million_prompt_tokens * (job.prompt_tokens - cached)
        prompt_usd += (serving.usd_per_million_cached_prompt_tokens or 0.0) * cached
        factor = job.tag.price_factor(job.model)
        return float((prompt_usd + serving.usd_per_million_output_tokens * job.output_tokens) / 1e6 * factor)

    def loads(self) -> Floats:
        """Unfinished requests of each model per place, as the router sees them."""
        return self._loads() if self.looks.delay_s == 0 else self._seen_loads

    def _loads(self) -> Floats:
        return np.array([s.load() for s in self.servers])

    def _look(self, time_s: float) -> None:
        """Something is going to happen at a time: a look that is due by then comes before."""
        if self.looks.due(time_s):
            self._look_at_all()
            self._seen_loads = self._loads()

    def _look_at_all(self) -> None:
        self.looks.look(server for pool in self.pools for server in pool.servers)

    def destinations(self, opened: OpenRequest) -> list[dict[str, float]]:
        """Where a request would go if it went to a model, for each: fields of ms_destination (csrc/marginal.h)."""
        drafts = [opened.draft(m) for m in range(len(self.servers))]
        return [self._destinations.of(job, self.max_waiting, self.calendar.now) for job in drafts]

    def withdraw_all(self, now: float) -> list[Any]:
        """Cuts everything off at a time: all copies under way or waiting."""
        self._count(-self._in_system, now)
        return [job for servers in self.servers for job in servers.withdraw_all(now)]

    # ---- what is measured ---------------------------------------------------------------------------

    def measure(self, now: float) -> None:
        """The last request has come: utilisation and idle energy are measured to here."""
        self._measured = [
            (
                in_order(r.replica.busy_s(now) for r in p.replicas),
                in_order(r.idle_s(now) for r in p.replicas),
                in_order(r.rented_s(now) for r in p.replicas),
            )
            for p in self.pools
        ]

    def unfinished(self) -> tuple[int, ...]:
        """Requests of each pool that are running or waiting."""
        return tuple(p.unfinished for p in self.pools)

    def replicas(self) -> tuple[tuple[int, int, int], ...]:
        """Of each pool, those that are up, loading and draining."""
        return tuple(p.counts() for p in self.pools)

    def energy_j(self) -> tuple[float, ...]:
        """Joules that each pool has drawn, idle power included."""
        now = self.calendar.now
        return tuple(in_order(s.energy_j(now) for s in p.replicas) for p in self.pools)

    def prompt_tokens(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Prompt tokens that each pool's replicas with a prefix cache have started, and how many were cached."""
        by_replica = [
            [r.replica.prompt_tokens for r in p.replicas] if p.plan.serving.prefix_cache else [] for p in self.pools
        ]
        started, cached = (tuple(sum(r[k] for r in replicas) for replicas in by_replica) for k in (0, 1))
        return started, cached

    def outcomes(self, last_arrival_s: float, end_s: float) -> list[PoolOutcome]:
        """What each pool did, once all that the meters count is charged to somebody."""
        if self.pools:
            assert_paid(self._paid_j, sum(r.replica.meter_j(end_s) for p in self.pools for r in p.replicas))
        return [self._outcome(k, last_arrival_s, end_s) for k in range(len(self.pools))]

    def _outcome(self, k: int, last_arrival_s: float, end_s: float) -> PoolOutcome:
        pool = self.pools[k]
        busy_s, idle_s, rented_s = self._measured[k] if self._measured else (0.0, 0.0, 0.0)
        span_s = last_arrival_s * len(pool.replicas) if pool.plan.serving.autoscale is None else rented_s
        counted = {
            "meter_j": in_order(r.replica.meter_j(end_s) for r in pool.replicas),
            "preemptions": sum(r.replica.preemptions for r in pool.replicas),
            "jumps": sum(r.replica.jumps for r in pool.replicas),
        }
        return PoolOutcome.of(pool.plan, busy_s, idle_s, span_s, last_arrival_s, counted, self.in_usd)
