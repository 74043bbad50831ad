"""The rule of dispatch `scored` among replicas that are made up: each score worked out by hand."""

import pytest
from made_up import Job, Server, picks, rule, servers

NOTHING = {"queue": 0.0, "kv_cache": 0.0, "prefix": 0.0}


def scored(up, chance=None, weights=None, **options):
    given = {"weights": NOTHING | (weights or {}), "index_block_tokens": 4} | options
    return rule("scored", up, chance, scored=given)


@pytest.mark.parametrize(
    ("weights", "first", "second", "expected"),
    [
        ({"queue": 1.0}, {"waiting": 3}, {"waiting": 2}, 1),
        ({"queue": 1.0}, {"waiting": 3}, {"waiting": 3}, 0),  # all alike: a draw
        ({"kv_cache": 1.0}, {"usage": 0.5}, {"usage": 0.4}, 1),
        ({"load": 1.0}, {"waiting": 128}, {"waiting": 127}, 1),
        ({"load": 1.0}, {"waiting": 500}, {"waiting": 128}, 0),  # more than 128 are as many
        # 1 of the queue against half of the memory: 2 x 1 + 0.2 < 3 x 0.8 + 0
        ({"queue": 2.0, "kv_cache": 3.0}, {"waiting": 0, "usage": 0.95}, {"waiting": 1, "usage": 0.2}, 1),
        ({"queue": 2.0, "kv_cache": 2.0}, {"waiting": 0, "usage": 0.95}, {"waiting": 1, "usage": 0.2}, 0),
        # 0.5 x 2 / 128 for load against 0.01 of memory
        ({"load": 1.0, "kv_cache": 1.0}, {"waiting": 0, "usage": 0.01}, {"waiting": 2, "usage": 0.0}, 1),
        ({"load": 1.0, "kv_cache": 1.0}, {"waiting": 0, "usage": 0.01}, {"waiting": 3, "usage": 0.0}, 0),
        ({"active": 1.0}, {"unfinished": 4}, {"unfinished": 2}, 1),
    ],
)
def test_scores_of_engines(weights, first, second, expected):
    up = [Server(0, **first), Server(1, **second)]
    assert picks(scored(up, weights=weights), up) == expected


@pytest.mark.parametrize(
    ("options", "loads", "expected"),
    [
        ({"idle_requests": 1}, (1, 0), 0),  # both are idle
        ({"idle_requests": 0}, (1, 0), 1),
        ({"idle_requests": 0, "max_busy_score": 1.0}, (8, 4), 1),
        ({"idle_requests": 0, "max_busy_score": 0.0}, (8, 4), 0),  # who is busy has none
    ],
)
def test_active_requests_of_the_router(options, loads, expected):
    up = servers(*loads)
    assert picks(scored(up, weights={"active": 1.0}, **options), up) == expected


def test_the_share_of_blocks_that_were_sent():
    up = servers(0, 0, 0)
    chosen = scored(up, weights={"prefix": 1.0})
    chosen.sent(up[1], Job(prompt=12, path=[(1, 12)]))
    chosen.sent(up[2], Job(prompt=8, path=[(1, 8)]))
    assert chosen._match(up, Job(prompt=20, path=[(1, 12)])) == ({up[1]: 3, up[2]: 2}, 5)
    assert chosen._match(up, Job(prompt=11, path=[(1, 11)])) == ({up[1]: 2, up[2]: 2}, 2)
    assert chosen._match(up, Job(prompt=3, path=[(1, 3)])) == ({}, 0)  # less than a block
    assert chosen._match(up, Job(prompt=8, path=[(9, 4), (1, 8)])) == ({}, 2)  # the start differs
    assert picks(chosen, up, Job(prompt=12, path=[(1, 12)])) == 1
    chosen.forget(up[1])
    assert picks(chosen, up, Job(prompt=12, path=[(1, 12)])) == 2


@pytest.mark.parametrize(
    ("options", "units"), [({}, 5), ({"index_block_tokens": 8}, 2), ({"index_tokens": 8}, 2), ({"index_tokens": 99}, 5)]
)
def test_blocks_of_the_index(options, units):
    up = servers(0, 0)
    assert scored(up, **options)._match(up, Job(prompt=20, path=[(1, 20)]))[1] == units


def test_blocks_of_the_index_are_no_smaller_than_those_of_the_engine():
    up = servers(0, 0, block=16)
    assert scored(up)._match(up, Job(prompt=47, path=[(1, 47)]))[1] == 2


def test_tokens_to_come_are_a_share_of_the_most():
    up = servers(0, 0)
    chosen = scored(up, weights={"token_load": 1.0}, max_load_tokens=100)
    chosen.sent(up[0], job := Job(prompt=40, path=[(1, 40)]))
    assert picks(chosen, up) == 1
    # at 0: 40 to come and nothing new; at 1: 40 new
    assert picks(chosen, up, Job(prompt=40, path=[(1, 40)])) == 0
    chosen.sent(up[1], Job(prompt=99, path=[(2, 99)]))
    assert picks(chosen, up, Job(prompt=70)) == 0  # both are full: a draw
    chosen.left(job)
    up[0].calendar.now = 1.0
    assert picks(chosen, up) == 0


@pytest.mark.parametrize(("now", "expected"), [(300.0, 1), (300.1, 0)])
def test_the_session_scores_while_it_is_remembered(now, expected):
    up = servers(0, 0)
    chosen = scored(up, weights={"session": 1.0})
    chosen.sent(up[1], Job(session=4))
    for server in up:
        server.calendar.now = now
    assert picks(chosen, up, Job(session=4)) == expected
    assert picks(chosen, up, Job(session=5)) == 0


def test_coldness_goes_by_who_never_got_a_new_prompt_then_by_who_got_one_longest_ago():
    up = servers(0, 0, 0)
    chosen = scored(up, weights={"no_hit_lru": 1.0})
    for expected in (0, 1, 2, 0, 1):
        job = Job(prompt=8, path=[(expected + 100, 8)])
        job.path = [(id(job), 8)]
        assert up.index(chosen.pick(up, job)) == expected
        chosen.sent(up[expected], job)
    chosen.pick(up, Job(prompt=8, path=[(-1, 8)]))
    assert chosen._coldness(up) == {up[0]: 0.5, up[1]: 0.0, up[2]: 1.0}  # 2 got one longest ago, then 0, then 1
    assert chosen._coldness(up[:1]) == {up[0]: 0.5}
    known = Job(prompt=8, path=job.path)
    assert set(map(float, (chosen.pick(up, known), chosen._coldness(up))[1].values())) == {0.5}


@pytest.mark.parametrize(
    ("options", "shared", "expected"),
    [
        ({}, 16, 1),  # all of the prompt went there
        ({"affinity_threshold": 0.75}, 12, 1),
        ({"affinity_threshold": 0.8}, 12, 0),
        ({"max_ttft_penalty_s": 0.5, "peak_prefill_tokens_per_s": 10.0}, 16, 0),  # 16 tokens take 1.6 s
        ({"max_ttft_penalty_s": 1.6, "peak_prefill_tokens_per_s": 10.0}, 16, 1),
    ],
)
def test_stickiness_until_saturated(options, shared, expected):
    up = servers(0, 0)
    up[1].replica.waiting = 9
    given = {"sticky_until_saturated": True, "affinity_threshold": 0.9, "max_ttft_penalty_s": 0.0}
    chosen = scored(up, weights={"queue": 1.0}, **(given | options))
    chosen.sent(up[1], Job(prompt=shared, path=[(1, shared)]))
    assert picks(chosen, up, Job(prompt=16, path=[(1, shared)])) == expected


@pytest.mark.parametrize(("penalty_s", "expected"), [(0.74, 0), (0.75, 1)])
def test_saturation_is_against_the_least_of_the_others(penalty_s, expected):
    """16 tokens to compute where the prompt went, and 10 at the other: 2 s less 1.25 s."""
    up = servers(0, 0)
    up[1].replica.waiting = 9
    chosen = scored(
        up, weights={"queue": 1.0}, sticky_until_saturated=True, max_ttft_penalty_s=penalty_s,
        peak_prefill_tokens_per_s=8.0,
    )  # fmt: skip
    chosen.sent(up[1], Job(prompt=16, path=[(1, 16)]))
    chosen.sent(up[0], Job(prompt=10, path=[(2, 10)]))
    assert picks(chosen, up, Job(prompt=16, path=[(1, 16)])) == expected


@pytest.mark.parametrize(
    ("capacity", "index_blocks", "kept"), [(12, None, 3), (2**62, None, 5), (12, 2, 2), (2**62, 4, 4)]
)
def test_the_index_holds_what_the_memory_does_or_as_much_as_is_said(capacity, index_blocks, kept):
    up = servers(0, 0, capacity=capacity)
    chosen = scored(up, **({} if index_blocks is None else {"index_blocks": index_blocks}))
    chosen.sent(up[0], Job(prompt=20, path=[(1, 20)]))
    assert chosen._texts.units(up[0]) == kept
