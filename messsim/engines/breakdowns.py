"""Failures and repairs of replicas, as SimPy processes."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from messsim import _core
from messsim.scenario.fleet import Failures
from messsim.workload import Chance

from .calendar import ENDS, RETRIES, Calendar
from .observer import Observer
from .server_pool import ServerPool

__all__ = ["Breakdowns"]

Process = Generator[Any, Any, None]


class Breakdowns:
    """Lets replicas fail and be repaired, by plan and at random.

    `lose` takes a job that its replica's failure ends, where failures lose requests; else `retry` places it again, or
    returns False where nothing can take it.
    `progress` rises whenever a request arrives or ends.
    """

    def __init__(
        self,
        settings: Failures,
        calendar: Calendar,
        chance: Chance,
        pools: list[ServerPool],
        lose: Callable[[Any], None],
        retry: Callable[[Any], bool],
        progress: Callable[[], int],
        observer: Observer | None = None,
    ) -> None:
        self.settings = settings
        self.calendar = calendar
        self.chance = chance
        self.plan_of = [pool.plan for pool in pools for _ in range(pool.plan.replicas)]
        self.lose = lose
        self.retry = retry
        self.progress = progress
        self.observer = observer
        self.progress_seen = self.in_vain = 0
        named = {p.plan.name: p for p in pools}
        for outage in settings.schedule:
            server = named[outage.pool].servers[outage.replica]
            calendar.process(self.outage(server, outage.at_s, outage.for_s))
        if settings.mtbf_s is not None:
            for pool in pools:
                for number, server in enumerate(pool.servers):
                    calendar.process(self.failures(server, number, settings.mtbf_s))

    def outage(self, server: Any, at_s: float, for_s: float) -> Process:
        """SimPy process: a planned failure."""
        yield self.calendar.at(at_s, (ENDS, server.index, 1))
        self.fail(server)
        yield self.calendar.at(at_s + for_s, (ENDS, server.index, 2))
        self.repair(server)

    def failures(self, server: Any, number: int, mtbf_s: float) -> Process:
        """SimPy process: a replica that fails and is repaired, again and again."""
        name = server.pool.plan.name
        fails, repairs = self.chance.column("failure", name), self.chance.column("repair", name)
        time_s, k = 0.0, 0
        while True:
            time_s += mtbf_s * self.chance.one_exponential(fails, k, number)
            yield self.calendar.at(time_s, (ENDS, server.index, 1))
            self.fail(server)
            time_s += self.settings.mttr_s * self.chance.one_exponential(repairs, k, number)
            yield self.calendar.at(time_s, (ENDS, server.index, 2))
            self.repair(server)
            k += 1

    def fail(self, server: Any) -> None:
        """A replica fails, and what it had is lost or begins again."""
        self.expect_progress()
        if server.is_up:
            server.pool.group.forget(server)
        jobs = server.fail()
        if server.pool.transfers is not None:
            jobs = server.pool.transfers.evict(server, jobs)
        evicted = sorted(jobs, key=lambda j: (j.request, j.model, j.attempt))
        if self.observer is not None:
            self.observer.failed(self.calendar.now, server.index)
        for job in evicted:
            job.pool.unfinished -= 1
            job.pool.left(job)
            if self.settings.on_failure == "lose" or job.tag.gone:
                self.lose(job)
            else:
                if job.replica >= 0:
                    job.settle_price(self.plan_of[job.replica].usd_per_s)
                job.restart()
                order = (RETRIES, job.request, job.model)
                self.calendar.call_at(self._retry_of(job), self.calendar.now, order)

    def expect_progress(self) -> None:
        """Raises where replicas fail and fail and nothing else happens: an answer may take longer than any lives."""
        progress = self.progress()
        if progress != self.progress_seen:
            self.progress_seen, self.in_vain = progress, 0
        self.in_vain += 1
        _core.expect_progress(self.in_vain)

    def _retry_of(self, job: Any) -> Callable[[Any], None]:
        return lambda _: self.place_again(job)

    def place_again(self, job: Any) -> None:
        """What a failure hit begins again elsewhere, or is lost where nothing can take it."""
        if not self.retry(job):
            self.lose(job)

    def repair(self, server: Any) -> None:
        """One cause is mended; if it is up again, it takes what waits."""
        if server.repair():
            if self.observer is not None:
                self.observer.repaired(self.calendar.now, server.index)
            for job in server.pool.group.resume(server.pool):
                if job.source >= 0:
                    server.pool.transfers.hand_over(job)
                else:
                    self.place_again(job)
