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
from .gpu_server import DRAINING, LOADING, OFF, READY
from .observer import Observer
from .server_pool import ServerPool
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
    by_price: int  # of all pools in the order of what a replica costs, the lowest first

    @property
    def size(self) -> int:
        """Replicas that are up or load."""
        up, loading, _ = self.servers.counts()
        return up + loading

    @property
    def may_grow(self) -> bool:
        """Whether it may have one more now."""
        return self.servers.counts()[1] == 0 and self.size < len(self.servers.replicas)

    def may_shrink(self, now: float) -> bool:
        """Whether it may have one fewer now."""
        is_last, loads = self.size == 1, self.servers.counts()[1] > 0
        may_end = self.servers.work == 0 and self.scaler.may_end(now)
        return not loads and self.size > self.scaler.least(now) and (not is_last or may_end)


@dataclass
class _Saturated:
    """Pools of a model that scale by saturation, as they were at an instant."""

    unsaturated: tuple[int, float, float]
    unfinished: int
    cheapest: _Pool | None
    dearest: _Pool | None


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
                starts, price = [0] * pool.plan.replicas, pool.plan.by_price(setup.pools)
                self.pools.append(_Pool(number, settings, pool, scaler, phases, starts, price))
        self._saturated: dict[int, tuple[float, _Saturated]] = {}  # when each group of pools was seen last, and how

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
        servers = pool.servers
        up, loading, _ = servers.counts()
        wanted = pool.scaler.wanted(self._look_at(pool, up, loading))
        have = up + loading
        while have > wanted:
            self._remove_one(servers)
            have -= 1
        for number, server in enumerate(servers.replicas):
            if have < wanted and server.phase == OFF:
                self._load(pool, number)
                have += 1
        self.settle()

    def _look_at(self, pool: _Pool, up: int, loading: int) -> Look:
        now, work = self.calendar.now, pool.servers.work
        if pool.settings.rule != "saturation":
            return Look(now, up, loading, work)
        seen = self._look_at_all(pool)
        others = (seen.unfinished - work, seen.cheapest is not pool, seen.dearest is not pool)
        return Look(now, up, loading, work, *seen.unsaturated, *others)

    def _look_at_all(self, pool: _Pool) -> _Saturated:
        """All pools of its model that scale by saturation, once for all that decide at the same instant."""
        now, group = self.calendar.now, id(pool.servers.group)
        if group not in self._saturated or self._saturated[group][0] != now:
            pools = [p for p in self.pools if p.servers.group is pool.servers.group]
            pools = [p for p in pools if p.settings.rule == "saturation"]
            seen = _Saturated(
                unsaturated(pool.settings, [s for p in pools for s in self._replicas(p.servers)]),
                sum(p.servers.work for p in pools),
                min((p for p in pools if p.may_grow), key=lambda p: p.by_price, default=None),
                max((p for p in pools if p.may_shrink(now)), key=lambda p: p.by_price, default=None),
            )
            self._saturated[group] = now, seen
        return self._saturated[group][1]

    def _replicas(self, pool: ServerPool) -> list[tuple[float, float]]:
        """Memory in use and requests that wait; what waits in a queue that replicas share is theirs in equal parts."""
        shared = len(pool.queue) / len(pool.up) if pool.queue is not None and pool.up else 0.0
        return [(s.replica.kv_usage(self.calendar.now), s.replica.waiting + shared) for s in pool.up]

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
