"""Rules of dispatch one by one, among replicas that are made up: costs, scores and ties worked out by hand."""

import pytest
from made_up import Chance, Job, Server, picks, rule, servers

from messsim.engines.dispatch.accounts import Accounts
from messsim.engines.dispatch.plan import plan_of
from messsim.engines.dispatch.rule import Draws
from messsim.engines.dispatch.session import Bindings
from messsim.engines.dispatch.texts import Texts, parts_of
from messsim.engines.looks import Looks
from messsim.scenario.fleet import Cluster

# ---- by load and by chance ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("u", "n", "expected"), [(0.0, 3, 0), (0.333, 3, 0), (0.334, 3, 1), (0.999, 3, 2), (1.0, 3, 2), (0.5, 1, 0)]
)
def test_a_whole_number_below_n(u, n, expected):
    assert Draws(Chance(u, 0.0), 7).below(n, Job()) == expected
    assert Draws(Chance(0.0, u), 7).below(n, Job(), second=True) == expected


@pytest.mark.parametrize(("loads", "expected"), [((2, 1, 1), 1), ((0, 0), 0), ((3, 2, 1), 2), ((1, 5), 0)])
def test_the_first_of_the_least_loaded(loads, expected):
    assert picks(rule("least_loaded"), servers(*loads)) == expected


@pytest.mark.parametrize(("u", "expected"), [(0.0, 1), (0.49, 1), (0.5, 3), (0.99, 3)])
def test_any_of_the_least_loaded(u, expected):
    assert picks(rule("least_loaded", chance=Chance(u), ties="random"), servers(2, 1, 5, 1)) == expected


@pytest.mark.parametrize(("u", "expected"), [(0.0, 0), (0.32, 0), (0.34, 1), (0.67, 2)])
def test_any_at_random(u, expected):
    assert picks(rule("random", chance=Chance(u)), servers(9, 0, 0)) == expected


@pytest.mark.parametrize(
    ("u", "v", "loads", "expected"),
    [
        (0.0, 0.0, (5, 4, 0), 1),  # of 0 and 1
        (0.0, 0.99, (5, 4, 0), 2),  # of 0 and 2
        (0.99, 0.0, (3, 4, 5), 0),  # of 2 and 0
        (0.5, 0.99, (0, 4, 3), 2),  # of 1 and 2
        (0.5, 0.0, (4, 4, 0), 0),  # of 1 and 0, equals: the first
        (0.0, 0.0, (4, 4, 0), 0),
    ],
)
def test_the_less_loaded_of_two(u, v, loads, expected):
    assert picks(rule("power_of_two", chance=Chance(u, v)), servers(*loads)) == expected


def test_one_after_another_whoever_is_up():
    turns = rule("round_robin")
    up = servers(0, 0, 0)
    assert [up.index(turns.pick(up, Job())) for _ in range(4)] == [0, 1, 2, 0]
    assert [turns.look(up, Job()).index for _ in range(2)] == [1, 1]
    assert turns.pick(up[:2], Job()).index == 0  # the fifth turn, of two


# ---- sessions -------------------------------------------------------------------------------------------


def test_a_session_stays_until_it_is_not_heard_of_for_too_long():
    bindings, server = Bindings(10.0), Server(3)
    server.calendar.now = 5.0
    bindings.bind(Job(session=7), server)
    bindings.bind(Job(session=-1), server)
    assert bindings.of(Job(session=7), 15.0) is server
    assert bindings.of(Job(session=7), 15.1) is None
    assert bindings.of(Job(session=8), 5.0) is None
    assert bindings.of(Job(session=-1), 5.0) is None
    server.calendar.now = 14.0
    bindings.bind(Job(session=7), server)
    assert bindings.of(Job(session=7), 24.0) is server


def test_who_is_bound_nowhere_goes_to_the_least_loaded():
    up = servers(1, 0, 0)
    chosen = rule("session", session={"ttl_s": 10.0})
    assert picks(chosen, up, Job(session=1)) == 1
    chosen.sent(up[0], Job(session=1))
    assert picks(chosen, up, Job(session=1)) == 0
    assert picks(chosen, up, Job(session=2)) == 1
    assert picks(chosen, up[1:], Job(session=1)) == 0  # its replica is down
    random = rule("session", chance=Chance(0.9), ties="random")
    assert picks(random, up, Job(session=1)) == 2


# ---- what a router keeps account of ---------------------------------------------------------------------


def test_accounts_count_prefill_to_come_and_blocks_that_are_held():
    accounts, a, b = Accounts(), Server(0, block=4), Server(1, block=16)
    first, second = Job(prompt=9), Job(prompt=16)
    accounts.charge(a, first, 5)
    accounts.charge(a, second, 16)
    accounts.charge(b, third := Job(prompt=17), 17)
    assert (accounts.prefill[a], accounts.held[a]) == (21, 12 + 16)
    assert (accounts.prefill[b], accounts.held[b]) == (17, 32)
    accounts.release(first)
    accounts.release(first)
    accounts.release(third)
    assert (accounts.prefill[a], accounts.held[a]) == (16, 16)
    assert (accounts.prefill[b], accounts.held[b]) == (0, 0)


def test_accounts_settle_who_has_a_first_token():
    accounts, a = Accounts(), Server(0)
    old, fresh, coming = Job(first_token_s=1.0), Job(first_token_s=2.0), Job(first_token_s=2.5)
    for job in (old, fresh, coming):
        accounts.charge(a, job, 8)
    a.decoding, a.prefilling = [old, fresh], [coming]
    accounts.settle(a, 2.0)
    assert accounts.prefill[a] == 8
    assert accounts.held[a] == 24
    accounts.release(fresh)
    assert (accounts.prefill[a], accounts.held[a]) == (8, 16)
    accounts.settle(a, 2.5)
    assert accounts.prefill[a] == 0


def test_accounts_look_no_further_than_who_was_settled_before():
    accounts, a = Accounts(), Server(0)
    behind, settled, preempted = Job(first_token_s=1.0), Job(first_token_s=1.0), Job(first_token_s=1.0, preemptions=1)
    accounts.charge(a, behind, 8)
    a.decoding = [behind, settled]  # `settled` has nothing to come and came last
    accounts.settle(a, 2.0)
    assert accounts.prefill[a] == 8
    a.decoding = [behind, preempted]  # who was preempted may stand anywhere
    accounts.settle(a, 2.0)
    assert accounts.prefill[a] == 0


# ---- Dynamo's router ------------------------------------------------------------------------------------


def test_the_kv_router_adds_prefill_and_memory_and_takes_off_what_is_cached():
    up = [Server(0), Server(1, cached=6), Server(2)]
    chosen = rule("kv_router")
    # prompt of 8: costs 0, -6, 0
    assert picks(chosen, up) == 1
    chosen.sent(up[1], first := Job(prompt=8))  # 2 to compute, 8 held: 10 - 6 = 4
    assert picks(chosen, up) == 0
    chosen.sent(up[0], Job(prompt=3))  # 3 to compute, a block of 4 held: 7
    chosen.sent(up[2], Job(prompt=4))  # 4 to compute, 4 held: 8
    assert picks(chosen, up) == 1
    chosen.sent(up[1], Job(prompt=8))  # 2 + 2 to compute, 16 held: 14
    assert picks(chosen, up) == 0
    chosen.left(first)  # 2 and 8: 4 again
    assert picks(chosen, up) == 1


@pytest.mark.parametrize(
    ("options", "cached", "expected"),
    [
        ({}, 8, 0),  # at 0 are 4 to compute and 8 held, 12 - 8 = 4 < 5
        ({}, 6, 1),  # 12 - 6 = 6 > 5
        ({"overlap_credit": 2.0}, 6, 0),  # 12 - min(12, 4 + 8) = 0
        ({"overlap_credit": 2.0}, 4, 0),  # 12 - 8 = 4
        ({"overlap_credit": 0.5}, 8, 1),  # 12 - 4 = 8
        ({"prefill_load_scale": 0.0}, 8, 1),  # 8 held against 4
        ({"prefill_load_scale": 3.0}, 8, 0),  # 12 + 8 - 24 = -4 < 3 + 4
        ({"prefill_load_scale": 3.0}, 4, 1),  # 12 + 8 - 12 = 8 > 7
    ],
)
def test_options_of_the_kv_router(options, cached, expected):
    up = [Server(0), Server(1)]
    chosen = rule("kv_router", kv_router=options)
    up[0].replica.seen_cached_tokens = lambda job: 4 if job.request else cached
    chosen.sent(up[0], Job(1, prompt=8))  # 4 to compute, 8 held
    up[1].replica.seen_cached_tokens = lambda job: 3 if job.request else 0
    chosen.sent(up[1], Job(2, prompt=4))  # 1 to compute, 4 held
    assert picks(chosen, up, Job(prompt=8)) == expected


def test_equals_are_broken_by_a_draw_and_a_boundary_settles():
    up = servers(0, 0, 0)
    assert picks(rule("kv_router", chance=Chance(0.7)), up) == 2
    chosen = rule("kv_router")
    job = Job(prompt=4, first_token_s=1.0)
    chosen.sent(up[0], job)
    up[0].decoding, up[0].calendar.now = [job], 1.0
    chosen.boundary(up[0])
    chosen.sent(up[1], Job(prompt=5))
    chosen.sent(up[2], Job(prompt=5))
    assert picks(chosen, up) == 0  # 4 against 5 + 8


# ---- SGLang's router ------------------------------------------------------------------------------------


def test_a_prompt_has_the_parts_of_its_path_and_its_own():
    assert list(parts_of(Job(prompt=9, path=[(1, 4), (2, 7)]))) == [(1, 0, 4), (2, 4, 7), (None, 7, 9)]
    assert list(parts_of(Job(prompt=7, path=[(1, 7)]))) == [(1, 0, 7)]
    assert list(parts_of(Job(prompt=2))) == [(None, 0, 2)]


def affinity(**options):
    given = {"cache_threshold": 0.5, "balance_abs_threshold": 3, "balance_rel_threshold": 2.0}
    return rule("prefix_affinity", prefix_affinity=given | options)


@pytest.mark.parametrize(
    ("shared", "expected"),
    [(5, 2), (4, 0), (10, 2)],  # more than half of ten tokens must have gone there
)
def test_the_start_of_a_prompt_draws_it(shared, expected):
    up, chosen = servers(0, 0, 2), affinity()
    chosen.sent(up[2], Job(prompt=shared, path=[(1, shared)]))
    assert picks(chosen, up, Job(prompt=9 if shared == 5 else 10, path=[(1, shared)])) == expected
    half = Job(prompt=2 * shared, path=[(1, shared)])
    assert picks(chosen, up, half) == 0  # exactly half is not more


@pytest.mark.parametrize(
    ("loads", "expected"),
    [
        ((1, 4), 1),  # 3 more are alike
        ((1, 5), 0),  # 4 more, and five times as many
        ((4, 8), 1),  # 4 more, but only twice as many
        ((4, 9), 0),
    ],
)
def test_loads_that_differ_too_much_end_affinity(loads, expected):
    up, chosen = servers(*loads), affinity()
    chosen.sent(up[1], Job(prompt=8, path=[(1, 8)]))
    assert picks(chosen, up, Job(prompt=8, path=[(1, 8)])) == expected


def test_a_match_ends_where_nobody_has_the_next_part():
    up, chosen = servers(0, 1, 1), affinity()
    chosen.sent(up[1], Job(prompt=6, path=[(1, 6)]))
    chosen.sent(up[2], Job(prompt=10, path=[(1, 6), (2, 10)]))
    assert picks(chosen, up, Job(prompt=7, path=[(1, 6)])) == 1  # of equals who has had it for longest
    assert picks(chosen, up, Job(prompt=11, path=[(1, 6), (2, 10)])) == 2
    assert picks(chosen, up, Job(prompt=11, path=[(3, 6), (2, 10)])) == 0
    assert picks(chosen, [up[0], up[2]], Job(prompt=7, path=[(1, 6)])) == 1  # server 2, as 1 is down
    chosen.forget(up[2])
    assert picks(chosen, up, Job(prompt=11, path=[(1, 6), (2, 10)])) == 1  # 6 of 11


def test_the_tree_forgets_what_is_beyond_its_size_at_intervals():
    up, chosen = servers(0, 1), affinity(max_tree_tokens=4, eviction_interval_s=10.0)
    job = Job(prompt=8, path=[(1, 8)])
    chosen.sent(up[1], job)
    up[0].calendar.now = up[1].calendar.now = 9.9
    assert picks(chosen, up, job) == 1
    up[0].calendar.now = 10.0
    assert picks(chosen, up, job) == 0  # 4 of 8 are left
    assert picks(chosen, up, Job(prompt=7, path=[(1, 7)])) == 1  # 4 of 7
    chosen.sent(up[1], job)
    assert picks(chosen, up, job) == 1  # until the next interval ends


# ---- texts ----------------------------------------------------------------------------------------------


def test_what_a_prompt_alone_says_is_counted_but_not_looked_for():
    texts = Texts(int, starts_go_first=True)
    texts.add(Job(prompt=10, path=[(1, 4)]), "a")
    texts.add(Job(prompt=3), "a")
    assert texts.units("a") == 13
    assert texts.units("b") == 0
    assert texts.at(1) == {"a": [0, 4]}
    assert texts.at(None) == {}
    texts.trim("a", 20)
    assert texts.units("a") == 13
    texts.trim("a", 7)  # the path goes first, and two of what is alone
    assert texts.at(1) == {}
    assert texts.units("a") == 7
    texts.trim("a", 0)
    assert texts.units("a") == 0
    texts.forget("b")


def test_who_has_a_node_stands_in_the_order_in_which_they_came_by_it():
    texts = Texts(int, starts_go_first=False)
    for server in ("b", "a", "b"):
        texts.add(Job(prompt=4, path=[(1, 4)]), server)
    assert list(texts.at(1)) == ["b", "a"]
    texts.forget("b")
    assert list(texts.at(1)) == ["a"]
    texts.forget("a")
    assert texts.at(1) == {}


# ---- what is seen ---------------------------------------------------------------------------------------


def test_apis_have_no_queue_no_memory_and_no_cache():
    chosen = rule("least_loaded")
    api, own = Server(0, waiting=3, usage=0.5, cached=6, is_api=True), Server(1, waiting=3, usage=0.5, cached=6)
    assert [f(api) for f in (chosen.waiting, chosen.usage)] == [0, 0.0]
    assert [f(own) for f in (chosen.waiting, chosen.usage)] == [3, 0.5]
    assert (chosen.cached(api, Job()), chosen.cached(own, Job())) == (0, 6)


def test_what_is_polled_is_as_old_as_the_last_look():
    looks, server = Looks(2.0), Server(0, unfinished=5, waiting=4, usage=0.25)
    api = Server(1, unfinished=3, is_api=True)
    assert [looks.unfinished(server), looks.waiting(server), looks.usage(server)] == [0, 0, 0.0]
    assert not looks.due(1.9)
    assert looks.due(4.5)
    assert looks.time_s == 4.0
    looks.look([server, api])
    server.unfinished, server.replica.waiting = 9, 9
    assert [looks.unfinished(server), looks.waiting(server), looks.usage(server)] == [5, 4, 0.25]
    assert [looks.unfinished(api), looks.waiting(api), looks.usage(api)] == [3, 0, 0.0]
    looks.show([server])
    assert [looks.unfinished(server), looks.waiting(server)] == [9, 4]
    assert not looks.due(float("inf"))


def test_the_plan_says_what_the_scenario_says():
    options = {"ttl_s": 7.0}, {"cache_threshold": 0.2, "max_tree_tokens": 99}, {"overlap_credit": 0.3}
    session, prefix, kv = options
    cluster = Cluster(
        dispatch="scored", ties="random", state_delay_s=2.0, session=session, prefix_affinity=prefix, kv_router=kv,
        scored={"index_blocks": 5, "cold_replicas": 11, "affinity_threshold": 0.4, "weights": {"queue": 9.0}},
    )  # fmt: skip
    plan = plan_of(cluster)
    assert plan["weights"]["queue"] == 9.0
    assert {k: plan[k] for k in ("rule", "random_ties", "state_delay_s", "session_ttl_s", "cache_threshold")} == {
        "rule": "scored", "random_ties": True, "state_delay_s": 2.0, "session_ttl_s": 7.0, "cache_threshold": 0.2,
    }  # fmt: skip
    assert [plan[k] for k in ("tree_tokens", "overlap_credit", "index_blocks", "cold_replicas", "affinity")] == [
        99, 0.3, 5, 11, 0.4,
    ]  # fmt: skip
    plain = plan_of(Cluster())
    assert (plain["index_blocks"], plain["random_ties"], plain["rule"]) == (0, False, "least_loaded")
    assert plan_of(Cluster(dispatch="a/b.py:choose"))["rule"] == "own"
