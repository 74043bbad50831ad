"""Split prefill and decode in SimPy: a request that one replica has prefilled goes to another, and its KV follows.

It waits in the queue there, its blocks still held where it was prefilled. The transfer begins as soon as the other has
a place and the blocks for it; at its end the first lets go of its blocks, and the job joins the other's next
iteration. Until then it is an unfinished request of the pool that prefilled it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from messsim.scenario.transfer import Transfer

from .calendar import ENDS, Calendar
from .links import Link
from .observer import Observer
from .outcome import TransferOutcome
from .server_pool import ServerPool
from .servers import ModelServers

__all__ = ["Decoders", "Transfers"]

Job = Any  # messsim._core.Job


class Decoders(ModelServers):
    """The pools of a model that decode what others prefill."""

    def pick(self, job: Job) -> Any:
        """Where a job is to decode; None: none that takes it is up."""
        up = [s for p in self.open_to(job.prompt_tokens, job.max_new_tokens, None) for s in p.up]
        if not up:
            return None
        server = up[0] if len(up) == 1 else self.rule.pick(up, job)
        self.rule.sent(server, job)
        return server

    def hold(self, job: Job) -> None:
        """None is up: it waits for one."""
        self._held.append(job)

    def release(self, job: Job) -> None:
        """It waits no more."""
        self._held.remove(job)


class Transfers:
    """All that is on its way, or waits for it."""

    def __init__(
        self,
        options: Transfer,
        calendar: Calendar,
        pools: list[ServerPool],
        decoders: dict[int, Decoders],
        abandon: Callable[[Job], None],
        observer: Observer | None = None,
    ) -> None:
        self.options = options
        self.calendar = calendar
        self.decoders = decoders
        self.abandon = abandon
        self.observer = observer
        self.servers = {s.index: s for pool in pools for s in pool.servers}
        self._bytes_per_s = options.bandwidth_gb_per_s * 1e9
        self._beyond = max(self.servers, default=-1) + 1  # the number of the cluster's link
        self.begun = self.ended = 0
        self.bytes = self.wait_s = self.takes_s = 0.0
        self._promised: set[Job] = set()  # before their prefill is done, to where they decode
        self._kept: dict[Job, None] = {}  # prefilled, their KV held where that was
        self._arrivals: dict[Job, Any] = {}  # under way, with the event of the transfer's end
        self._sets_off_s: dict[Job, float] = {}
        self._links: dict[int, Link] = {}  # where transfers share bandwidth; in the cluster one for all
        self._on_link: dict[Job, int] = {}

    @property
    def outcome(self) -> TransferOutcome:
        """How many were begun so far, and for how long."""
        return TransferOutcome(self.begun, self.ended, self.bytes, self.wait_s, self.takes_s)

    # ---- before the prefill -------------------------------------------------------------------------

    def promise(self, job: Job) -> None:
        """A job is going to be prefilled: where it decodes is chosen now, if that comes first."""
        if self.options.order == "prefill_first":
            return
        job.destination = self.decoders[job.model].pick(job)
        if job.destination is not None:
            self._promised.add(job)
            job.destination.promised += 1

    def left(self, job: Job) -> None:
        """A job has left where it was to be prefilled, or was."""
        if job in self._promised:
            self._promised.remove(job)
            job.destination.promised -= 1

    # ---- after it -----------------------------------------------------------------------------------

    def prefilled(self, job: Job) -> None:
        """A job's prefill is done."""
        self._kept[job] = None
        self.servers[job.source].kept += 1
        if self.observer is not None:
            self.observer.prefilled(self.calendar.now, job)
        if job.aborted:
            self.let_go(job)
            job.pool.unfinished -= 1
            self.abandon(job)
        else:
            self.hand_over(job)

    def hand_over(self, job: Job) -> None:
        """It goes to where it decodes, or is held while none of these is up."""
        server, job.destination = job.destination, None
        if server is None or not server.is_up:
            server = self.decoders[job.model].pick(job)
        if server is None:
            job.wait_for(-1)
            self.decoders[job.model].hold(job)
        else:
            server.take(job)

    def begin(self, server: Any) -> None:
        """A replica has started an iteration: the transfers to it that begin."""
        now = self.calendar.now
        for job in server.replica.departures():
            size = job.missing_tokens * job.pool.plan.kv_bytes_per_token
            self.begun += 1
            self.bytes += size
            self.wait_s += now - job.prefilled_s
            self._sets_off_s[job] = now
            if self.observer is not None:
                self.observer.transfer_begins(now, server.index, job)
            if self.options.bandwidth_of != "transfer":
                self._join_link(job, size)
            else:
                takes_s = self.options.latency_s + size / self._bytes_per_s
                self._arrives_at(job, now + takes_s)

    def _arrives_at(self, job: Job, time_s: float) -> None:
        order = (ENDS, job.server, _order_of(job))
        self._arrivals[job] = self.calendar.call_at(partial(self._end, job), time_s, order)

    def _end(self, job: Job, event: Any) -> None:
        if self._arrivals.get(job) is not event:
            return  # it was called back
        del self._arrivals[job]
        now, source, server = self.calendar.now, self.servers[job.source], self.servers[job.server]
        self.ended += 1
        self.takes_s += now - self._sets_off_s.pop(job)
        self.let_go(job)
        job.pool.unfinished -= 1
        if job.aborted:
            server.act(server.replica.call_off(job, now))
            self.abandon(job)
            return
        if self.observer is not None:
            self.observer.transferred(now, server.index, job)
        job.settle_price(source.pool.plan.usd_per_s)
        job.pool = server.pool
        job.pool.unfinished += 1
        server.act(server.replica.arrive(job, now))

    def let_go(self, job: Job) -> None:
        """The KV of a job that was prefilled is not held any more where that was; nothing, if it was not."""
        if job.source < 0:
            return
        del self._kept[job]
        server = self.servers[job.source]
        server.kept -= 1
        if server.serves:
            server.act(server.replica.let_go(job, self.calendar.now))
        job.let_go()

    # ---- links that transfers share --------------------------------------------------------------------

    def _join_link(self, job: Job, size: float) -> None:
        number = {"prefill": job.source, "decode": job.server}.get(self.options.bandwidth_of, self._beyond)
        link = self._links.setdefault(number, Link(self._bytes_per_s))
        self._on_link[job] = number
        link.join(job, (_order_of(job), job.server), size, self.calendar.now)
        self._await_end(number)

    def _await_end(self, number: int) -> None:
        time_s = self._links[number].next_s
        if time_s < math.inf:
            self.calendar.call_at(partial(self._link_ends, number), time_s, (ENDS, number, 3))

    def _link_ends(self, number: int, _: Any) -> None:
        now = self.calendar.now
        job = self._links[number].end(now)
        if job is not None:
            del self._on_link[job]
            self._arrives_at(job, now + self.options.latency_s)
            self._await_end(number)

    def _stop(self, job: Job) -> None:
        """If its transfer is under way, it ends before all has crossed."""
        self._arrivals.pop(job, None)
        self._sets_off_s.pop(job, None)
        if job in self._on_link:
            number = self._on_link.pop(job)
            self._links[number].leave(job, self.calendar.now)
            self._await_end(number)

    # ---- mishaps ------------------------------------------------------------------------------------

    def abort(self, job: Job) -> bool | None:
        """Nobody waits any more for a job; returns whether it has left by now, None where it is somewhere else."""
        if job.transfers:
            job.stop_transfer()
            return False
        if job.source < 0:
            return None
        self._take_out(job)
        self.let_go(job)
        return True

    def evict(self, server: Any, evicted: list[Job]) -> list[Job]:
        """A replica went down, which had `evicted`: with it goes what it had prefilled, or was to get, of others."""
        for job in evicted:
            self._stop(job)
            self.let_go(job)
        lost = [job for job in self._kept if job.source == server.index]
        for job in lost:
            self._stop(job)
            self._take_out(job)
            self.let_go(job)
        return evicted + lost

    def _take_out(self, job: Job) -> None:
        """Takes a job from where it waits for its KV."""
        if job.server < 0:
            self.decoders[job.model].release(job)
            return
        server = self.servers[job.server]
        if job.transfers:
            server.act(server.replica.call_off(job, self.calendar.now))
        else:
            server.abort(job)


def _order_of(job: Job) -> int:
    """Unique at a replica: a request has one copy of an attempt there, and fewer than 2^24 attempts."""
    order: int = (job.request + 1 << 24) | job.attempt
    return order
