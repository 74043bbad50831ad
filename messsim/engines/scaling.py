"""Replicas that come and go: those of a pool that an autoscaler changes.

A replica is off, loads, is ready, or drains: it takes no more, and is off when its last request has left. While it
loads it draws idle power and is paid for, and serves nothing. Off it costs nothing, and its cache is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any

from messsim.scenario.autoscale import Autoscale
from messsim.workload import Wait

from .autoscale import Autoscaler, Look, cold_phases, unsaturated
from .calendar import ENDS, RECONCILES, Calendar
from .observer import Observer
from .servers import DRAINING, LOADING, OFF, READY, ServerPool
from .service import Service
from .setup import Setup

__all__ = ["Scaling"]

Process = Generator[Any, Any, None]


@dataclass
class _Pool:
    """One that changes its size."""

    number: int
    settings: Autoscale
    servers: ServerPool
    scaler: Autoscaler
    phases: list[Wait]
    starts: list[int]


class Scaling:
    """Lets pools change their size; `lose` takes what was held while no replica was up, and finds no place after."""

    def __init__(
        self,
        setup: Setup,
        calendar: Calendar,
        service: Service,
        lose: Callable[[Any], None],
        observer: Observer | None,
    ) -> None:
        self.calendar = calendar
        self.chance = chance = setup.workload.chance
        self.service = service
        self.lose = lose
        self.observer = observer
        self.pools: list[_Pool] = []
        for number, pool in enumerate(service.pools):
            settings = pool.plan.serving.autoscale
            if settings is not None:
                scaler = Autoscaler(settings, pool.plan.autoscale_target, pool.plan.replicas)
                phases = cold_phases(pool.plan, chance)
                self.pools.append(_Pool(number, settings, pool, scaler, phases, [0] * pool.plan.replicas))

    def begin(self) -> None:
        """Those that are not up at first are off, and the first decisions are due."""
        for pool in self.pools:
            for server in pool.servers.replicas[pool.settings.first :]:
                server.drain()
                server.turn_off(0.0)
                self._tell(server, OFF)
            self.calendar.process(self._decisions(pool))

    def _decisions(self, pool: _Pool) -> Process:
        """SimPy process: an autoscaler that decides again and again."""
        k = 0
        assert pool.settings.period_s is not None
        while True:
            k += 1
            yield self.calendar.at(k * pool.settings.period_s, (RECONCILES, 1 + pool.number, 0))
            self._decide(pool)

    def _decide(self, pool: _Pool) -> None:
        now, servers = self.calendar.now, pool.servers
        up, loading, _ = servers.counts()
        wanted = pool.scaler.wanted(Look(now, up, loading, servers.work, *self._unsaturated(pool)))
        have = up + loading
        while have > wanted:
            self._remove_one(servers)
            have -= 1
        for number, server in enumerate(servers.replicas):
            if have < wanted and server.phase == OFF:
                self._load(pool, number)
                have += 1
        self.settle()

    def _unsaturated(self, pool: _Pool) -> tuple[int, float, float]:
        """What the rule `saturation` looks at; what waits in a queue that replicas share is theirs in equal parts."""
        if pool.settings.rule != "saturation":
            return 0, 0.0, 0.0
        up, queue, now = pool.servers.up, pool.servers.queue, self.calendar.now
        shared = len(queue) / len(up) if queue is not None and up else 0.0
        seen = [(s.replica.kv_usage(now), s.replica.waiting + shared) for s in up]
        return unsaturated(pool.settings, seen)

    def _remove_one(self, pool: ServerPool) -> None:
        """Of those that load the last; else the one with the fewest unfinished requests, and the last of these."""
        loading = [s for s in pool.replicas if s.phase == LOADING]
        if loading:
            loading[-1].call_off(self.calendar.now)
            self._tell(loading[-1], OFF)
            return
        idlest = min((s for s in reversed(pool.replicas) if s.phase == READY), key=lambda s: s.unfinished)
        pool.group.forget(idlest)
        idlest.drain()
        self._tell(idlest, DRAINING)

    def _load(self, pool: _Pool, number: int) -> None:
        server, k = pool.servers.replicas[number], pool.starts[number]
        pool.starts[number] += 1
        seconds = 0.0
        for phase in pool.phases:
            seconds += phase.draw_s(self.chance, k, number)
        ready_s = self.calendar.now + seconds
        server.load(self.calendar.now, ready_s)
        self._tell(server, LOADING)
        self.calendar.call_at(partial(self._loaded, server), ready_s, (ENDS, server.index, 2))

    def _loaded(self, server: Any, _: object) -> None:
        if server.phase != LOADING or server.ready_s != self.calendar.now:
            return  # it was called off
        server.be_ready(self.calendar.now)
        self._tell(server, READY)
        for job in server.pool.group.resume(server.pool):
            if job.source >= 0:
                server.pool.transfers.hand_over(job)
            elif not self.service.retry(job):
                self.lose(job)

    def settle(self) -> None:
        """Replicas that have drained are off."""
        for pool in self.pools:
            for server in pool.servers.replicas:
                if server.phase == DRAINING and not server.unfinished and not server.kept:
                    server.turn_off(self.calendar.now)
                    self._tell(server, OFF)

    def _tell(self, server: Any, phase: str) -> None:
        if self.observer is not None:
            self.observer.scaled(self.calendar.now, server.index, phase)
