"""Rules of dispatch by hand, and their indices over many replicas against the SimPy engine, which looks at all."""

from types import SimpleNamespace

import numpy as np
import pytest
from builders import api, model, pool, replicas_of, run, scenario, trace
from test_engines_equal import assert_equal

from messsim.engines.dispatch.texts import Texts
from messsim.engines.looks import Looks
from messsim.errors import ScenarioError
from messsim.scenario import notes_of, parse
from messsim.workload.chance import Chance

engines = pytest.mark.parametrize("engine", ["simpy", "compiled"])


def draws(n: int, request: int, *, second: bool = False) -> int:
    chance = Chance(1)
    return int(chance.one(chance.column("dispatch", "only"), request, odd=second) * n)


# ---- by hand --------------------------------------------------------------------------------------------


@engines
def test_random_is_the_first_draw_of_each_request(tmp_path, engine):
    where = replicas_of(tmp_path, [0] * 8, engine, {"dispatch": "random"})
    assert where == [draws(3, i) for i in range(8)]
    assert len(set(where)) == 3


@engines
def test_ties_of_the_least_loaded_are_broken_by_a_draw(tmp_path, engine):
    """The first is among three equals, the second among the two others, the third takes the last; then again."""
    where = replicas_of(tmp_path, [0] * 6, engine, {"dispatch": "least_loaded", "ties": "random"})
    expected: list[int] = []
    for i in range(6):
        free = [k for k in range(3) if expected.count(k) == i // 3]
        expected.append(free[draws(len(free), i)])
    assert where == expected
    assert expected != [0, 1, 2, 0, 1, 2]


@engines
def test_one_replica_after_the_other_is_filled(tmp_path, engine):
    """Two at each of three, then all are full, and the first is the least loaded as before."""
    where = replicas_of(tmp_path, [0] * 8, engine, {"dispatch": "packed", "packed": {"requests": 2}})
    assert where == [0, 0, 1, 1, 2, 2, 0, 1]


def sessions(**changes):
    """Three sessions of three turns, all within a tenth of a second, on two replicas."""
    data = {
        "requests": 9,
        "sessions": {"turns": 3, "think_s": 0.25, "followup": 5},
        "tokens": {"prompt": 10, "output": 3},
        "models": [model("only", 0.6, replicas=2, prefix_cache=True)],
        "arrivals": {"kind": "poisson", "rate_rps": 50.0},
    }
    return scenario(**(data | changes))


@engines
def test_turns_of_a_session_stay_where_it_is(engine):
    """Round robin, for one, sends them here and there."""
    stays = run(sessions(cluster={"dispatch": "session"}), engine).records
    assert stays.replica.tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0]
    moves = run(sessions(cluster={"dispatch": "round_robin"}), engine).records
    assert stays.cached_prompt_tokens.sum() > moves.cached_prompt_tokens.sum()


@engines
@pytest.mark.parametrize(("ttl_s", "where"), [(1.6, [1, 0]), (1.9, [1, 1])])
def test_a_session_that_is_not_heard_of_for_too_long_is_anywhere(engine, ttl_s, where):
    """The first replica is down as it begins; its second turn is sent 0.75 s of answer and 1 s of thought later."""
    outage = {"pool": "only", "replica": 0, "at_s": 0.0, "for_s": 0.5}
    cluster = {"dispatch": "session", "session": {"ttl_s": ttl_s}, "failures": {"schedule": [outage]}}
    turns = {"turns": 2, "think_s": 1.0, "followup": 5}
    r = run(sessions(requests=2, sessions=turns, cluster=cluster), engine).records
    assert r.replica.tolist() == where


@engines
def test_a_session_whose_replica_is_down_moves_and_stays(engine):
    outage = {"pool": "only", "replica": 0, "at_s": 0.9, "for_s": 0.2}
    cluster = {"dispatch": "session", "failures": {"schedule": [outage]}}
    r = run(sessions(cluster=cluster, sessions={"turns": 3, "think_s": 0.25, "followup": 5}), engine).records
    first = [r.replica[i] for i in range(3)]
    assert first[0] == 0
    assert first[1:] == [1, 1]


AFFINE = {"dispatch": "prefix_affinity"}


def alike(requests, replicas, *, output=2, **changes):
    """Prompts that begin with the 20 tokens of their group, and 5 more, to replicas of one model."""
    data = {"requests": requests, "tokens": {"prompt": 5, "output": output}, "prefixes": {"tokens": 20}}
    return scenario(
        **data
        | {"models": [model("only", replicas=replicas)], "arrivals": {"kind": "poisson", "rate_rps": 1000.0}}
        | changes
    )


@engines
def test_a_prompt_goes_where_enough_of_it_went_before(engine):
    """Groups of 20 tokens, prompts of 5 more: 80 % were sent before. Threshold 0.8 is not enough, 0.79 is."""
    data = alike(4, 2)
    for threshold, where in ((0.79, [0, 0, 0, 0]), (0.8, [0, 1, 0, 1])):
        cluster = AFFINE | {"prefix_affinity": {"cache_threshold": threshold}}
        assert run(data | {"cluster": cluster}, engine).records.replica.tolist() == where


@engines
def test_affinity_ends_where_loads_differ_by_too_much(engine):
    """With at most 2 more than the least, the fourth would be one more: 3 - 0 > 2, and 3 > 1.5 * 0."""
    data = alike(6, 2, output=40)
    cluster = AFFINE | {"prefix_affinity": {"balance_abs_threshold": 2}}
    assert run(data | {"cluster": cluster}, engine).records.replica.tolist() == [0, 0, 0, 1, 0, 1]


@engines
def test_what_the_tree_forgets_is_not_found(tmp_path, engine):
    """At every 10 s it keeps 10 tokens of a replica, the beginning of what was sent last: 20 of 25 are gone then."""
    evicts = {"eviction_interval_s": 10, "max_tree_tokens": 10, "cache_threshold": 0.5}
    cluster = AFFINE | {"prefix_affinity": evicts}
    data = alike(2, 2, arrivals=trace(tmp_path, [0, 11]), cluster=cluster)
    busy = [{"pool": "only", "replica": 0, "at_s": 50, "for_s": 1}]
    data["cluster"]["failures"] = {"schedule": busy}
    result = run(data, engine).records.replica.tolist()
    data["cluster"]["prefix_affinity"]["max_tree_tokens"] = 25
    assert (result, run(data, engine).records.replica.tolist()) == ([0, 0], [0, 0])  # both are idle: the first


@engines
def test_loads_are_as_old_as_the_last_look(tmp_path, engine):
    """Looks at 0.5 s, 1 s, ...: what was sent since the last one is not seen, nor what is sent at its instant."""
    cluster = {"dispatch": "least_loaded", "state_delay_s": 0.5}
    times_s, long = [0, 0.1, 0.5, 0.6, 1.0], {"prompt": 1, "output": 40}
    where = replicas_of(tmp_path, times_s, engine, cluster, tokens=long)
    # nothing is seen until 0.5 s, when the first replica has 2; at 1 s it has 2 and the second has 2
    assert where == [0, 0, 1, 1, 2]
    assert replicas_of(tmp_path, times_s, engine, cluster | {"state_delay_s": 0.0}, tokens=long) == [0, 1, 2, 0, 1]


@engines
def test_a_router_sees_loads_as_old_as_dispatch_does(tmp_path, engine):
    """load-aware sends everybody to the small model until it hears of the queue there."""
    data = scenario(
        requests=20,
        tokens={"prompt": 1, "output": 40},
        models=[model("small", 0.9, max_num_seqs=1), model("large", 0.9, max_num_seqs=1)],
        arrivals=trace(tmp_path, np.arange(20) / 16),
        router={"policy": "load-aware", "c": 0.0, "delay_weight": 1e6},
    )
    sent = [run(data | {"cluster": {"state_delay_s": s}}, engine).records.model.tolist() for s in (0.0, 1.0)]
    assert len(set(sent[1][:16])) == 1
    assert len(set(sent[0][:16])) == 2


KV = {"dispatch": "kv_router"}


@engines
def test_the_kv_router_counts_prefill_to_come_and_memory(tmp_path, engine):
    """A prompt of 10 tokens makes 20, to compute and to hold; prompts of 2 go elsewhere until there are 20 too."""
    columns = {"prompt_tokens": [10, 2, 2, 2], "output_tokens": [9, 9, 9, 9]}
    serving = {"max_batched_tokens": 64}
    where = replicas_of(tmp_path, [0, 0, 0, 0], engine, KV, replicas=2, serving=serving, columns=columns)
    first = where[0]
    assert where == [first, 1 - first, 1 - first, 1 - first]


@engines
def test_the_kv_router_goes_where_the_prompt_is_cached(engine):
    r = run(sessions(cluster=KV), engine).records
    assert len(set(r.replica[:3].tolist())) == 1
    without = run(sessions(cluster=KV | {"kv_router": {"overlap_credit": 0.0}}, requests=60), engine).records
    with_credit = run(sessions(cluster=KV, requests=60), engine).records
    assert with_credit.cached_prompt_tokens.sum() > without.cached_prompt_tokens.sum()


@engines
def test_scores_by_hand(tmp_path, engine):
    """One place each, long answers.

    By memory alone all go to the replica with the shorter prompt, whoever waits there; by queues alone the third, who
    waits, sends the fourth to the other replica.
    """
    columns = {"prompt_tokens": [50, 5, 1, 1, 1], "output_tokens": [99] * 5}
    serving = {"max_num_seqs": 1, "max_batched_tokens": 512, "kv_capacity_tokens": 1000}
    times_s = [0, 0.25, 0.5, 0.5, 0.75]

    def sent(weights):
        cluster = {"dispatch": "scored", "scored": {"weights": weights}}
        return replicas_of(tmp_path, times_s, engine, cluster, replicas=2, serving=serving, columns=columns)

    by_memory = sent({"queue": 0.0, "kv_cache": 1.0, "prefix": 0.0})
    assert by_memory == [by_memory[0], *[1 - by_memory[0]] * 4]
    by_queue = sent({"queue": 1.0, "kv_cache": 0.0, "prefix": 0.0})  # whom it does not see in a queue it does not mind
    first, second, third = by_queue[2:]
    assert second != first
    assert third in {0, 1}


@engines
def test_the_prefix_score_follows_blocks_that_were_sent(engine):
    """20 of 25 tokens in blocks of 5 are 4 of 5: sticky from 0.8 on, not from 0.81."""
    data = alike(8, 4)
    for threshold, several in ((0.8, False), (0.81, True)):
        scored = {"index_block_tokens": 5, "sticky_until_saturated": True, "affinity_threshold": threshold}
        r = run(data | {"cluster": {"dispatch": "scored", "scored": scored}}, engine).records
        assert (len(set(r.replica.tolist())) > 1) == several


@engines
def test_stickiness_ends_with_saturation(engine):
    """12 requests at once of 25 tokens, of which 20 are there from the first on; at 10 a second 50 of them are 5 s."""
    data = alike(12, 2, arrivals={"kind": "poisson", "rate_rps": 1e6})
    scored = {"index_block_tokens": 5, "sticky_until_saturated": True, "peak_prefill_tokens_per_s": 10.0}
    r = run(data | {"cluster": {"dispatch": "scored", "scored": scored | {"max_ttft_penalty_s": 5.0}}}, engine).records
    first = r.replica[0]
    # 25, 30, 35, 40, 45, 50 are no more than 5 s; with 55 the other one is open too, and has less to do
    assert r.replica.tolist()[:8] == [first] * 7 + [1 - first]


@engines
def test_the_session_score_is_a_preference_that_others_may_outweigh(engine):
    """Turns stay where the session is for a weight of 1, unless what waits there weighs more."""
    scored = {"weights": {"queue": 0.0, "kv_cache": 0.0, "prefix": 0.0, "session": 1.0}}
    r = run(sessions(cluster={"dispatch": "scored", "scored": scored}), engine).records
    for first in range(3):
        assert len(set(r.replica[[i for i in range(9) if r.session[i] == r.session[first]]].tolist())) == 1
    known = {"dispatch": "scored", "scored": scored, "session": {"ttl_s": 3.0}}
    assert parse(scenario(cluster=known)).cluster.ignored == []


@engines
def test_active_requests_are_known_at_once(tmp_path, engine):
    """By the router's own count the second goes elsewhere before any look; two are as good as idle for the third."""
    weights = {"queue": 0.0, "kv_cache": 0.0, "prefix": 0.0, "active": 1.0}
    cluster = {"dispatch": "scored", "state_delay_s": 100.0, "scored": {"weights": weights}}
    where = replicas_of(tmp_path, [0] * 3, engine, cluster)
    assert sorted(where) == [0, 1, 2]
    cluster["scored"]["idle_requests"] = 100
    where = replicas_of(tmp_path, [0] * 8, engine, cluster)
    assert where == [draws(3, i) for i in range(8)]  # all are idle: any one


@engines
def test_a_prompt_that_nobody_knows_goes_to_who_got_such_a_one_longest_ago(tmp_path, engine):
    """First each in order, then the oldest; a prompt of which something is there changes nothing."""
    weights = {"queue": 0.0, "kv_cache": 0.0, "prefix": 0.0, "no_hit_lru": 1.0}
    cluster = {"dispatch": "scored", "scored": {"weights": weights}}
    assert replicas_of(tmp_path, [0] * 7, engine, cluster) == [0, 1, 2, 0, 1, 2, 0]
    cluster["scored"]["cold_replicas"] = 1  # of whom it remembers the last alone
    assert replicas_of(tmp_path, [0] * 5, engine, cluster) == [0, 1, 0, 1, 0]
    data = alike(6, 3)
    scored = {"weights": weights | {"prefix": 3.0}, "index_block_tokens": 5}
    r = run(data | {"cluster": {"dispatch": "scored", "scored": scored}}, engine).records
    assert r.replica.tolist() == [0] * 6


# ---- bad input ------------------------------------------------------------------------------------------


def test_a_look_comes_at_its_multiple_however_quotients_round():
    """4.3 s is the 43rd multiple of 0.1 s as floats have it, though 4.3 / 0.1 is rounded to below 43."""
    for delay_s in (0.1, 0.3, 0.7, 1 / 49, 2.5):
        for k in range(1, 300):
            looks = Looks(delay_s)
            looks.due(np.nextafter(k * delay_s, 0.0))
            assert looks.index == k - 1
            assert looks.due(k * delay_s)
            assert (looks.index, looks.due(k * delay_s)) == (k, False)


@pytest.mark.parametrize(
    ("starts_go_first", "left"), [(True, {1: [4, 5], 2: [5, 12]}), (False, {1: [0, 5], 2: [5, 8]})]
)
def test_of_each_text_the_longest_part_that_was_sent_is_known(starts_go_first, left):
    """In units of 4 tokens, node 2 after node 1: 40, 32, and 48 tokens in all; then 4 of 12 units go."""
    texts = Texts(lambda tokens: tokens // 4, starts_go_first=starts_go_first)
    for end in (40, 32, 48):
        texts.add(SimpleNamespace(path=[(1, 20), (2, end)], prompt_tokens=end), "here")
        assert texts.at(2) == {"here": [5, 12 if end == 48 else 10]}
    assert texts.units("here") == 12
    texts.trim("here", 8)
    assert {node: texts.at(node)["here"] for node in (1, 2)} == left
    texts.forget("here")
    assert (texts.at(1), texts.at(2), texts.units("here")) == ({}, {}, 0)


@pytest.mark.parametrize(
    ("cluster", "message"),
    [
        ({"dispatch": "best"}, "cluster.dispatch"),
        ({"state_delay_s": -1}, "cluster.state_delay_s"),
        ({"ties": "last"}, "cluster.ties"),
        ({"prefix_affinity": {"cache_threshold": 2}}, "cluster.prefix_affinity.cache_threshold"),
        ({"scored": {"weights": {"quue": 1}}}, "cluster.scored.weights.quue"),
        ({"session": {"ttl_s": 0}}, "cluster.session.ttl_s"),
    ],
)
def test_what_is_wrong_is_named(cluster, message):
    with pytest.raises(ScenarioError, match=message):
        parse(scenario(cluster=cluster))


# ---- many replicas: indices -----------------------------------------------------------------------------

RULES = {
    "least_loaded": {"ties": "random"},
    "random": {},
    "packed": {"packed": {"requests": 3}},
    "session": {"ties": "random", "session": {"ttl_s": 3.0}},
    "prefix_affinity": {
        "prefix_affinity": {"balance_abs_threshold": 2, "eviction_interval_s": 1, "max_tree_tokens": 60}
    },
    "kv_router": {"kv_router": {"prefill_load_scale": 0.5}},
    "scored": {"scored": {"index_block_tokens": 4, "index_blocks": 12}},
    "scored, by session": {
        "session": {"ttl_s": 3.0},
        "scored": {"index_block_tokens": 4, "index_blocks": 12, "weights": {"session": 1.5}},
    },
    "scored, by all": {
        "scored": {"index_block_tokens": 4, "weights": {"session": 1.0, "active": 2.0, "no_hit_lru": 1.0}}
    },
    "scored, by tokens": {"scored": {"index_block_tokens": 4, "weights": {"token_load": 1.0, "load": 1.0}}},
}


def many(rule: str, delay_s: float, **changes):
    """34 replicas of two pools, an API, failures, sessions with system prompts, clients who give up."""
    serving = {"prefix_cache": True, "kv_block_tokens": 4, "kv_capacity_tokens": 400, "max_num_seqs": 3, "replicas": 17}
    failures = {"mtbf_s": 60.0, "mttr_s": 2.0}
    data = {
        "requests": 400,
        "seed": 3,
        "arrivals": {"kind": "poisson", "rate_rps": 60.0},
        "models": [{"name": "only", "satisfaction": 0.6, "output": {"kind": "geometric", "mean": 6.0, "max": 60}}],
        "pools": [
            pool("only", **serving),
            pool("only", **serving, name="more"),
            {"model": "only", "name": "theirs", **api()},
        ],
        "cost": {"unit": "USD", "usd_per_gpu_hour": {"GPU": 1.0}},
        "prefixes": {"groups": 3, "tokens": 9},
        "sessions": {"turns": 4, "think_s": 0.5, "followup": 5},
        "tokens": {"prompt": {"kind": "geometric", "mean": 11.0, "max": 60}},
        "clients": {"patience_s": 4.0, "retries": 1},
        "feedback": {"delay": 0.0},
        "cluster": {"dispatch": rule.split(",")[0], "state_delay_s": delay_s, "failures": failures} | RULES[rule],
    }
    return scenario(**(data | changes))


@pytest.mark.parametrize("delay_s", [0.0, 0.3])
@pytest.mark.parametrize("rule", RULES)
def test_an_index_says_what_looking_at_all_says(rule, delay_s):
    data = many(rule, delay_s)
    assert_equal(parse(data))
    if rule == "least_loaded":  # the figures reach what they are for
        r = run(data, "compiled").records
        assert len(set(r.replica.tolist())) > 30
        assert (r.attempts > 1).any()
        assert (r.cached_prompt_tokens > 0).any()


@pytest.mark.parametrize("delay_s", [0.0, 0.3])
@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "shared_queue"])
def test_asking_an_index_for_a_price_leaves_no_trace(rule, delay_s):
    data = many(rule, delay_s, tokens={"prompt": {"kind": "geometric", "mean": 11.0, "max": 60}, "max_new_tokens": 7})
    pools = [serving for serving in data["pools"] if serving.get("kind") != "api"]
    other = pool("other", replicas=2, max_num_seqs=8)
    models = [*data["models"], {"name": "other", "satisfaction": 0.8}]
    router = data["router"] | {"cost_estimate": "marginal"}
    assert_equal(parse(data | {"models": models, "pools": [*pools, other], "router": router}))


def test_a_replica_that_has_the_prompt_may_cost_what_an_idle_one_does():
    """One prompt of 16 tokens is held there, and 8 in the cache count twice: 0, as where nothing is."""
    cluster = {"dispatch": "kv_router", "kv_router": {"overlap_credit": 2.0}}
    changes = {"prefixes": {"tokens": 8}, "sessions": None, "tokens": {"prompt": 8}, "cluster": cluster, "requests": 30}
    for seed in range(20):
        arrivals = {"kind": "poisson", "rate_rps": 2.0}
        assert_equal(parse(many("kv_router", 0.0, seed=seed, arrivals=arrivals, **changes)))


def test_options_of_another_rule_are_noted():
    other = parse(scenario(cluster={"dispatch": "random", "ties": "random", "scored": {"index_tokens": 9}}))
    for name in ("scored", "ties"):
        assert f"cluster.{name}: ignored with dispatch = 'random'" in notes_of(other)
    own = parse(scenario(cluster={"dispatch": "session", "ties": "random", "session": {"ttl_s": 9}}))
    assert not [note for note in notes_of(own) if note.startswith("cluster.")]
