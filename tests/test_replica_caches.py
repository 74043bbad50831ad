"""Blocks, prefix caches and the engines' schedules: jumps against the reference that steps every iteration."""

import math
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference.replica import Arrival, Limits, simulate
from test_replica import INTEGERS, drive, kernel_replica, moments

SCHEDULES = {
    "vllm": {"schedule": "vllm"},
    "vllm, reserve": {"schedule": "vllm", "kv_policy": "reserve"},
    "sglang": {"schedule": "sglang"},
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
    arrivals, now = [], 0
    for gap, prompt, output in requests:
        now += gap
        patience = draw(st.one_of(st.none(), st.none(), st.integers(1, 60)))
        path, answer_node = draw(texts(prompt)) if with_paths else ((), None)
        arrivals.append(Arrival(now, prompt, output, None if patience is None else now + patience, path, answer_node))
    chosen = SCHEDULES[schedule]
    seqs = draw(st.integers(1, 6))
    budget = draw(st.integers(seqs, seqs + 12))
    if chosen.get("whole_prompts"):
        budget = max(budget, *(a.prompt_tokens for a in arrivals), 0)
    max_new = 0 if chosen["schedule"] == "vllm" else draw(st.sampled_from([0, 0, 6, 20]))
    longest = max(a.prompt_tokens + max(a.output_tokens, max_new) - 1 for a in arrivals)
    blocks = -(-longest // block_tokens) + draw(st.sampled_from([0, 1, 2, 5, 20, 400]))
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
    )
    return draw(INTEGERS), limits, arrivals


def jumps_equal_steps(instance):
    c, limits, arrivals = instance
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
    assert replica.evicted_blocks == truth.evicted_blocks
    used, cached, capacity = replica.memory()
    assert (used, capacity) == (0, limits.kv_capacity_tokens // limits.kv_block_tokens)
    assert 0 <= cached <= capacity
    return truth


@settings(deadline=None, derandomize=True, max_examples=400, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_jumping_equals_stepping(data):
    schedule = data.draw(st.sampled_from(list(SCHEDULES)))
    jumps_equal_steps(
        data.draw(instances(schedule, data.draw(st.sampled_from([1, 2, 3, 16])), data.draw(st.booleans())))
    )
