"""The kernel's closed-form jumps against the reference that steps every iteration."""

import math
from dataclasses import asdict, replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from reference.kernel import kernel_coefficients
from reference.replica import Arrival, Coefficients, Limits, simulate
from sizes import cases

from messsim import _core
from messsim.engines.job import Job
from messsim.errors import KernelError, SimulationError

ACCEPTED = [0.75, 0.5, 0.9]  # of up to three drafts


def kernel_replica(coefficients, limits: Limits, **kwargs) -> _core.Replica:
    spec = asdict(limits)
    figures = kernel_coefficients(coefficients) | {"draft_tokens": spec.pop("draft_tokens")}
    return _core.Replica(0, figures, **spec, drafts=drafts_of(limits), **kwargs)


def drafts_of(limits: Limits) -> _core.Drafts | None:
    k = limits.draft_tokens
    return _core.Drafts(np.array(ACCEPTED[:k]), (5, 6, 0, 0)) if k else None


def with_iterations(limits: Limits, arrivals: list[Arrival]) -> list[Arrival]:
    """With those that the kernel draws for each answer."""
    drafts = drafts_of(limits)
    if drafts is None:
        return arrivals
    return [replace(a, iterations=drafts.iterations(i, a.output_tokens - 1)) for i, a in enumerate(arrivals)]


def drive(replica: _core.Replica, arrivals: list[Arrival], looks_for: Job | None = None) -> list[Job]:
    """One replica alone in the world: boundaries, clients who give up, arrivals and starts, in this order.

    Somebody may look what it has cached of a prompt, half-way between two events and at each before iterations start.
    """
    jobs = [
        Job(
            i,
            0,
            a.prompt_tokens,
            a.output_tokens,
            path=a.path,
            answer_node=a.answer_node,
            max_new_tokens=a.max_new_tokens,
        )
        for i, a in enumerate(arrivals)
    ]
    for job, a in zip(jobs, arrivals, strict=True):
        job.hurry(a.priority, float(a.time), math.inf if a.deadline is None else float(a.deadline))
    waiting = list(zip(jobs, arrivals, strict=True))[::-1]
    patient = sorted(
        ((float(a.gives_up), job) for job, a in zip(jobs, arrivals, strict=True) if a.gives_up is not None),
        key=lambda pair: (-pair[0], -pair[1].request),
    )
    last = 0.0
    while waiting or replica.unfinished:
        coming = [float(waiting[-1][1].time)] if waiting else []
        now = min([replica.boundary_s, *coming, *(t for t, _ in patient[-1:])])
        if looks_for is not None:
            replica.cached_tokens(looks_for, (last + now) / 2)
        last = now
        due = replica.boundary_s == now
        if due:
            replica.finish()
        while patient and patient[-1][0] == now:
            _, job = patient.pop()
            if job.runs or job.waits:
                replica.abort(job, now)
        while waiting and float(waiting[-1][1].time) == now:
            job, _ = waiting.pop()
            due |= replica.submit(job, now) == _core.WAKE
        if looks_for is not None:
            replica.cached_tokens(looks_for, now)
        if due:
            replica.start(now)
    return jobs


small = st.integers(0, 3)


@st.composite
def coefficients(draw):
    number = small
    p0 = draw(number)
    return Coefficients(
        a0=draw(st.integers(1, 5)),
        c1=draw(number),
        nstar=draw(st.integers(0, 6)),
        ae=0,
        se=1,
        experts=8,
        top_k=2,
        ab=draw(number),
        ak=draw(number),
        akm=draw(number),
        aq=2 * draw(number),
        p0=p0,
        e=draw(number),
        ek=draw(number),
        p_cap=p0 + draw(st.integers(0, 4)),
        **(draw(prompts_and_host()) if draw(st.booleans()) else {}),
    )


@st.composite
def prompts_and_host(draw):
    """What prompts add (akx for up to 6 decoders: divided exactly), the host's time, and knots a power of 2 apart."""
    knots = ((1, draw(st.integers(1, 9))), (3, draw(st.integers(1, 9))), (7, draw(st.integers(1, 9))))
    last = (15, knots[-1][1] + draw(small))
    return {
        "c0": draw(small),
        "a1": draw(small),
        "ac": draw(small),
        "akx": 60 * draw(small),
        "abk": draw(small),
        "h0": draw(st.integers(0, 80)),
        "h1": draw(small),
        "after": draw(small),
        "overlaps": draw(st.booleans()),
        "knots": draw(st.sampled_from([(), (*knots, last)])),
        "d0": draw(small),
        "d1": draw(small),
    }


INTEGERS = coefficients()


@st.composite
def instances(draw, coefficients=INTEGERS):
    seqs = draw(st.integers(1, 6))
    requests = draw(
        st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12), st.integers(1, 15)), min_size=1, max_size=20)
    )
    arrivals, now = [], 0
    for gap, prompt, output in requests:
        now += gap
        patience = draw(st.one_of(st.none(), st.integers(1, 60)))
        arrivals.append(Arrival(now, prompt, output, None if patience is None else now + patience))
    return draw(coefficients), draw(limits_for(arrivals, seqs)), arrivals


@st.composite
def limits_for(draw, arrivals, seqs):
    """Memory that is often only just enough for the largest request."""
    peak = max(a.prompt_tokens + a.output_tokens - 1 for a in arrivals)
    return Limits(
        max_num_seqs=seqs,
        max_batched_tokens=draw(st.integers(seqs, seqs + 8)),
        kv_capacity_tokens=peak + draw(st.sampled_from([0, 1, 3, 10, 40, 1000])),
        kv_policy=draw(st.sampled_from(["recompute", "recompute", "reserve"])),
        lookahead=draw(st.integers(0, 1)),
    )


def moments(job, outcome):
    return [
        (job.start_s, outcome.start_s),
        (job.first_token_s, outcome.first_token_s),
        (job.finish_s, outcome.finish_s),
    ]


@settings(deadline=None, derandomize=True, max_examples=cases(600), suppress_health_check=[HealthCheck.too_slow])
@given(instances())
def test_jumping_equals_stepping_exactly(instance):
    c, limits, arrivals = instance
    truth = simulate(c, limits, arrivals, trace=True)
    replica = kernel_replica(c, limits)
    jobs = drive(replica, arrivals)
    for job, outcome in zip(jobs, truth.outcomes, strict=True):
        # integers of this size are exact in floating point: equal to the last bit
        for mine, theirs in moments(job, outcome):
            assert math.isnan(mine) if theirs is None else Fraction(mine) == theirs
        assert job.preemptions == outcome.preemptions
        assert job.energy_j == pytest.approx(float(outcome.energy_j), rel=1e-12, abs=1e-9)
    end = float(sum(step.tau_s for step in truth.trace) + arrivals[-1].time)  # by then it is over
    assert replica.meter_j(end) == pytest.approx(float(truth.meter_j), rel=1e-12)
    assert replica.busy_s(end) == pytest.approx(float(truth.busy_s), rel=1e-12)


positive = st.floats(1e-6, 1e-2)
real_coefficients = st.builds(
    Coefficients,
    a0=st.floats(1e-3, 0.1),
    c1=positive,
    nstar=st.floats(0, 10),
    ae=st.sampled_from([0.0, 0.02]),
    se=st.just(0.5),
    experts=st.just(8),
    top_k=st.just(2),
    ab=positive,
    ak=positive,
    akm=positive,
    aq=positive,
    p0=st.floats(100, 300),
    e=st.floats(0, 1),
    ek=st.floats(0, 0.1),
    p_cap=st.floats(300, 700),
)


def near_a_boundary(truth, arrivals) -> bool:
    starts = sorted({float(s.start_s) for s in truth.trace} | {float(s.start_s + s.tau_s) for s in truth.trace})
    times = [t for a in arrivals for t in (a.time, a.gives_up) if t]
    return any(abs(t - s) < 1e-9 for t in times for s in starts if s != t)


@settings(deadline=None, derandomize=True, max_examples=cases(300), suppress_health_check=[HealthCheck.too_slow])
@given(instances(coefficients=real_coefficients), st.floats(0.001, 1.0))
def test_jumping_equals_stepping_in_floating_point(instance, scale):
    c, limits, arrivals = instance
    arrivals = [
        replace(a, time=a.time * scale, gives_up=None if a.gives_up is None else a.gives_up * scale) for a in arrivals
    ]
    truth = simulate(c, limits, arrivals, trace=True)
    assume(not near_a_boundary(truth, arrivals))
    jobs = drive(kernel_replica(c, limits, track_usage=True), arrivals)
    shortest = min((step.tau_s for step in truth.trace), default=0.0)
    for job, outcome in zip(jobs, truth.outcomes, strict=True):
        for mine, theirs in moments(job, outcome):
            if theirs is None:
                assert math.isnan(mine)
            else:
                assert abs(mine - theirs) <= 1e-9 * shortest + 8 * math.ulp(theirs)
        assert job.preemptions == outcome.preemptions
        assert job.energy_j == pytest.approx(outcome.energy_j, rel=1e-9)
    # seconds are shared by the rule of joules, so the shares add up to the busy time
    assert sum(job.usage_s for job in jobs) == pytest.approx(truth.busy_s, rel=1e-9)


UNIT = Coefficients(
    a0=1, c1=0, nstar=0, ae=0, se=0, experts=0, top_k=0, ab=0, ak=0, akm=0, aq=0, p0=2, e=1, ek=0, p_cap=1000
)
WIDE = Limits(max_num_seqs=4, max_batched_tokens=16, kv_capacity_tokens=1000, kv_policy="recompute")


def test_a_failure_charges_the_iteration_under_way_to_those_in_it():
    replica = kernel_replica(UNIT, WIDE)
    job = Job(0, 0, 4, 10)
    replica.submit(job, 0.0)
    replica.start(0.0)
    replica.finish()  # the prompt, at 1 s
    replica.start(1.0)
    evicted = replica.evict(3.5)
    assert evicted == [job]
    # prompt: 2 W x 1 s + 4 tokens; decode: 2.5 iterations of 2 W x 1 s + 1 token
    assert job.energy_j == pytest.approx((2 + 4) + 2.5 * (2 + 1))
    assert replica.meter_j(100.0) == pytest.approx(job.energy_j)
    assert replica.state == _core.DOWN
    assert replica.busy_s(100.0) == 3.5


def test_a_restarted_job_keeps_its_first_times_and_its_energy():
    replica = kernel_replica(UNIT, WIDE)
    job = Job(0, 0, 4, 10)
    replica.submit(job, 0.0)
    replica.start(0.0)
    replica.finish()
    replica.start(1.0)
    before = replica.evict(3.0)[0].energy_j
    job.restart()
    replica.repair()
    assert replica.submit(job, 50.0) == _core.WAKE
    replica.start(50.0)
    while replica.unfinished:
        now = replica.boundary_s
        replica.finish()
        replica.start(now)
    assert (job.start_s, job.first_token_s, job.finish_s) == (0.0, 1.0, 60.0)
    assert job.energy_j == pytest.approx(before + (2 + 4) + 9 * (2 + 1))
    assert job.attempt == 1


def test_reading_the_meter_changes_nothing():
    read, unread = kernel_replica(UNIT, WIDE), kernel_replica(UNIT, WIDE)
    for replica in (read, unread):
        replica.submit(Job(0, 0, 4, 10), 0.0)
        replica.start(0.0)
    assert [read.meter_j(t / 8) for t in range(8)] == pytest.approx([6 * t / 8 for t in range(8)])
    for replica in (read, unread):
        replica.finish()
        replica.start(1.0)
    assert read.meter_j(4.25) == unread.meter_j(4.25)


def test_a_shared_queue_feeds_whoever_has_room():
    queue = _core.Queue()
    first, second = (
        _core.Replica(
            i,
            kernel_coefficients(UNIT),
            max_num_seqs=1,
            max_batched_tokens=16,
            kv_capacity_tokens=100,
            shared=queue,
        )
        for i in range(2)
    )
    jobs = [Job(i, 0, 1, 3) for i in range(3)]
    queue.push(jobs[0])
    assert first.notify(0.0) == _core.WAKE
    assert first.start(0.0) == 1
    queue.push(jobs[1])
    queue.push(jobs[2])
    assert first.notify(0.0) == _core.NOTHING  # it is full
    assert second.notify(0.0) == _core.WAKE
    assert second.start(0.0) == 1
    assert len(queue) == 1
    assert [j.replica for j in jobs] == [0, 1, -1]


def test_a_replica_with_a_shared_queue_takes_jobs_from_there_alone():
    replica = kernel_replica(UNIT, WIDE, shared=_core.Queue())
    with pytest.raises(KernelError, match=r"through Queue\.push"):
        replica.submit(Job(0, 0, 4, 10), 0.0)


@pytest.mark.parametrize(
    ("prompt", "output", "text"),
    [(0, 5, "without a prompt token"), (5, 0, "without a prompt token"), (900, 102, "never fit")],
)
def test_a_job_that_can_never_run_is_refused(prompt, output, text):
    replica = kernel_replica(UNIT, WIDE)
    with pytest.raises(SimulationError, match=text):
        replica.submit(Job(0, 0, prompt, output), 0.0)
    assert replica.unfinished == 0


def test_the_calls_must_come_in_their_order():
    replica = kernel_replica(UNIT, WIDE)
    with pytest.raises(SimulationError, match="MS_ERR_TIME"):
        replica.finish()
    with pytest.raises(SimulationError, match="MS_ERR_TIME"):
        replica.start(0.0)


def test_limits_are_checked():
    with pytest.raises(SimulationError, match="MS_ERR_LIMITS"):
        kernel_replica(UNIT, Limits(8, 7, 1000, "recompute"))


def test_a_job_frees_its_replica_when_both_are_forgotten():
    replica = kernel_replica(UNIT, WIDE)
    for i in range(10):
        replica.submit(Job(i, 0, 4, 10), 0.0)
    replica.start(0.0)
    del replica  # the sanitizer build sees what leaks here


def test_a_head_that_gives_up_makes_room_for_who_fits():
    tight = replace(WIDE, kv_capacity_tokens=20)
    arrivals = [Arrival(0, 4, 10), Arrival(1, 16, 1, gives_up=3.5), Arrival(2, 3, 2)]
    jobs = drive(kernel_replica(UNIT, tight), arrivals)
    truth = simulate(UNIT, tight, arrivals)
    assert (jobs[2].start_s, jobs[2].finish_s) == (truth.outcomes[2].start_s, truth.outcomes[2].finish_s) == (4, 6)
    assert math.isnan(jobs[1].start_s)


def test_who_gives_up_while_decoding_pays_for_the_iteration_under_way():
    arrivals = [Arrival(0, 4, 10, gives_up=2.5), Arrival(0, 4, 4)]
    jobs = drive(kernel_replica(UNIT, WIDE), arrivals)
    # prompts: 2 W x 1 s + 8 tokens, half each; then 2 iterations of 2 W x 1 s + 2 tokens, half each
    assert jobs[0].energy_j == pytest.approx((2 + 8) / 2 + 2 * (2 + 2) / 2)
    assert math.isnan(jobs[0].finish_s)
    assert jobs[1].energy_j == pytest.approx((2 + 8) / 2 + 2 * (2 + 2) / 2 + (2 + 1))


def test_at_a_boundary_who_gives_up_leaves_at_once():
    replica = kernel_replica(UNIT, WIDE)
    jobs = [Job(i, 0, 4, 10) for i in range(3)]
    replica.submit(jobs[0], 0.0)
    replica.submit(jobs[1], 0.0)
    replica.start(0.0)
    replica.finish()
    replica.start(1.0)
    assert replica.submit(jobs[2], 2.5) == _core.RESCHEDULE
    assert replica.boundary_s == 3.0
    replica.finish()  # both decode on, but the third could join here
    assert replica.abort(jobs[0], 3.0) == (_core.NOTHING, True)
    assert not jobs[0].runs
    replica.start(3.0)
    assert replica.batch() == ([jobs[1]], [jobs[2]])
    # the prompts, and two iterations of decoding
    assert jobs[0].energy_j == pytest.approx((2 + 8) / 2 + 2 * (2 + 2) / 2)


def test_a_job_carries_what_its_prompt_begins_with():
    """A group's prompt of 40 tokens, then the session's text up to the end at 100, which the answer continues."""
    job = Job(0, 0, 100, 5, path=[(7, 40), (2**40, 100)], answer_node=2**40)
    assert job.path == [(7, 40), (2**40, 100)]
    assert job.answer_node == 2**40
    assert (job.cached_prompt_tokens, job.cached_recompute_tokens) == (0, 0)
    assert (Job(0, 0, 100, 5).path, Job(0, 0, 100, 5).answer_node) == ([], -1)


@pytest.mark.parametrize(
    ("path", "answer_node", "text"),
    [
        ([(-1, 10)], None, "ids from 0"),
        ([(1, 0)], None, "rising ends"),
        ([(1, 10), (2, 10)], None, "rising ends"),
        ([(1, 101)], None, "up to 100"),
        ([(1, 40), (2, 100)], 1, "answer_node = 1"),
        ([(1, 40)], 1, "ends with the prompt"),
    ],
)
def test_a_path_that_cannot_be_is_refused(path, answer_node, text):
    with pytest.raises(KernelError, match=text):
        Job(0, 0, 100, 5, path=path, answer_node=answer_node)
