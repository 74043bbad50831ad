"""One replica of the SimPy engine and its place in the calendar, with a made-up core and pool."""

import math
from types import SimpleNamespace

import pytest

from messsim import _core
from messsim.engines import gpu_server
from messsim.engines.calendar import Calendar
from messsim.engines.gpu_server import DRAINING, LOADING, OFF, READY, GpuServer
from messsim.workload.chance import Chance


class Replica:
    """A core that keeps what it is told; each start ends after 2 s with the jobs that came before."""

    def __init__(self, index, coefficients, **given):
        self.calendar, self.index, self.given = None, index, given
        self.asked, self.queued, self.runs = [], [], []
        self.boundary_s, self.preemptions, self.unfinished, self.state = math.inf, 0, 0, _core.IDLE
        self.pulls, self.preempts, self.busy = 0, 0, 0.0

    def submit(self, job, now):
        self.asked.append(("submit", job.name, now))
        self.queued.append(job)
        return _core.WAKE

    def abort(self, job, now):
        self.asked.append(("abort", job.name, now))
        return _core.WAKE, job.leaves

    def notify(self, now):
        self.asked.append(("notify", now))
        return _core.WAKE

    def start(self, now):
        self.asked.append(("start", now))
        self.runs, self.queued = self.queued, []
        self.boundary_s = now + 2.0 if self.runs else math.inf
        self.preemptions += self.preempts
        return self.pulls

    def finish(self):
        done, self.runs = self.runs, []
        return done

    def batch(self):
        return 3, 4

    def evict(self, now):
        self.asked.append(("evict", now))
        return ["held"]

    def repair(self):
        self.asked.append(("repair",))

    def share(self, queue):
        self.asked.append(("share", queue))

    def busy_s(self, now):
        return self.busy

    def meter_j(self, now):
        return 1000.0 + now


class Pool:
    def __init__(self, **more):
        serving = SimpleNamespace(front_end_s=None, detokenize_s=0.0, front_end_workers=1, prefix_cache=True)
        self.plan = SimpleNamespace(coefficients={}, limits={}, serving=serving, name="p", idle_w=10.0)
        self.queue = self.drafts = self.observer = self.transfers = None
        self.chance = Chance(1)
        self.heard = []
        self.rule = SimpleNamespace(boundary=lambda server: self.heard.append("boundary"))
        vars(self).update(more)

    def left(self, job):
        self.heard.append(("left", job.name))

    def finished(self, job):
        self.heard.append(("finished", job.name))

    def offer(self):
        self.heard.append("offer")

    def refresh(self, server):
        self.heard.append(("refresh", server.is_up))

    def leave(self, job):
        self.heard.append(("leave", job.name))


@pytest.fixture
def made(monkeypatch):
    def make(**more):
        calendar = Calendar()
        core = SimpleNamespace(Replica=Replica, IDLE=_core.IDLE, WAKE=_core.WAKE, RESCHEDULE=_core.RESCHEDULE)
        monkeypatch.setattr(gpu_server, "_core", core)
        return GpuServer(calendar, Pool(**more), 7, True), calendar

    return make


def job(name="a", source=-1, leaves=True):
    return SimpleNamespace(name=name, source=source, leaves=leaves)


def test_a_new_replica_is_up_and_has_nothing(made):
    server, _ = made()
    assert (server.phase, server.is_up, server.serves, server.is_idle, server.unfinished) == (
        READY,
        True,
        True,
        True,
        0,
    )
    assert server.replica.index == 7
    assert server.replica.given == {"track_usage": True, "shared": None, "drafts": None}
    assert (server.rented_s(5.0), server.idle_s(5.0), server.ready_s) == (5.0, 5.0, 0.0)


def test_requests_are_counted_wherever_they_are(made):
    server, _ = made()
    server.replica.unfinished, server.promised = 4, 2
    server.front = SimpleNamespace(unfinished=8)
    assert server.unfinished == 14


def test_a_job_is_started_after_what_else_happens_and_ends_at_its_boundary(made):
    server, calendar = made()
    server.submit(job("a"))
    server.submit(job("b"))
    assert [t[0] for t in server.replica.asked] == ["submit", "submit"]
    calendar.run(1.0)
    assert server.replica.asked[2:] == [("start", 0.0)]  # once, though both woke it
    assert server.pool.heard == []
    calendar.run(10.0)
    assert server.pool.heard == [("left", "a"), ("left", "b"), "boundary", ("finished", "a"), ("finished", "b")]
    assert server.replica.asked[3:] == [("start", 2.0)]  # and has nothing more to do


def test_what_was_prefilled_for_another_goes_on_its_way(made):
    transfers = SimpleNamespace(began=[])
    transfers.prefilled = lambda j: transfers.began.append(j.name)
    transfers.begin = lambda server: transfers.began.append(server.index)
    server, calendar = made(transfers=transfers)
    server.submit(job("a", source=0))
    calendar.run(10.0)
    assert transfers.began == [7, "a", 7]
    assert server.pool.heard == [("left", "a"), "boundary"]


@pytest.mark.parametrize(
    ("queue", "pulls", "preempts", "offers"), [(None, 1, 1, 0), ([], 0, 0, 0), ([], 1, 0, 1), ([], 0, 1, 1)]
)
def test_a_shared_queue_is_offered_when_its_head_is_new(made, queue, pulls, preempts, offers):
    server, calendar = made(queue=queue)
    server.replica.pulls, server.replica.preempts = pulls, preempts
    server.notify()
    calendar.run(1.0)
    assert server.replica.asked == [("notify", 0.0), ("start", 0.0)]
    assert server.pool.heard.count("offer") == offers


@pytest.mark.parametrize(("queue", "waiting"), [(None, 9), (["x", "y"], 2)])
@pytest.mark.parametrize(("caches", "prompts"), [(True, 500), (False, None)])
def test_who_watches_sees_the_batch(made, queue, waiting, caches, prompts):
    seen = []
    server, calendar = made(queue=queue, observer=SimpleNamespace(batch_starts=lambda *what: seen.append(what)))
    server.replica.waiting, server.replica.prompt_tokens = 9, 500
    server.pool.plan.serving.prefix_cache = caches
    server.notify()
    calendar.run(1.0)
    assert seen == [(0.0, 7, 3, 4, waiting, prompts)]


def test_a_boundary_that_was_moved_counts_once(made):
    server, calendar = made()
    server.submit(job())
    calendar.run(1.0)
    server.replica.boundary_s = 1.5
    server.act(_core.RESCHEDULE)
    calendar.run(1.75)
    assert server.pool.heard == [("left", "a"), "boundary", ("finished", "a")]
    calendar.run(10.0)
    assert server.replica.asked.count(("start", 1.5)) == 1
    assert len(server.pool.heard) == 3


def test_who_gives_up_may_leave_at_once(made):
    server, calendar = made()
    assert server.abort(job(leaves=True))
    assert not server.abort(job(leaves=False))
    calendar.run(1.0)
    assert server.replica.asked == [("abort", "a", 0.0)] * 2 + [("start", 0.0)]


def test_a_replica_is_up_again_when_all_causes_are_mended(made):
    server, calendar = made()
    server.submit(job())
    calendar.run(1.0)
    server.front = SimpleNamespace(evict=lambda: ["outside"])
    assert server.fail() == ["held", "outside"]
    assert (server.is_up, server.serves, server.pool.heard) == (False, False, [("refresh", False)])
    assert server.rented_s(1.5) == 1.0  # while it is down nobody pays for it
    assert server.fail() == []
    calendar.run(3.0)  # what it computed came to nothing
    assert server.pool.heard == [("refresh", False)]
    assert not server.repair()
    assert (server.failures, server.is_up) == (1, False)
    assert server.repair()
    assert (server.is_up, server.down_s, server.pool.heard[-1]) == (True, 2.0, ("refresh", True))
    assert server.replica.asked[-1] == ("repair",)
    assert server.rented_s(10.0) == 8.0


def test_a_replica_that_drains_serves_and_is_rented_until_it_is_off(made):
    server, calendar = made(queue=["shared"])
    server.drain()
    assert (server.phase, server.is_up, server.serves, server.pool.heard) == (
        DRAINING,
        False,
        True,
        [("refresh", False)],
    )
    assert server.replica.asked == [("share", None)]
    assert server.rented_s(4.0) == 4.0
    server.turn_off(4.0)
    assert (server.phase, server.serves, server.replica.asked[-1]) == (OFF, False, ("evict", 4.0))
    assert server.rented_s(9.0) == 4.0
    server.load(10.0, 15.0)
    assert (server.phase, server.ready_s, server.rented_s(12.0)) == (LOADING, 15.0, 6.0)
    calendar.run(15.0)
    server.be_ready(15.0)
    assert (server.phase, server.is_up, server.serves) == (READY, True, True)
    assert server.replica.asked[-2:] == [("share", ["shared"]), ("repair",)]
    assert server.rented_s(20.0) == 14.0


def test_loading_that_is_called_off_ends_the_rent(made):
    server, _ = made()
    server.drain()
    server.turn_off(0.0)
    server.load(2.0, 8.0)
    server.call_off(5.0)
    assert (server.phase, server.rented_s(10.0)) == (OFF, 3.0)


def test_idle_power_is_drawn_while_it_is_neither_busy_nor_down(made):
    server, _ = made()
    server.replica.busy = 3.0
    assert (server.idle_s(10.0), server.energy_j(10.0)) == (7.0, 1010.0 + 70.0)
    server.down_s = 5.0
    assert (server.idle_s(10.0), server.energy_j(10.0)) == (2.0, 1010.0 + 20.0)
    assert server.idle_s(7.0) == 0.0
