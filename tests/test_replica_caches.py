"""Blocks, prefix caches and the engines' schedules: jumps against the reference that steps every iteration."""

import math
import random
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference.replica import Arrival, Limits, simulate
from sizes import cases
from test_replica import ACCEPTED, INTEGERS, UNIT, drafts_of, drive, kernel_replica, moments, with_iterations

from messsim import _core

SCHEDULES = {
    "vllm": {"schedule": "vllm"},
    "vllm, reserve": {"schedule": "vllm", "kv_policy": "reserve"},
    "vllm, priority": {"schedule": "vllm", "order": "priority"},
    "vllm, edf": {"schedule": "vllm", "order": "edf"},
    "sglang": {"schedule": "sglang"},
    "sglang, drafts": {"schedule": "sglang", "draft_tokens": 2},
    "vllm, drafts": {"schedule": "vllm", "draft_tokens": 2},
    "vllm, one draft, priority": {"schedule": "vllm", "order": "priority", "draft_tokens": 1},
    "tensorrt-llm, drafts": {
        "schedule": "tensorrt-llm",
        "kv_policy": "reserve",
        "whole_prompts": True,
        "draft_tokens": 3,
    },
    "tensorrt-llm": {"schedule": "tensorrt-llm", "kv_policy": "reserve", "whole_prompts": True},
    "tensorrt-llm, max_utilization": {"schedule": "tensorrt-llm", "whole_prompts": True},
    "tensorrt-llm, chunked": {"schedule": "tensorrt-llm", "kv_policy": "reserve"},
}


@st.composite
def texts(draw, prompt):
    """What a prompt begins with: one of two groups, then a child of its or a session, whose answers are kept.

    Groups are 0 and 1, of lengths 7 and 12; their children 10 ... 13, from there to 15 tokens; sessions 20 ... 23.
    """
    group = draw(st.integers(0, 2))
    if group == 2:
        return (), None
    path = [(group, min((7, 12)[group], prompt))]
    if prompt <= path[0][1]:
        return tuple(path), None
    kind = draw(st.sampled_from(["child", "session", "private"]))
    if kind == "child":
        path.append((10 + 2 * group + draw(st.integers(0, 1)), min(15, prompt)))
    elif kind == "session":
        node = 20 + 2 * group + draw(st.integers(0, 1))
        path.append((node, prompt))
        return tuple(path), draw(st.sampled_from([node, None]))
    return tuple(path), None


@st.composite
def instances(draw, schedule, block_tokens, with_paths=True):
    requests = draw(
        st.lists(st.tuples(st.integers(0, 40), st.integers(1, 24), st.integers(1, 15)), min_size=1, max_size=16)
    )
    arrivals, now, closest = [], 0, draw(st.sampled_from([1, 1, 8]))
    for gap, prompt, output in requests:
        now += gap // closest
        patience = draw(st.one_of(st.none(), st.none(), st.integers(1, 60)))
        path, answer_node = draw(texts(prompt)) if with_paths else ((), None)
        gives_up = None if patience is None else now + patience
        priority, deadline = draw(st.integers(0, 2)), draw(st.sampled_from([None, now + 3, now + 20, now + 90]))
        allowed = draw(st.sampled_from([None, None, output + 9]))
        arrivals.append(
            Arrival(now, prompt, output, gives_up, path, answer_node, priority, deadline, max_new_tokens=allowed)
        )
    chosen = SCHEDULES[schedule]
    seqs, drafts = draw(st.integers(1, 6)), chosen.get("draft_tokens", 0)
    least = 1 if chosen["schedule"] == "sglang" else (drafts + 1) * seqs
    budget = draw(st.integers(least, (drafts + 1) * seqs + 12))
    if chosen.get("whole_prompts"):
        budget = max(budget, *(a.prompt_tokens for a in arrivals), 0)
    max_new = 0 if chosen["schedule"] == "vllm" else draw(st.sampled_from([0, 0, 6, 20]))
    longest = max(a.prompt_tokens + max(a.allowed, max_new) - 1 + drafts for a in arrivals)
    blocks = -(-longest // block_tokens) + draw(st.sampled_from([0, 1, 2, 5, 20, 400]))
    lookahead = draw(st.integers(0, 1))
    interval = draw(st.sampled_from([1, 2, 3, 7])) if lookahead and chosen["schedule"] == "sglang" else 1
    limits = Limits(
        max_num_seqs=seqs,
        max_batched_tokens=budget,
        kv_capacity_tokens=blocks * block_tokens + draw(st.integers(0, block_tokens - 1)),
        kv_policy=chosen.get("kv_policy", "recompute"),
        kv_block_tokens=block_tokens,
        prefix_cache=with_paths,
        schedule=chosen["schedule"],
        max_new_tokens=max_new,
        whole_prompts=chosen.get("whole_prompts", False),
        order=chosen.get("order", "fcfs"),
        draft_tokens=drafts,
        lookahead=lookahead,
        recv_interval=interval,
    )
    return draw(INTEGERS), limits, arrivals


def jumps_equal_steps(instance):
    c, limits, arrivals = instance
    arrivals = with_iterations(limits, arrivals)
    truth = simulate(c, limits, arrivals, trace=True)
    replica = kernel_replica(c, limits)
    jobs = drive(replica, arrivals)
    for job, outcome in zip(jobs, truth.outcomes, strict=True):
        for mine, theirs in moments(job, outcome):
            assert math.isnan(mine) if theirs is None else Fraction(mine) == theirs
        assert job.preemptions == outcome.preemptions
        assert job.cached_prompt_tokens == outcome.cached_prompt_tokens <= job.prompt_tokens - 1
        assert job.cached_recompute_tokens == outcome.cached_recompute_tokens
        assert job.energy_j == pytest.approx(float(outcome.energy_j), rel=1e-12, abs=1e-9)
    used, cached, capacity, evicted = replica.memory()
    assert evicted == truth.evicted_blocks
    assert (used, capacity) == (0, limits.kv_capacity_tokens // limits.kv_block_tokens)
    assert 0 <= cached <= capacity
    return truth


@settings(deadline=None, derandomize=True, max_examples=cases(400), suppress_health_check=list(HealthCheck))
@given(st.data())
def test_jumping_equals_stepping(data):
    schedule = data.draw(st.sampled_from(list(SCHEDULES)))
    jumps_equal_steps(
        data.draw(instances(schedule, data.draw(st.sampled_from([1, 2, 3, 16])), data.draw(st.booleans())))
    )


@settings(deadline=None, derandomize=True, max_examples=cases(100), suppress_health_check=list(HealthCheck))
@given(st.data())
def test_no_result_changes_by_looking(data):
    schedule = data.draw(st.sampled_from(list(SCHEDULES)))
    c, limits, arrivals = data.draw(instances(schedule, data.draw(st.sampled_from([1, 2, 3]))))
    look = _core.Job(len(arrivals), 0, 20, 1, path=((0, 7), (10, 15)))
    replicas = kernel_replica(c, limits), kernel_replica(c, limits)
    seen, unseen = drive(replicas[0], arrivals, look), drive(replicas[1], arrivals)
    names = ("start_s", "first_token_s", "finish_s", "preemptions", "cached_prompt_tokens", "cached_recompute_tokens")
    for a, b in zip(seen, unseen, strict=True):
        assert [str(getattr(a, n)) for n in names] == [str(getattr(b, n)) for n in names]
        assert a.energy_j == b.energy_j
    assert replicas[0].memory() == replicas[1].memory()


def long_runs(seed: int):
    """One long answer keeps an sglang replica from resting until its ratio has fallen; then come more than fit."""
    draw = random.Random(seed)
    start, block_tokens, seqs = draw.randint(100, 650), draw.choice([1, 1, 2, 3]), draw.randint(4, 10)
    arrivals, now = [Arrival(0, 1, start + draw.randint(20, 200))], start
    for _ in range(draw.randint(8, 14)):
        now += draw.choice([0, 0, draw.randint(0, 6), draw.randint(0, 60)])
        prompt, output = draw.randint(1, draw.choice([4, 24])), draw.randint(20, 40)
        gives_up = draw.choice([None, None, None, now + draw.randint(1, 160)])
        path = ((0, min(7, prompt)), (20, prompt)) if prompt > 7 else ((0, prompt),)
        arrivals.append(
            Arrival(now, prompt, output, gives_up, path, draw.choice([path[-1][0], None]) if prompt > 7 else None)
        )
    peaks = [a.prompt_tokens + a.output_tokens for a in arrivals]
    tokens = peaks[0] + int(draw.uniform(0.2, 0.7) * sum(sorted(peaks[1:])[1 - seqs :]))
    budget = draw.choice([2, 3, 5, 9, 20])
    caches = draw.random() < 0.6
    return UNIT, Limits(seqs, budget, tokens, "recompute", block_tokens, caches, "sglang"), arrivals


def test_retractions_of_sglang_are_those_of_the_reference():
    retracted = 0
    for seed in range(24):
        retracted += sum(o.preemptions for o in jumps_equal_steps(long_runs(seed)).outcomes)
    assert retracted >= 5


# By hand: every iteration takes a second ---------------------------------------------------------------------

ROOMY = Limits(
    max_num_seqs=4,
    max_batched_tokens=64,
    kv_capacity_tokens=400,
    kv_policy="recompute",
    kv_block_tokens=4,
    prefix_cache=True,
)


def served(limits: Limits, *arrivals: Arrival):
    """The jobs of the kernel, and that the reference says the same of them."""
    truth = jumps_equal_steps((UNIT, limits, list(arrivals)))
    return truth.outcomes


def times(outcomes):
    return [(o.start_s, o.first_token_s, o.finish_s) for o in outcomes]


def hits(outcomes):
    return [o.cached_prompt_tokens for o in outcomes]


def test_a_block_more_than_there_is_preempts():
    """Four blocks of 4: prompts of 5 and 6 take two each.

    At 3 they have cached 7 and 8 tokens; the ninth token of request 1 would open a fifth block. It goes, with three
    tokens, and computes 6 + 3 again when request 0 has ended.
    """
    limits = replace(ROOMY, kv_capacity_tokens=19, prefix_cache=False)
    outcomes = served(limits, Arrival(0, 5, 8), Arrival(0, 6, 5))
    assert times(outcomes) == [(0, 1, 8), (0, 1, 10)]
    assert [o.preemptions for o in outcomes] == [0, 1]


@pytest.mark.parametrize(("answer_node", "hit"), [(5, 16), (None, 8)])
def test_a_session_finds_its_prompt_and_its_answer(answer_node, hit):
    """Turn 1 caches 10 + 7 - 1 = 16 tokens: four blocks if the answer is the session's, else the two of the prompt."""
    turns = Arrival(0, 10, 7, None, ((5, 10),), answer_node), Arrival(20, 21, 2, None, ((5, 21),), 5)
    assert hits(served(ROOMY, *turns)) == [0, hit]


def test_the_last_token_is_always_computed():
    """Sixteen tokens, all of them there: the last block is computed again, into the block that is there."""
    first, again = Arrival(0, 16, 1, None, ((5, 16),)), Arrival(9, 16, 1, None, ((5, 16),))
    assert hits(served(ROOMY, first, again)) == [0, 12]


def test_what_was_released_first_goes_first_and_the_deepest_block_before_its_parent():
    """Room for four blocks: nodes 1 and 2 fill it.

    Node 3 needs one: the second block of node 1 goes. Then node 1 finds its first block, and its second one takes the
    place of the second of node 2, which finds its first too.
    """
    limits = replace(ROOMY, kv_capacity_tokens=16)
    prompts = [(1, 8), (2, 8), (3, 4), (1, 8), (2, 8)]
    outcomes = served(limits, *(Arrival(10 * i, p, 1, None, ((node, p),)) for i, (node, p) in enumerate(prompts)))
    assert hits(outcomes) == [0, 0, 0, 4, 4]


@pytest.mark.parametrize(("schedule", "hit", "first_token"), [("vllm", 8, 2), ("sglang", 6, 3)])
def test_chunks_are_found_by_who_comes_meanwhile(schedule, hit, first_token):
    """Blocks of 2, six tokens an iteration, a shared beginning of 8.

    At 1 request 0 has computed 6 of 9 tokens and takes the last three; three are left. vllm finds what this iteration
    computes (8 tokens, 2 to go), sglang what is computed (6 tokens, 4 to go).
    """
    limits = replace(ROOMY, kv_block_tokens=2, max_batched_tokens=6, schedule=schedule)
    outcomes = served(limits, Arrival(0, 9, 1, None, ((1, 8),)), Arrival(Fraction(1, 2), 10, 1, None, ((1, 8),)))
    assert hits(outcomes) == [0, hit]
    assert times(outcomes) == [(0, 1 + 1, 2), (1, first_token, first_token)]


def test_a_preempted_request_finds_its_own_blocks_again():
    """Five blocks of 2: two prompts of 3 take two each.

    At 2 both have cached 4 tokens, and the fifth of each would make six blocks. Request 1 goes with two tokens and
    leaves two full blocks; request 0 takes the free one for its fifth token. It ends at 3, and of 3 + 2 tokens request
    1 finds four.
    """
    limits = replace(ROOMY, kv_block_tokens=2, kv_capacity_tokens=10)
    outcomes = served(limits, Arrival(0, 3, 3), Arrival(0, 3, 4))
    assert times(outcomes) == [(0, 1, 3), (0, 1, 5)]
    assert [o.cached_recompute_tokens for o in outcomes] == [0, 4]


def test_sglang_prefills_alone():
    """Request 1 comes while request 0 decodes: its prompt takes the iteration from 3 to 4 by itself."""
    arrivals = Arrival(0, 4, 5), Arrival(Fraction(5, 2), 4, 2)
    assert times(served(replace(ROOMY, schedule="sglang"), *arrivals)) == [(0, 1, 6), (3, 4, 5)]
    assert times(served(ROOMY, *arrivals)) == [(0, 1, 5), (3, 4, 5)]


@pytest.mark.parametrize(("capacity", "start"), [(42, 1), (41, 20)])
def test_sglang_keeps_memory_free_for_part_of_the_answers(capacity, start):
    """At 1 request 0 has cached 4 tokens, and 19 of its 20 are to come, of which 0.7 are reckoned with: 13.3.

    Request 1 brings 10 + 13: (4 + 1) + 10 + 13 + 13.3 < 42. With a token less the replica is full until request 0 has
    gone.
    """
    limits = replace(ROOMY, schedule="sglang", kv_block_tokens=1, kv_capacity_tokens=capacity, prefix_cache=False)
    outcomes = served(limits, Arrival(0, 4, 20), Arrival(Fraction(1, 2), 10, 13))
    assert outcomes[1].start_s == start


@pytest.mark.parametrize(("allowed", "start"), [(None, 0), (16, 2)])
def test_tensorrt_llm_reserves_what_each_client_allows(allowed, start):
    """Two of 5 + 2 tokens fit side by side into twenty; where the second's client allows 16 it waits for the first."""
    limits = replace(ROOMY, kv_block_tokens=1, kv_capacity_tokens=20, kv_policy="reserve", prefix_cache=False)
    limits = replace(limits, schedule="tensorrt-llm", whole_prompts=True)
    assert served(limits, Arrival(0, 5, 2), Arrival(0, 5, 2, max_new_tokens=allowed))[1].start_s == start


@pytest.mark.parametrize(("max_new", "start"), [(10, 2), (6, 0)])
def test_tensorrt_llm_reserves_the_longest_answer_that_clients_allow(max_new, start):
    """Twenty tokens: 5 + 10 - 1 = 14 for each is too much for two, 5 + 6 - 1 = 10 is not; both answers are of 2."""
    limits = replace(ROOMY, kv_block_tokens=1, kv_capacity_tokens=20, kv_policy="reserve", prefix_cache=False)
    limits = replace(limits, schedule="tensorrt-llm", max_new_tokens=max_new, whole_prompts=True)
    assert served(limits, Arrival(0, 5, 2), Arrival(0, 5, 2))[1].start_s == start


@pytest.mark.parametrize(("whole", "start"), [(True, 4), (False, 1)])
def test_tensorrt_llm_takes_prompts_whole(whole, start):
    """Eight tokens an iteration, of which the decoder takes one until 4: a prompt of 8 waits, or is cut."""
    limits = replace(ROOMY, max_batched_tokens=8, kv_policy="reserve", schedule="tensorrt-llm", whole_prompts=whole)
    assert served(limits, Arrival(0, 4, 4), Arrival(Fraction(1, 2), 8, 1))[1].start_s == start


def test_a_prompt_that_computes_what_another_has_computed_gives_its_copy_back():
    """Ten tokens an iteration, room for 46, of which eleven are cached. Requests 1 and 2 begin with the same six.

    From 10 to 11 request 1 computes them, and request 2 the first four of them, which are then one; the other two it
    computes again by 12 and gives back: with the eleven they make 35 + 11 blocks in the end, and nothing is evicted.
    """
    limits = replace(ROOMY, schedule="sglang", max_batched_tokens=10, kv_block_tokens=1, kv_capacity_tokens=46)
    shared = ((1, 6),)
    truth = jumps_equal_steps(
        (UNIT, limits, [Arrival(0, 11, 1), Arrival(10, 6, 1, None, shared), Arrival(10, 35, 1, None, shared)])
    )
    assert times(truth.outcomes) == [(0, 2, 2), (10, 11, 11), (10, 15, 15)]
    assert truth.evicted_blocks == 0


@pytest.mark.parametrize(
    ("order", "starts"), [("fcfs", [0, 4, 7, 9]), ("priority", [0, 6, 9, 4]), ("edf", [0, 8, 4, 6])]
)
def test_queues_are_first_come_first_served_or_by_urgency(order, starts):
    """One place, which request 0 has until 4; requests 1, 2 and 3, of 3, 2 and 2 tokens, come meanwhile.

    By priority (1, 1, 0) request 3 goes first, then 1, which came before 2; by deadline (none, 9, 30) 2, 3 and 1.
    """
    limits = replace(ROOMY, max_num_seqs=1, order=order)
    more = [(3, 1, None), (2, 1, 9), (2, 0, 30)]
    arrivals = [Arrival(k, 2, o, None, (), None, p, d) for k, (o, p, d) in enumerate(more, start=1)]
    outcomes = served(limits, Arrival(0, 2, 4), *arrivals)
    assert [o.start_s for o in outcomes] == starts


@pytest.mark.parametrize(("priorities", "preemptions"), [((0, 1), [0, 1]), ((1, 0), [1, 0])])
def test_who_is_least_urgent_is_preempted(priorities, preemptions):
    """Memory of 8 as above: at 2 each has cached four tokens, and the less urgent one goes, not the last that came."""
    limits = replace(ROOMY, kv_block_tokens=1, kv_capacity_tokens=8, order="priority", prefix_cache=False)
    outcomes = served(limits, *(Arrival(0, 3, 4, None, (), None, priority) for priority in priorities))
    assert [o.preemptions for o in outcomes] == preemptions


# Planning ahead ------------------------------------------------------------------------------------------------

AHEAD = replace(ROOMY, lookahead=1)


@pytest.mark.parametrize("schedule", ["vllm", "sglang"])
@pytest.mark.parametrize(
    ("comes", "start"), [(Fraction(5, 2), 4), (2, 3), (Fraction(1, 2), 2), (0, 0)], ids=["amid", "at", "first", "both"]
)
def test_who_comes_during_an_iteration_is_in_the_one_after_the_next(schedule, comes, start):
    """Request 0 has iterations from 0 to 9.

    The one from 3 to 4 is planned at 2. So who comes at 5/2 is in that from 4; at 2 it is still in time for 3. The
    first of an idle replica is planned when it starts.
    """
    outcomes = served(replace(AHEAD, schedule=schedule), Arrival(0, 4, 9), Arrival(comes, 4, 2))
    assert times(outcomes)[1][:2] == (start, start + 1)


def test_an_iteration_of_nobody_takes_no_time():
    """Request 0 ends at 3, and request 1, which came at 5/2, starts then: there is nothing else to do."""
    assert times(served(AHEAD, Arrival(0, 4, 3), Arrival(Fraction(5, 2), 4, 1))) == [(0, 1, 3), (3, 4, 4)]


def test_who_has_seen_the_queue_goes_before_who_came_too_late():
    """One place, free at 3. Request 1 has waited since 1; request 2, more urgent, comes during the last iteration.

    The iteration from 3 was planned at 2, without it.
    """
    limits = replace(AHEAD, max_num_seqs=1, order="priority")
    arrivals = Arrival(0, 4, 3), Arrival(1, 4, 2, priority=1), Arrival(Fraction(5, 2), 4, 1, priority=0)
    assert [o.start_s for o in served(limits, *arrivals)] == [0, 3, 5]
    at_once = served(replace(limits, lookahead=0), *arrivals)
    assert [o.start_s for o in at_once] == [0, 4, 3]


def polled(interval, *arrivals):
    return times(served(replace(AHEAD, schedule="sglang", recv_interval=interval), *arrivals))


@pytest.mark.parametrize(
    ("interval", "comes", "start"),
    [
        *[(1, Fraction(5, 2), 4), (2, Fraction(5, 2), 5), (3, Fraction(5, 2), 4), (4, Fraction(5, 2), 5)],
        *[(3, 3, 4), (3, Fraction(7, 2), 7), (3, 6, 7), (3, Fraction(13, 2), 10), (20, Fraction(5, 2), 10)],
    ],
)
def test_sglang_looks_for_who_comes_every_so_many_decode_iterations(interval, comes, start):
    """Request 0 has its prompt from 0 to 1, and decodes from 1 to 10.

    Who comes is looked for when the iteration from 1 is planned, after a prompt, and with an interval of 3 when those
    from 4, 7 and 10 are, at the starts of the ones before. At 10 there is nothing else to do.
    """
    assert polled(interval, Arrival(0, 4, 10), Arrival(comes, 4, 1))[1] == (start, start + 1, start + 1)


def test_prompts_count_as_many_decode_iterations():
    """An interval of 4: request 1, of 2, is looked for with the iteration from 5, its prompt runs from 5 to 6.

    So the next look is with the iteration from 6, at 5, which finds request 2, and the ones after that with those from
    7 and 11, at 10. Request 3, of 7, is in the latter.
    """
    arrivals = Arrival(0, 4, 20), Arrival(2, 4, 20), Arrival(5, 4, 20), Arrival(7, 4, 20)
    assert [start for start, _, _ in polled(4, *arrivals)] == [0, 5, 6, 11]


def test_who_gives_up_before_it_is_seen_was_never_there():
    """Request 1 comes at 5/2 and has gone by 3: the jump goes on, and request 2 is in the iteration from 6."""
    arrivals = Arrival(0, 4, 9), Arrival(Fraction(5, 2), 4, 2, Fraction(3)), Arrival(Fraction(9, 2), 4, 2)
    assert times(served(AHEAD, *arrivals)) == [(0, 1, 9), (None, None, None), (6, 7, 8)]


def test_a_failure_hands_over_those_who_have_not_been_seen():
    replica = kernel_replica(UNIT, AHEAD)
    jobs = [_core.Job(i, 0, 4, 9) for i in range(3)]
    replica.submit(jobs[0], 0.0)
    replica.start(0.0)
    for job in jobs[1:]:
        replica.submit(job, 0.5)
    assert (replica.unfinished, replica.waiting) == (3, 2)
    assert replica.evict(0.75) == jobs
    assert replica.unfinished == 0


# Speculative decoding ------------------------------------------------------------------------------------------


def distribution(accepted: list[float], tokens: int) -> list[float]:
    """P(N = n) of the iterations that so many tokens take, by adding up iterations one at a time."""
    right = [math.prod(accepted[:j]) * (1 - a) for j, a in enumerate([*accepted, 0.0])]
    there, shares = {0: 1.0}, [0.0]
    while there:
        following: dict[int, float] = {}
        for at, p in there.items():
            for x, q in enumerate(right, start=1):
                following[at + x] = following.get(at + x, 0.0) + p * q
        shares.append(sum(p for at, p in following.items() if at >= tokens))
        there = {at: p for at, p in following.items() if at < tokens}
    return shares


@pytest.mark.parametrize("tokens", [1, 2, 63, 64, 65, 150])
def test_iterations_have_the_distribution_of_a_first_passage(tokens):
    """20,000 requests: no share is off by 5 standard deviations, and neither is the mean."""
    n, drafts = 20_000, drafts_of(replace(ROOMY, draft_tokens=3))
    drawn = np.bincount([drafts.iterations(i, tokens) for i in range(n)])
    shares = np.array(distribution(ACCEPTED, tokens))
    assert len(drawn) <= len(shares)
    off = np.abs(np.pad(drawn, (0, len(shares) - len(drawn))) - n * shares)
    assert (off <= 5 * np.sqrt(n * shares * (1 - shares)) + 1e-6).all()
    k = np.arange(len(shares))
    mean, spread = k @ shares, math.sqrt(k**2 @ shares - (k @ shares) ** 2)
    assert (k[: len(drawn)] @ drawn) / n == pytest.approx(mean, abs=5 * spread / math.sqrt(n) + 1e-9)
    assert drafts.mean_tokens == pytest.approx(1 + 0.75 + 0.75 * 0.5 + 0.75 * 0.5 * 0.9)
    assert drafts.iterations(0, 0) == 0


def test_drafts_that_are_always_right_give_all_their_tokens(monkeypatch):
    """Two drafts, none wrong: three tokens an iteration, so 1 + 7 take an iteration for the first and three more."""
    monkeypatch.setattr("test_replica.ACCEPTED", [1.0, 1.0])
    (outcome,) = served(replace(ROOMY, draft_tokens=2), Arrival(0, 5, 8))
    assert (outcome.first_token_s, outcome.finish_s) == (1, 1 + 3)


def test_sglang_keeps_drafts_while_prompts_run(monkeypatch):
    """Two drafts, none wrong: three tokens an iteration, but for that from 2, which is of request 1's prompt alone.

    Request 0 has the first of its 8 tokens at 1, and 3 more at 2, 4 and 5, of which the last two are not needed.
    """
    monkeypatch.setattr("test_replica.ACCEPTED", [1.0, 1.0])
    limits = replace(ROOMY, schedule="sglang", draft_tokens=2)
    outcomes = served(limits, Arrival(0, 5, 8), Arrival(Fraction(3, 2), 4, 1))
    assert times(outcomes) == [(0, 1, 5), (2, 3, 3)]


def test_room_for_drafts_is_kept(monkeypatch):
    """Two drafts, all wrong, b = 1: a decoder with x cached tokens holds x + 3.

    Prompts of 3: at 1 two of them would hold 6 + 6 of 10. Request 1 goes with one token, and computes 3 + 1 when
    request 0, which gets a token an iteration, has ended at 4.
    """
    monkeypatch.setattr("test_replica.ACCEPTED", [0.0, 0.0])
    limits = replace(ROOMY, draft_tokens=2, kv_block_tokens=1, kv_capacity_tokens=10, prefix_cache=False)
    outcomes = served(limits, Arrival(0, 3, 4), Arrival(0, 3, 3))
    assert times(outcomes) == [(0, 1, 4), (0, 1, 6)]
    assert [o.preemptions for o in outcomes] == [0, 1]


# What a router sees --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("schedule", "seen"), [("vllm", [6, 6, 8, 8]), ("sglang", [0, 6, 6, 8])])
def test_a_look_finds_what_a_request_would(schedule, seen):
    """Blocks of 2, six tokens an iteration: a prompt of 9 that begins with a text of 8 takes two.

    At 1/2 vllm has scheduled three blocks and at 3/2 the fourth; sglang shows them when they are computed. Of them all
    a prompt of that text alone has to compute its last one again.
    """
    limits = replace(ROOMY, kv_block_tokens=2, max_batched_tokens=6, schedule=schedule)
    replica = kernel_replica(UNIT, limits)
    replica.submit(_core.Job(0, 0, 9, 3, path=((1, 8),)), 0.0)
    other, same = _core.Job(1, 0, 10, 1, path=((1, 8),)), _core.Job(2, 0, 8, 1, path=((1, 8),))
    assert replica.cached_tokens(other, 0.0) == 0
    replica.start(0.0)
    collected = [replica.cached_tokens(other, 0.5), replica.cached_tokens(other, 1.0)]
    replica.finish()
    replica.start(1.0)
    collected.append(replica.cached_tokens(other, 1.5))
    replica.finish()
    assert [*collected, replica.cached_tokens(other, 2.0)] == seen
    assert replica.cached_tokens(same, 2.0) == 6


def test_a_look_sees_what_growth_has_evicted():
    """Blocks of one, room for 10: a text of 4 is cached when a prompt of 2 begins to decode; 8 tokens fill the rest.

    At 8.5 the iteration from 8 to 9 has begun, in which it holds 2 + 8 tokens: everything of the text has gone.
    """
    limits = replace(ROOMY, kv_block_tokens=1, kv_capacity_tokens=10)
    replica = kernel_replica(UNIT, limits)
    replica.submit(_core.Job(0, 0, 4, 1, path=((1, 4),)), 0.0)
    replica.start(0.0)
    replica.finish()
    replica.start(1.0)
    replica.submit(_core.Job(1, 0, 2, 9), 1.0)
    replica.start(1.0)
    replica.finish()
    replica.start(2.0)
    text = _core.Job(2, 0, 5, 1, path=((1, 4),))
    # at 2 it has cached 2 tokens, and in the iteration from t to t + 1 it holds t + 1
    assert [replica.cached_tokens(text, t) for t in (2.5, 5.5, 6.0, 6.5, 8.5, 9.0, 9.5)] == [4, 4, 4, 3, 1, 1, 0]
