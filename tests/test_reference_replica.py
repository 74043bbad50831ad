"""The slow truth against hand-computed examples: every rule of docs/conventions.md, B, once on paper.

Times and joules are written as formulas and compared with ``==``: the arithmetic is exact. Most schedules run
on a *unit clock* (a0 = 1, all else 0), where iteration j lasts from j to j + 1.
"""

import math
import random
from collections import Counter
from dataclasses import replace
from fractions import Fraction

import pytest
from reference.replica import Arrival, Coefficients, Limits, Run, Step, most_iterations, simulate

F = Fraction  # in formulas

UNIT = Coefficients(
    a0=1, c1=0, nstar=0, ae=0, se=0, experts=1, top_k=1, ab=0, ak=0, akm=0, aq=0, p0=0, e=0, ek=0, p_cap=10**9
)
# Each coefficient has a prime of its own, so that no term can stand in for another.
A0, C1, NSTAR, AB, AK, AKM, AQ = F(1, 2), F(1, 17), 2, F(1, 25), F(1, 49), F(1, 121), F(1, 169)
P0, E, EK = 29, F(1, 19), F(1, 23)
DENSE = replace(UNIT, a0=A0, c1=C1, nstar=NSTAR, ab=AB, ak=AK, akm=AKM, aq=AQ, p0=P0, e=E, ek=EK)
ROOMY = Limits(max_num_seqs=8, max_batched_tokens=64, kv_capacity_tokens=1000, kv_policy="recompute")


def serve(coefficients: Coefficients, limits: Limits, *arrivals: tuple) -> Run:
    """Run (time, prompt, output) triples with a trace."""
    return simulate(coefficients, limits, [Arrival(*a) for a in arrivals], trace=True)


def steps(run: Run) -> list[Step]:
    assert run.trace is not None
    return run.trace


def times(run: Run) -> list[tuple]:
    return [(o.start_s, o.first_token_s, o.finish_s) for o in run.outcomes]


def compositions(run: Run) -> list[tuple[int, int, int]]:
    """(p, B, K) of every iteration."""
    return [(s.prompt_tokens, s.decoders, s.context_tokens) for s in steps(run)]


# One request ----------------------------------------------------------------------------------------------


def test_single_request():
    run = serve(DENSE, ROOMY, (5, 7, 4))
    prefill = A0 + C1 * (7 - NSTAR) + AQ * F(7 * 7, 2)
    decode = sum(A0 + AB + AK * (7 + j) for j in range(3))
    assert times(run) == [(5, 5 + prefill, 5 + prefill + decode)]
    assert compositions(run) == [(7, 0, 0), (0, 1, 7), (0, 1, 8), (0, 1, 9)]
    assert run.busy_s == prefill + decode
    assert run.outcomes[0].energy_j == P0 * (prefill + decode) + E * (7 + 3) + EK * (7 + 8 + 9)
    assert run.meter_j == run.outcomes[0].energy_j


def test_mixture_of_experts_term():
    moe = replace(UNIT, ae=F(2, 3), se=2, experts=8, top_k=2)
    run = serve(moe, ROOMY, (0, 3, 2))
    prefill = 1 + F(2, 3) * (1 - F(3, 4) ** (2 * 3))
    decode = 1 + F(2, 3) * (1 - F(3, 4) ** 2)
    assert times(run) == [(0, prefill, prefill + decode)]


def test_dense_never_reads_the_expert_coefficients():
    nan = math.nan
    run = serve(replace(DENSE, se=nan, experts=nan, top_k=nan), ROOMY, (0, 7, 4))
    assert run == serve(DENSE, ROOMY, (0, 7, 4))
    assert isinstance(run.busy_s, F)


def test_no_charge_below_nstar():
    run = serve(replace(UNIT, c1=1, nstar=5), ROOMY, (0, 4, 2))
    assert times(run) == [(0, 1, 2)]


@pytest.mark.parametrize(("prompt", "chunks"), [(3, 1), (4, 1), (5, 2), (8, 2), (9, 3)])
def test_one_output_token_finishes_with_its_prefill(prompt, chunks):
    limits = Limits(max_num_seqs=4, max_batched_tokens=4, kv_capacity_tokens=prompt, kv_policy="recompute")
    run = serve(UNIT, limits, (0, prompt, 1))
    assert times(run) == [(0, chunks, chunks)]
    assert all(s.decoders == 0 for s in steps(run))


# Arrivals and batches -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arrival", "start"),
    [(F(3, 2), 2), (2, 2), (2 + F(1, 10**12), 3)],
    ids=["amid", "at boundary", "just after"],
)
def test_arrival_joins_the_iteration_that_starts_at_or_after_it(arrival, start):
    run = serve(UNIT, ROOMY, (0, 4, 6), (arrival, 3, 2))
    assert times(run) == [(0, 1, 6), (start, start + 1, start + 2)]


def test_two_requests_joining():
    run = serve(DENSE, ROOMY, (0, 4, 3), (F(1, 1000), 3, 2))
    t1 = A0 + C1 * (4 - NSTAR) + AQ * F(4 * 4, 2)
    t2 = t1 + A0 + C1 * (3 + 1 - NSTAR) + AB + (AK + AKM) * 4 + AQ * F(3 * 3, 2)
    t3 = t2 + A0 + 2 * AB + AK * (5 + 3)  # B = 2 = n*: no c1
    assert times(run) == [(0, t1, t3), (t1, t2, t3)]
    assert compositions(run) == [(4, 0, 0), (3, 1, 4), (0, 2, 5 + 3)]


def test_idle_between_requests():
    run = serve(UNIT, ROOMY, (3, 2, 2), (10, 2, 1), (10, 2, 2))
    assert times(run) == [(3, 4, 5), (10, 11, 11), (10, 11, 12)]
    assert (run.busy_s, run.iterations) == (4, 4)


def test_no_requests():
    run = simulate(UNIT, ROOMY, [])
    assert run == Run(outcomes=[], meter_j=0, busy_s=0, iterations=0, trace=None)


def test_full_batch_keeps_others_waiting():
    limits = replace(ROOMY, max_num_seqs=2)
    run = serve(UNIT, limits, (0, 2, 2), (0, 2, 3), (0, 2, 1))
    assert times(run) == [(0, 1, 2), (0, 1, 3), (2, 3, 3)]


# Chunked prefill ------------------------------------------------------------------------------------------


def test_chunks_of_a_single_prompt():
    limits = replace(ROOMY, max_batched_tokens=8)
    run = serve(DENSE, limits, (0, 19, 2))
    chunks = 3 * A0 + C1 * (8 + 8 + 3 - 3 * NSTAR) + AQ * F(19 * 19, 2)  # chunks pay the whole square
    assert times(run) == [(0, chunks, chunks + A0 + AB + AK * 19)]
    assert compositions(run) == [(8, 0, 0), (8, 0, 0), (3, 0, 0), (0, 1, 19)]


def test_chunks_beside_a_decoder_and_the_rest_of_the_budget():
    """A decoder leaves 3 of 4 tokens; request 2 starts on what the last chunk of request 1 leaves."""
    limits = replace(ROOMY, max_num_seqs=4, max_batched_tokens=4)
    run = serve(DENSE, limits, (0, 1, 5), (F(1, 1000), 5, 2), (F(1, 1000), 2, 1))
    t1 = A0 + AQ * F(1, 2)
    t2 = t1 + A0 + C1 * (4 - NSTAR) + AB + (AK + AKM) * 1 + AQ * 3 * (0 + F(3, 2))
    t3 = t2 + A0 + C1 * (4 - NSTAR) + AB + (AK + AKM) * 2 + AQ * (2 * (3 + F(2, 2)) + 1 * (0 + F(1, 2)))
    t4 = t3 + A0 + C1 * (3 - NSTAR) + 2 * AB + (AK + AKM) * (3 + 5) + AQ * 1 * (1 + F(1, 2))
    t5 = t4 + A0 + AB + AK * 4
    assert times(run) == [(0, t1, t5), (t1, t3, t4), (t2, t4, t4)]
    assert [s.takes for s in steps(run)] == [
        ((0, 1),),
        ((0, 1), (1, 3)),
        ((0, 1), (1, 2), (2, 1)),
        ((0, 1), (1, 1), (2, 1)),
        ((0, 1),),
    ]


def test_partial_prefill_counts_as_running():
    """Two slots, one held by a partial prefill: the third request waits, though budget is left."""
    limits = replace(ROOMY, max_num_seqs=2, max_batched_tokens=4)
    run = serve(UNIT, limits, (0, 1, 3), (0, 5, 2), (0, 1, 1))
    # Takes: (1 + 3), (1 + 2), (1 + 1); then a slot is free.
    assert times(run) == [(0, 1, 3), (0, 2, 3), (3, 4, 4)]


def test_decoders_use_up_the_budget():
    limits = replace(ROOMY, max_num_seqs=2, max_batched_tokens=2)
    run = serve(UNIT, limits, (0, 1, 4), (0, 1, 3), (0, 5, 1))
    # Two decoders until 3, then one token of budget, then two.
    assert times(run) == [(0, 1, 4), (0, 1, 3), (3, 6, 6)]
    assert [s.prompt_tokens for s in steps(run)] == [2, 0, 0, 1, 2, 2]


# Memory ---------------------------------------------------------------------------------------------------


def test_admission_needs_room_for_the_whole_prompt_and_blocks_the_queue():
    """At 1 the first chunk of request 1 would fit, and all of request 2; both wait for request 0 to go."""
    limits = Limits(max_num_seqs=4, max_batched_tokens=5, kv_capacity_tokens=9, kv_policy="recompute")
    run = serve(UNIT, limits, (0, 3, 3), (1, 6, 1), (1, 1, 1))
    # 3 cached + 1 for the decoder + 6 > 9. From 3: chunks of 5 and 1, request 2 in the second.
    assert times(run) == [(0, 1, 3), (3, 5, 5), (4, 5, 5)]
    assert sum(o.preemptions for o in run.outcomes) == 0


@pytest.mark.parametrize(("capacity", "start"), [(8, 1), (7, 2)])
def test_admission_counts_the_tokens_of_this_iteration(capacity, start):
    """At 1: 3 cached + 1 decoding + 4 of the prompt = 8."""
    limits = replace(ROOMY, kv_capacity_tokens=capacity)
    assert times(serve(UNIT, limits, (0, 3, 2), (1, 4, 1)))[1] == (start, start + 1, start + 1)


def test_admission_counts_prompts_of_this_iteration():
    limits = replace(ROOMY, kv_capacity_tokens=8)
    assert times(serve(UNIT, limits, (0, 4, 1), (0, 4, 1), (0, 1, 1))) == [(0, 1, 1), (0, 1, 1), (1, 2, 2)]


def test_preemption_and_recompute():
    """Memory of 8: 3 + 3 prefilled at 1, 4 + 4 at 2, then 10 > 8: request 1 goes, having two of three tokens.

    Request 0 ends at 4; request 1 recomputes 3 + 2 tokens from 4 to 5, which emits its third token.
    Request 2, queued at 2, stays behind it, though it fits.
    """
    limits = replace(ROOMY, kv_capacity_tokens=8)
    run = serve(replace(UNIT, e=1), limits, (0, 3, 4), (0, 3, 3), (F(3, 2), 1, 1))
    assert times(run) == [(0, 1, 4), (0, 1, 5), (4, 5, 5)]
    assert [o.preemptions for o in run.outcomes] == [0, 1, 0]
    assert compositions(run) == [(6, 0, 0), (0, 2, 6), (0, 1, 4), (0, 1, 5), (6, 0, 0)]
    assert [s.preempted for s in steps(run)] == [(), (), (1,), (), ()]
    # A joule a token: prompts and decodes, and for request 1 the recompute too.
    assert [o.energy_j for o in run.outcomes] == [3 + 3, 3 + 1 + 5, 1]


def test_recompute_goes_on_decoding():
    """As above with an answer of five: token 3 from the recompute, tokens 4 and 5 by decoding at K = 5, 6."""
    limits = replace(ROOMY, kv_capacity_tokens=8)
    run = serve(UNIT, limits, (0, 3, 4), (0, 3, 5))
    assert times(run) == [(0, 1, 4), (0, 1, 7)]
    assert compositions(run)[4:] == [(5, 0, 0), (0, 1, 5), (0, 1, 6)]


def test_two_preempted_at_once_keep_their_order():
    """4 + 3 + 1 cached in 8, then 11 > 8, 9 > 8, 5: requests 2 and 1 go; 1 then blocks 2, which fits."""
    limits = replace(ROOMY, kv_capacity_tokens=8)
    run = serve(UNIT, limits, (0, 4, 3), (0, 3, 2), (0, 1, 2))
    assert times(run) == [(0, 1, 3), (0, 1, 4), (0, 1, 4)]
    assert [s.preempted for s in steps(run)] == [(), (2, 1), (), ()]
    assert compositions(run) == [(8, 0, 0), (0, 1, 4), (0, 1, 5), (6, 0, 0)]


def test_the_partial_prefill_is_preempted_first():
    """Budget 2: request 1 prefills a token an iteration while request 0 grows: 4 + 2, then 6 + 2 > 7."""
    limits = Limits(max_num_seqs=2, max_batched_tokens=2, kv_capacity_tokens=7, kv_policy="recompute")
    run = serve(UNIT, limits, (0, 2, 5), (0, 4, 1))
    assert times(run) == [(0, 1, 5), (1, 7, 7)]  # start_s stays that of the first admission
    assert [o.preemptions for o in run.outcomes] == [0, 1]
    assert compositions(run) == [(2, 0, 0), (1, 1, 2), (1, 1, 3), (0, 1, 4), (0, 1, 5), (2, 0, 0), (2, 0, 0)]


def test_recompute_in_chunks_is_no_decoder():
    """Budget 3, memory 7: request 1 goes at 3 with 2 + 2 tokens and recomputes them in chunks of 3 and 1.

    Between the two it has cached as much as a decoder would (3 = 2 + 2 - 1), and yet is a prefill.
    """
    limits = Limits(max_num_seqs=2, max_batched_tokens=3, kv_capacity_tokens=7, kv_policy="recompute")
    run = serve(UNIT, limits, (0, 2, 4), (0, 2, 4))
    assert times(run) == [(0, 1, 4), (0, 2, 7)]
    assert [s.preempted for s in steps(run)].index((1,)) == 3
    assert compositions(run) == [
        *[(3, 0, 0), (1, 1, 2), (0, 2, 3 + 2), (0, 1, 4)],
        *[(3, 0, 0), (1, 0, 0), (0, 1, 4)],
    ]


# Reservation ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("capacity", "start"), [(11, 0), (10, 4)])
def test_reserve(capacity, start):
    """Peaks 3 + 4 - 1 = 6 and 3 + 3 - 1 = 5: side by side in 11 tokens, one after the other in 10."""
    limits = replace(ROOMY, kv_capacity_tokens=capacity, kv_policy="reserve")
    run = serve(UNIT, limits, (0, 3, 4), (0, 3, 3))
    assert times(run) == [(0, 1, 4), (start, start + 1, start + 3)]
    assert [o.preemptions for o in run.outcomes] == [0, 0]


def test_reserve_blocks_the_queue():
    limits = replace(ROOMY, kv_capacity_tokens=8, kv_policy="reserve")
    assert times(serve(UNIT, limits, (0, 3, 4), (0, 3, 3), (0, 1, 1))) == [(0, 1, 4), (4, 5, 7), (4, 5, 5)]


# Energy ---------------------------------------------------------------------------------------------------


def mixed_iteration(coefficients: Coefficients) -> tuple[Run, Step]:
    """Two decoders (3 and 4 cached) beside two prompts (5 and 2); then all of it drains."""
    run = serve(coefficients, ROOMY, (0, 3, 2), (0, 4, 2), (F(1, 1000), 5, 1), (F(1, 1000), 2, 1))
    assert compositions(run) == [(7, 0, 0), (7, 2, 3 + 4)]
    return run, steps(run)[1]


FIRST_TAU = A0 + C1 * (7 - NSTAR) + AQ * F(9 + 16, 2)  # prompts of 3 and 4
DECODE_TAU = A0 + 2 * AB + AK * 7  # the second iteration, had it only its decoders
MIXED_TAU = A0 + C1 * (9 - NSTAR) + 2 * AB + (AK + AKM) * 7 + AQ * F(25 + 4, 2)


def test_energy_shares():
    run, step = mixed_iteration(DENSE)
    first = P0 * FIRST_TAU + E * 7
    decode = P0 * DECODE_TAU + E * 2 + EK * 7
    mixed = P0 * MIXED_TAU + E * 9 + EK * 7
    assert step.tau_s == MIXED_TAU
    assert step.energy_j == mixed
    assert [o.energy_j for o in run.outcomes] == [
        first * F(3, 7) + decode / 2,
        first * F(4, 7) + decode / 2,
        (mixed - decode) * F(5, 7),
        (mixed - decode) * F(2, 7),
    ]
    assert run.meter_j == first + mixed


@pytest.mark.parametrize(
    ("e", "ek", "capped"),
    [
        (F(1, 4), F(1, 70), {"mixed"}),
        (0, F(1, 7), {"decode"}),
        (F(1, 4), 10, {"mixed", "decode"}),
    ],
    ids=["mixed", "its decoders alone", "both"],
)
def test_power_cap(e, ek, capped):
    """A mixed iteration and its decoders alone are capped each on its own, by its own time."""
    watts = P0 + 1
    decode = min(watts * DECODE_TAU, P0 * DECODE_TAU + e * 2 + ek * 7)
    mixed = min(watts * MIXED_TAU, P0 * MIXED_TAU + e * 9 + ek * 7)
    assert (mixed == watts * MIXED_TAU) == ("mixed" in capped)
    assert (decode == watts * DECODE_TAU) == ("decode" in capped)
    run, step = mixed_iteration(replace(DENSE, e=e, ek=ek, p_cap=watts))
    first = min(watts * FIRST_TAU, P0 * FIRST_TAU + e * 7)
    assert step.energy_j == mixed
    assert [o.energy_j for o in run.outcomes] == [
        first * F(3, 7) + decode / 2,
        first * F(4, 7) + decode / 2,
        (mixed - decode) * F(5, 7),
        (mixed - decode) * F(2, 7),
    ]
    assert run.meter_j == first + mixed


# Numbers --------------------------------------------------------------------------------------------------


def test_integers_are_exact():
    """aq·p/2 of an odd prompt is not floored; all results are fractions."""
    run = serve(replace(UNIT, aq=1), ROOMY, (0, 3, 1))
    assert times(run) == [(0, 1 + F(9, 2), 1 + F(9, 2))]
    o = run.outcomes[0]
    values = [o.start_s, o.first_token_s, o.finish_s, o.energy_j, run.meter_j, run.busy_s]
    assert {type(v) for v in values} == {F}


def test_floats_on_dyadic_numbers_are_exact_too():
    c = Coefficients(
        a0=0.5, c1=0.25, nstar=2, ae=0.5, se=1, experts=4, top_k=2, ab=0.125, ak=0.0625, akm=0.03125,
        aq=0.0078125, p0=2.0, e=0.25, ek=0.125, p_cap=3.0,
    )  # fmt: skip
    limits = Limits(max_num_seqs=4, max_batched_tokens=6, kv_capacity_tokens=11, kv_policy="recompute")
    arrivals = [Arrival(0, 5, 4), Arrival(0.75, 7, 4), Arrival(1.5, 3, 5)]
    exact = simulate(
        replace(c, **{name: F(value) for name, value in vars(c).items() if isinstance(value, float)}),
        limits,
        [replace(a, time=F(a.time)) for a in arrivals],
    )
    floats = simulate(c, limits, arrivals)
    assert times(floats) == times(exact)
    assert floats.busy_s == exact.busy_s
    assert isinstance(floats.busy_s, float)
    assert floats.meter_j == pytest.approx(float(exact.meter_j), rel=1e-14)
    assert sum(o.preemptions for o in exact.outcomes) > 0


@pytest.mark.parametrize(
    ("coefficients", "limits", "arrivals", "message"),
    [
        (replace(UNIT, ab=-1), ROOMY, [], "ab = -1"),
        (replace(UNIT, p0=2, p_cap=1), ROOMY, [], "p_cap = 1"),
        (replace(UNIT, ae=1, se=F(1, 2), experts=4), ROOMY, [], "integer exponent"),
        (replace(UNIT, ae=1, experts=4, top_k=5), ROOMY, [], "top_k = 5"),
        (UNIT, replace(ROOMY, max_batched_tokens=7), [], "max_num_seqs <= max_batched_tokens"),
        (
            UNIT,
            replace(ROOMY, kv_policy="swap"),  # type: ignore[arg-type]
            [],
            "kv_policy = 'swap'",
        ),
        (UNIT, ROOMY, [Arrival(2, 1, 1), Arrival(1, 1, 1)], "request 1: time = 1"),
        (UNIT, ROOMY, [Arrival(0, 0, 1)], "request 0: expected at least one prompt"),
        (UNIT, replace(ROOMY, kv_capacity_tokens=5), [Arrival(0, 4, 3)], "request 0 alone"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refuses_what_the_rules_do_not_cover(coefficients, limits, arrivals, message):
    with pytest.raises(ValueError, match=message):
        simulate(coefficients, limits, arrivals)


# Random instances -----------------------------------------------------------------------------------------


def random_instance(seed: int) -> tuple[Coefficients, Limits, list[Arrival]]:
    """Draw a server with a short memory, in which each request alone fits, often only just."""
    draw = random.Random(seed)

    def number(largest: int) -> F:
        return F(draw.randint(0, 3 * largest), draw.choice([1, 2, 3, 8]) * 3)

    coefficients = Coefficients(
        a0=number(2), c1=number(1), nstar=draw.randint(0, 6),
        ae=draw.choice([F(0), number(2)]), se=draw.randint(1, 2), experts=8, top_k=draw.randint(1, 8),
        ab=number(1), ak=number(1) / 10, akm=number(1) / 10, aq=number(1) / 20,
        p0=number(3), e=number(2), ek=number(1) / 5, p_cap=3 + number(4),
    )  # fmt: skip
    sizes = [(draw.randint(1, 12), draw.randint(1, 10)) for _ in range(draw.randint(1, 12))]
    arrival_times = sorted(draw.choice([F(0), number(30), F(draw.randint(0, 30))]) for _ in sizes)
    arrivals = [Arrival(t, *size) for t, size in zip(arrival_times, sizes, strict=True)]
    seqs = draw.randint(1, 5)
    limits = Limits(
        max_num_seqs=seqs,
        max_batched_tokens=seqs + draw.randint(0, 8),
        kv_capacity_tokens=max(p + o - 1 for p, o in sizes) + draw.randint(0, 8),
        kv_policy=draw.choice(["recompute", "recompute", "reserve"]),
    )
    return coefficients, limits, arrivals


def check_invariants(limits: Limits, coefficients: Coefficients, arrivals: list[Arrival], run: Run) -> None:
    """Assert what holds whatever the schedule; the books of memory are kept anew from the trace."""
    assert len(run.outcomes) == len(arrivals)
    assert run.iterations == len(steps(run)) <= most_iterations(limits, arrivals)
    assert sum(o.energy_j for o in run.outcomes) == run.meter_j == sum(s.energy_j for s in steps(run))
    assert run.busy_s == sum(s.tau_s for s in steps(run))
    starts = [o.start_s for o in run.outcomes]
    assert starts == sorted(starts), "first admissions are first-in first-out"
    cached: Counter[int] = Counter()
    lost: Counter[int] = Counter()
    preemptions: Counter[int] = Counter()
    taken: Counter[int] = Counter()
    for step in steps(run):
        for request in step.preempted:
            lost[request] += cached.pop(request)
            preemptions[request] += 1
        assert not (step.preempted and step.admitted)
        cached.update(dict(step.takes))
        taken.update(dict(step.takes))
        end = step.start_s + step.tau_s
        assert len(step.takes) <= limits.max_num_seqs
        tokens = sum(n for _, n in step.takes)
        assert step.prompt_tokens + step.decoders == tokens <= limits.max_batched_tokens
        assert sum(cached.values()) <= limits.kv_capacity_tokens
        assert 0 <= step.energy_j <= coefficients.p_cap * step.tau_s
        for request in list(cached):
            size = arrivals[request].prompt_tokens + arrivals[request].output_tokens - 1
            assert cached[request] <= size
            if cached[request] == size:
                assert run.outcomes[request].finish_s == end, "all but its last token is cached"
                del cached[request]
    assert not cached
    for request, (a, o) in enumerate(zip(arrivals, run.outcomes, strict=True)):
        assert a.time <= o.start_s <= o.first_token_s <= o.finish_s
        assert o.energy_j >= 0
        assert o.preemptions == preemptions[request]
        assert taken[request] == a.prompt_tokens + a.output_tokens - 1 + lost[request]


def test_random_instances_finish_and_keep_their_books():
    preemptions: Counter[str] = Counter()
    for seed in range(300):
        coefficients, limits, arrivals = random_instance(seed)
        run = simulate(coefficients, limits, arrivals, trace=True)
        check_invariants(limits, coefficients, arrivals, run)
        preemptions[limits.kv_policy] += sum(o.preemptions for o in run.outcomes)
    assert preemptions["reserve"] == 0
    assert preemptions["recompute"] > 100, "the memory is short enough to test anything"
