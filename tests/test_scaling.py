"""Replicas that come and go, in a pool that is made up: who is removed, who loads, and how long that takes."""

from types import SimpleNamespace

import pytest

from messsim.engines.calendar import Calendar
from messsim.engines.gpu_server import DRAINING, LOADING, OFF, READY
from messsim.engines.scaling import Scaling
from messsim.scenario.autoscale import Autoscale, ColdStart
from messsim.scenario.laws import ConstantDelay
from messsim.workload.chance import Chance

SECOND = ConstantDelay(mean_s=1.0)
START = ColdStart(fixed_s=SECOND, weights_gb=4.0, load_gb_per_s=2.0, compile_s=SECOND, init_s=SECOND)  # 5 s


class Server:
    """A replica with a phase."""

    def __init__(self, pool, index, phase=READY, unfinished=0):
        self.pool, self.index, self.phase, self.unfinished, self.kept = pool, index, phase, unfinished, 0
        self.ready_s = None
        self.replica = SimpleNamespace(kv_usage=lambda now: 0.5, waiting=2)

    def drain(self):
        self.phase = DRAINING

    def turn_off(self, now):
        self.phase = OFF

    def call_off(self, now):
        self.phase = OFF

    def load(self, now, ready_s):
        self.phase, self.ready_s = LOADING, ready_s

    def be_ready(self, now):
        self.phase = READY


class Pool:
    """A pool of replicas in these phases, with so many unfinished requests each."""

    def __init__(self, phases, unfinished=None, *, group=None, price=0, name="p", **settings):
        self.heard = []
        autoscale = Autoscale(**({"rule": "target", "target": 10.0, "cold_start": START} | settings))
        self.plan = SimpleNamespace(
            serving=SimpleNamespace(autoscale=autoscale), autoscale_target=10.0, replicas=len(phases), name=name,
            weights_gb=4.0,
            by_price=lambda pools: price,
        )  # fmt: skip
        loads = unfinished or [0] * len(phases)
        self.replicas = [Server(self, k, p, n) for k, (p, n) in enumerate(zip(phases, loads, strict=True))]
        self.group = group or SimpleNamespace(forget=self._forget, resume=lambda p: [])
        self.queue, self.transfers = None, None

    def _forget(self, server):
        self.heard.append(("forget", server.index))

    @property
    def up(self):
        return [s for s in self.replicas if s.phase == READY]

    @property
    def work(self):
        return sum(s.unfinished for s in self.replicas)

    def counts(self):
        return tuple(sum(s.phase == phase for s in self.replicas) for phase in (READY, LOADING, DRAINING))

    @property
    def phases(self):
        return [s.phase for s in self.replicas]


def scaling(*pools, retry=True):
    heard, calendar = [], Calendar()
    observer = SimpleNamespace(scaled=lambda time_s, replica, phase: heard.append((time_s, replica, phase)))
    service = SimpleNamespace(pools=list(pools), retry=lambda job: retry)
    setup = SimpleNamespace(workload=SimpleNamespace(chance=Chance(1)), pools=[])
    made = Scaling(setup, calendar, service, lambda job: heard.append(("lose", job)), observer)
    return made, calendar, heard


def test_replicas_that_are_not_up_at_first_are_off():
    pool = Pool([READY] * 4, initial_replicas=2)
    made, _, heard = scaling(pool)
    made.begin()
    assert pool.phases == [READY, READY, OFF, OFF]
    assert heard == [(0.0, 2, OFF), (0.0, 3, OFF)]


def test_a_pool_decides_every_period():
    pool = Pool([READY] * 3, [35, 0, 0], period_s=4.0)
    made, calendar, heard = scaling(pool)
    made.begin()  # one is up, of which 35 unfinished requests want four: three there are
    calendar.run(until=9.5)
    assert heard[2:] == [(4.0, 1, LOADING), (4.0, 2, LOADING), (9.0, 1, READY), (9.0, 2, READY)]
    assert pool.replicas[1].ready_s == 9.0  # 1 + 4 / 2 + 1 + 1 seconds later
    assert made.pools[0].starts == [0, 1, 1]


def test_those_that_load_are_called_off_first_the_last_of_them():
    pool = Pool([READY, LOADING, LOADING, READY])
    made, _, heard = scaling(pool)
    made._remove_one(pool)
    assert pool.phases == [READY, LOADING, OFF, READY]
    assert heard == [(0.0, 2, OFF)]
    assert pool.heard == []


@pytest.mark.parametrize(("unfinished", "removed"), [([3, 1, 2], 1), ([1, 1, 2], 1), ([0, 0, 0], 2), ([0, 1, 1], 0)])
def test_else_the_idlest_goes_of_equals_the_last(unfinished, removed):
    pool = Pool([READY] * 3, unfinished)
    made, _, heard = scaling(pool)
    made._remove_one(pool)
    assert [s.index for s in pool.replicas if s.phase == DRAINING] == [removed]
    assert pool.heard == [("forget", removed)]
    assert heard == [(0.0, removed, DRAINING)]


@pytest.mark.parametrize(("unfinished", "kept", "phase"), [(0, 0, OFF), (1, 0, DRAINING), (0, 1, DRAINING)])
def test_a_replica_that_has_drained_is_off(unfinished, kept, phase):
    pool = Pool([DRAINING, READY], [unfinished, 0])
    pool.replicas[0].kept = kept
    made, _, heard = scaling(pool)
    made.settle()
    assert pool.phases == [phase, READY]
    assert heard == ([(0.0, 0, OFF)] if phase == OFF else [])


def test_a_start_that_was_called_off_comes_to_nothing():
    pool = Pool([OFF, READY])
    made, calendar, heard = scaling(pool)
    made._load(made.pools[0], 0)
    pool.replicas[0].phase = OFF
    calendar.run()
    assert pool.phases == [OFF, READY]
    made._load(made.pools[0], 0)
    pool.replicas[0].ready_s = 11.0  # it was started anew meanwhile
    calendar.run()
    assert pool.phases == [LOADING, READY]
    assert [phase for *_, phase in heard] == [LOADING, LOADING]


@pytest.mark.parametrize(("retry", "lost"), [(True, False), (False, True)])
def test_what_was_held_is_placed_when_a_replica_is_ready(retry, lost):
    handed = []
    prefilled, waits = SimpleNamespace(source=3), SimpleNamespace(source=-1)
    pool = Pool([OFF], group=SimpleNamespace(resume=lambda p: [prefilled, waits]))
    pool.transfers = SimpleNamespace(hand_over=handed.append)
    made, calendar, heard = scaling(pool, retry=retry)
    made._load(made.pools[0], 0)
    calendar.run()
    assert handed == [prefilled]
    assert [job for kind, job in (h for h in heard if h[0] == "lose")] == ([waits] if lost else [])


@pytest.mark.parametrize(
    ("phases", "unfinished", "grows", "shrinks"),
    [
        ([READY, OFF], [5, 0], True, False),  # at the least
        ([READY, READY], [5, 0], False, True),
        ([READY, LOADING, OFF], [5, 0, 0], False, False),
        ([READY, READY, OFF], [5, 0, 0], True, True),
        ([READY, DRAINING], [5, 0], True, False),
    ],
)
def test_which_pools_may_have_one_more_or_fewer(phases, unfinished, grows, shrinks):
    pool = Pool(phases, unfinished, rule="saturation")
    made, _, _ = scaling(pool)
    (of_pool,) = made.pools
    assert (of_pool.may_grow, of_pool.may_shrink(0.0)) == (grows, shrinks)
    assert of_pool.size == sum(p in (READY, LOADING) for p in phases)


def test_the_last_replica_goes_only_when_it_had_nothing_to_do_for_long_enough():
    pool = Pool([READY], rule="saturation", min_replicas=0)
    made, _, _ = scaling(pool)
    (of_pool,) = made.pools
    assert not of_pool.may_shrink(1e6)
    of_pool.scaler.wanted(made._look_at(of_pool, 1, 0))
    assert not of_pool.may_shrink(599.0)
    assert of_pool.may_shrink(600.0)
    pool.replicas[0].unfinished = 1
    assert not of_pool.may_shrink(600.0)


def test_pools_of_one_model_are_looked_at_together():
    group = SimpleNamespace(forget=lambda s: None, resume=lambda p: [])
    dear = Pool([READY, OFF], [5, 0], group=group, price=2, name="dear", rule="saturation", min_replicas=0)
    cheap = Pool([READY, OFF], [3, 0], group=group, price=1, name="cheap", rule="saturation", min_replicas=0)
    other = Pool([READY], [9], name="other", rule="saturation")
    made, _, _ = scaling(dear, cheap, other)
    look = made._look_at(made.pools[0], 1, 0)
    assert (look.ready, look.loading, look.unfinished, look.unfinished_elsewhere) == (1, 0, 5, 3)
    assert (look.unsaturated, look.usage, look.waiting) == (2, 1.0, 4.0)
    assert look.another_grows  # the cheap one would
    assert not made._look_at(made.pools[1], 1, 0).another_grows
    alone = made._look_at(made.pools[2], 1, 0)
    assert (alone.unfinished_elsewhere, alone.unsaturated, alone.another_grows) == (0, 1, True)


def test_what_waits_in_a_shared_queue_is_every_replicas():
    pool = Pool([READY, READY, OFF], rule="saturation")
    pool.queue = [1, 2, 3]
    made, _, _ = scaling(pool)
    assert made._replicas(pool) == [(0.5, 3.5), (0.5, 3.5)]
