"""The pools of one model and the choice among their replicas, made up: who gets a request, who waits, who leaves."""

from types import SimpleNamespace

import pytest

from messsim.engines.servers import ModelServers
from messsim.engines.transfers import Decoders


class Server:
    """A replica that keeps what is sent to it."""

    def __init__(self, pool):
        self.pool, self.got = pool, []

    def submit(self, job):
        self.got.append(job.name)


class Pool:
    """A pool with some replicas up; `most` is the longest request that it takes."""

    queue = None

    def __init__(self, up, *, most=100, closed=False, price_order=None):
        takes, saturates = (lambda prompt, answer: prompt + answer <= most), price_order is not None
        self.plan = SimpleNamespace(is_api=False, takes=takes, saturates=saturates, price_order=price_order)
        self.up = [Server(self) for _ in range(up)]
        self.unfinished, self.transfers, self.rule, self.group = 0, None, None, None
        self.closed, self.gone, self.offered, self.asked = closed, [], 0, []

    def is_closed(self, prompt, answer, max_waiting):
        self.asked.append(max_waiting)
        return self.closed or not self.plan.takes(prompt, answer)

    def left(self, job):
        self.gone.append(job.name)

    def abort(self, job):
        return job.leaves

    def offer(self):
        self.offered += 1


class Rule:
    """Takes the last that is up, and hears of everything."""

    def __init__(self):
        self.heard = []

    def pick(self, up, job):
        self.heard.append(("pick", job.name, len(up)))
        return up[-1]

    def sent(self, server, job):
        self.heard.append(("sent", job.name))

    def forget(self, server):
        self.heard.append(("forget", server))


def job(name, prompt=5, answer=5, leaves=True):
    return SimpleNamespace(name=name, prompt_tokens=prompt, max_new_tokens=answer, leaves=leaves, source=-1, pool=None)


def servers(*pools, shared=False):
    return ModelServers(list(pools), shared, Rule())


def test_pools_know_their_rule_and_group():
    pool = Pool(1)
    made = servers(pool)
    assert (pool.rule, pool.group) == (made.rule, made)


def test_a_request_goes_to_one_of_all_that_are_up_in_pools_that_take_it():
    first, second, small = Pool(2), Pool(1), Pool(3, most=9)
    made = servers(first, second, small)
    asked = job("a")
    assert made.place(asked, 7)
    assert made.rule.heard == [("pick", "a", 3), ("sent", "a")]
    assert second.up[0].got == ["a"]
    assert (first.unfinished, second.unfinished, small.unfinished, asked.pool) == (0, 1, 0, second)
    assert first.asked == [7]
    assert made.takes(5, 5, 7)
    assert not made.takes(96, 5, 7)


def test_a_single_replica_is_not_chosen_but_sent_to():
    pool = Pool(1)
    made = servers(pool)
    made.place(job("a"))
    assert made.rule.heard == [("sent", "a")]
    assert pool.up[0].got == ["a"]


def test_where_no_pool_takes_it_a_request_is_turned_away():
    made = servers(Pool(1, closed=True), Pool(1, most=9))
    assert not made.place(job("a"))
    assert made.rule.heard == []


def test_while_nobody_is_up_requests_wait_and_are_placed_again():
    small, large = Pool(0, most=8), Pool(0)
    made = servers(small, large)
    for name, prompt in (("a", 2), ("b", 9), ("c", 3)):
        assert made.place(job(name, prompt))
    assert (made.held_for(small), made.held_for(large)) == (2, 1)
    assert (small.unfinished, large.unfinished) == (2, 1)
    assert [j.name for j in made.resume(large)] == ["a", "b", "c"]
    assert (small.unfinished, large.unfinished, large.offered, small.offered) == (0, 0, 1, 0)
    assert made.held_for(small) == 0
    assert made.resume(large) == []


def test_of_pools_that_scale_by_saturation_the_cheapest_that_takes_it_wakes():
    other, dear, cheap = Pool(0, most=8), Pool(0, price_order=1), Pool(0, most=20, price_order=0)
    made = servers(dear, cheap, other)
    for name, prompt in (("a", 2), ("b", 90)):
        assert made.place(job(name, prompt))
    assert [made.held_for(pool) for pool in (dear, cheap, other)] == [1, 1, 0]
    first = servers(Pool(0), Pool(0, price_order=0))  # the first goes by another rule: it wakes
    assert first.place(job("a"))
    assert [first.held_for(pool) for pool in first.pools] == [1, 0]


def test_what_is_prefilled_already_stays_unfinished_where_that_was():
    pool = Pool(0)
    made = servers(pool)
    prefilled = job("a")
    made.place(prefilled)
    prefilled.source = 3
    made.resume(pool)
    assert pool.unfinished == 1


@pytest.mark.parametrize("leaves", [True, False])
def test_who_gives_up_leaves_now_or_comes_finished(leaves):
    pool = Pool(1)
    made = servers(pool)
    made.place(asked := job("a", leaves=leaves))
    assert made.abort(asked) is leaves
    assert pool.unfinished == (0 if leaves else 1)
    assert pool.gone == (["a"] if leaves else [])


def test_who_waits_for_a_replica_leaves_at_once():
    pool = Pool(0)
    made = servers(pool)
    made.place(asked := job("a", leaves=False))
    assert made.abort(asked) is True
    assert (pool.unfinished, pool.gone, made.resume(pool)) == (0, ["a"], [])


@pytest.mark.parametrize(("answer", "expected", "unfinished"), [(True, True, 0), (False, False, 1), (None, True, 0)])
def test_a_transfer_is_asked_first(answer, expected, unfinished):
    pool = Pool(1)
    pool.transfers = SimpleNamespace(abort=lambda job: answer, promise=None)
    made = servers(pool)
    made.place(asked := job("a"))
    assert made.abort(asked) is expected
    assert pool.unfinished == unfinished


def test_where_prefill_is_split_the_decoder_is_promised_before_the_request_is_sent():
    pool, promised = Pool(1), []
    pool.transfers = SimpleNamespace(promise=lambda j: promised.append((j.name, pool.unfinished)))
    made = servers(pool)
    made.decoders = object()
    made.place(job("a"))
    assert promised == [("a", 0)]


def test_the_load_is_what_is_unfinished_for_each_place_that_is_up():
    first, second, decoding = Pool(2), Pool(1), Pool(1)
    for pool, places, unfinished in ((first, 4, 6), (second, 8, 2), (decoding, 4, 12)):
        pool.plan.places, pool.unfinished = places, unfinished
    made = servers(first, second)
    assert made.load() == 8 / 16
    made.decoders = servers(decoding)
    assert made.load() == 20 / 20
    down = Pool(0)
    down.plan.places = 4
    assert servers(down).load() == 0.0


def test_a_replica_that_is_down_is_forgotten():
    made = servers(Pool(1))
    made.forget("server")
    assert made.rule.heard == [("forget", "server")]


def test_decoders_are_picked_among_those_that_are_up():
    pool, small = Pool(2), Pool(1, most=9)
    made = Decoders([pool, small], False, Rule())
    assert made.pick(job("a")) is pool.up[-1]
    assert made.rule.heard == [("pick", "a", 2), ("sent", "a")]
    assert pool.up[-1].got == []  # only chosen
    assert Decoders([Pool(0)], False, Rule()).pick(job("a")) is None
    one = Pool(1)
    alone = Decoders([one], False, Rule())
    assert alone.pick(job("b")) is one.up[0]
    assert alone.rule.heard == [("sent", "b")]


def test_what_no_decoder_takes_is_held():
    pool = Pool(0)
    made = Decoders([pool], False, Rule())
    first, second = job("a"), job("b")
    made.hold(first)
    made.hold(second)
    made.release(first)
    second.pool = pool
    assert made.resume(pool) == [second]
