"""Split prefill and decode in both engines, worked out by hand: an iteration lasts a quarter of a second.

A prompt of 10 tokens with 100 MB each crosses 4 GB/s in a quarter of a second.
"""

import json
import math
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from builders import COEFFICIENTS, IDLE_W, POWER_W, STEP_S, run, scenario, trace
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.split import Asked, Side, Split
from sizes import cases

from messsim.engines import prepare
from messsim.engines.capacity import saturation_rps
from messsim.engines.knowledge import knowledge_of
from messsim.errors import ScenarioError
from messsim.results.figures import Requirement
from messsim.scenario import notes_of, parse
from messsim.study.plan.capacity import Carrying
from messsim.study.runs.rows import row_of
from messsim.study.runs.summaries import summary_of
from messsim.study.simulation import tracing
from messsim.study.simulation.check import check

PROMPT, OUTPUT = 10, 3
CROSSES_S = 0.25
USD_PER_S = {"P": 2.0, "D": 3.0}
USD = {"unit": "USD", "usd_per_gpu_hour": {gpu: 3600.0 * usd for gpu, usd in USD_PER_S.items()}}
SLOW = {"latency_s": 0.0, "bandwidth_gb_per_s": 4.0}
PREFILLED = {"first_token": "after_prefill"}


@pytest.fixture(params=["simpy", "compiled"])
def engine(request) -> str:
    return request.param


def pools(prefill=None, decode=None) -> list[dict]:
    common = {"model": "only", "coefficients": COEFFICIENTS, "max_num_seqs": 4}
    return [
        common | {"name": "p", "role": "prefill", "gpu": "P", "kv_bytes_per_token": 1e8} | (prefill or {}),
        common | {"name": "d", "role": "decode", "gpu": "D"} | (decode or {}),
    ]


def split(folder, times, *, prefill=None, decode=None, transfer=None, prompt=PROMPT, output=OUTPUT, **more) -> dict:
    cluster = {"transfer": SLOW | (transfer or {})} | more.pop("cluster", {})
    return scenario(
        arrivals=trace(folder, times),
        requests=None,
        tokens={"prompt": prompt, "output": output},
        models=[{"name": "only", "satisfaction": 0.5}],
        pools=pools(prefill, decode),
        cluster=cluster,
        **more,
    )


def test_the_first_token_comes_after_the_transfer(engine, tmp_path):
    """Prefilled at 0.25, there at 0.5; the prompt's last token computed again gives the first token at 0.75."""
    r = run(split(tmp_path, [0.0]), engine)
    assert r.records.start_s.tolist() == [0.0]
    assert r.records.first_token_s.tolist() == [STEP_S + CROSSES_S + STEP_S]
    assert r.records.finish_s.tolist() == [STEP_S + CROSSES_S + OUTPUT * STEP_S]
    assert r.records.replica.tolist() == [1]
    assert r.summary["transfers"] == {"begun": 1, "wait_s": 0.0, "transfer_s": CROSSES_S, "gigabytes": 1.0}


def test_or_with_the_prefill(engine, tmp_path):
    """The prefill gives the first token, and the other replica one fewer."""
    r = run(split(tmp_path, [0.0], transfer=PREFILLED), engine)
    assert r.records.first_token_s.tolist() == [STEP_S]
    assert r.records.finish_s.tolist() == [STEP_S + CROSSES_S + (OUTPUT - 1) * STEP_S]


def test_an_answer_of_the_first_token_alone_needs_no_transfer(engine, tmp_path):
    r = run(split(tmp_path, [0.0], output=1, transfer=PREFILLED), engine)
    assert r.records.finish_s.tolist() == [STEP_S]
    assert r.records.replica.tolist() == [0]
    assert r.outcome.transfers.begun == 0


@pytest.mark.parametrize("schedule", ["sglang", "tensorrt-llm"])
@pytest.mark.parametrize(("transfer", "first_token_s"), [({}, STEP_S + CROSSES_S), (PREFILLED, STEP_S)])
def test_other_engines_compute_no_token_again(engine, tmp_path, schedule, transfer, first_token_s):
    """The prefill's token comes with the KV: two are left, and the user sees it as the first of them begins."""
    pool = {"schedule": schedule, "prefix_cache": False}
    r = run(split(tmp_path, [0.0], prefill=pool, decode=pool, transfer=transfer), engine)
    assert r.records.first_token_s.tolist() == [first_token_s]
    assert r.records.finish_s.tolist() == [STEP_S + CROSSES_S + (OUTPUT - 1) * STEP_S]


@pytest.mark.parametrize(("capacity", "second_s"), [(1045, 1.0), (1044, 1.25), (1043, 1.75)])
def test_sglang_takes_kv_while_512_tokens_are_free_for_each(engine, tmp_path, capacity, second_s):
    """10 + 2 * 512 are asked for beside the first: 11 tokens on its way, 10 at 0.5; else when that has ended, at 1."""
    pool = {"schedule": "sglang", "prefix_cache": False}
    r = run(split(tmp_path, [0.0, 0.0], prefill=pool, decode=pool | {"kv_capacity_tokens": capacity}), engine)
    assert r.records.finish_s.tolist() == [1.0, second_s]


def test_a_cache_where_answers_are_decoded_spares_its_part_of_a_transfer(engine, tmp_path):
    """Of the second prompt, 8 shared tokens and 10 of its own, two blocks of 4 are there: 10 tokens cross."""
    decode = {"prefix_cache": True, "kv_block_tokens": 4}
    r = run(split(tmp_path, [0.0, 3.0], decode=decode, prefixes={"groups": 1, "tokens": 8}), engine)
    assert r.summary["transfers"]["gigabytes"] == pytest.approx(1.8 + 1.0)
    assert r.records.finish_s.tolist() == pytest.approx([1.45, 3.0 + STEP_S + CROSSES_S + OUTPUT * STEP_S])


def test_prompts_do_not_hold_up_answers(engine, tmp_path):
    """The second prompt takes two iterations of 5 tokens, from 0.25 on; the first answer has one token a quarter."""
    data = split(tmp_path, [0.0, 0.25], prefill={"max_batched_tokens": 5, "max_num_seqs": 1}, prompt=10)
    r = run(data, engine)
    assert r.records.start_s.tolist() == [0.0, 0.5]
    assert r.records.first_token_s.tolist() == [1.0, 1.5]
    assert r.records.finish_s.tolist() == [1.5, 2.0]


def test_what_is_prefilled_waits_for_a_place_and_then_keeps_it(engine, tmp_path):
    """One place: the second transfer begins when the first answer is complete, at 1.25, not during it."""
    r = run(split(tmp_path, [0.0, 0.0], decode={"max_num_seqs": 1}), engine)
    assert r.records.finish_s.tolist() == [1.25, 1.25 + CROSSES_S + OUTPUT * STEP_S]
    assert r.outcome.transfers.wait_s == 1.0


def test_what_is_prefilled_waits_for_memory(engine, tmp_path):
    """10 and 10 tokens have no room in 19: the second transfer begins at 1.25. 24 are enough for both to the end."""
    for capacity, finish_s in ((19, 1.25 + CROSSES_S + OUTPUT * STEP_S), (24, 1.25)):
        r = run(split(tmp_path, [0.0, 0.0], decode={"kv_capacity_tokens": capacity}), engine)
        assert r.records.finish_s.tolist() == [1.25, finish_s]


def test_its_memory_is_held_where_it_was_prefilled_until_it_is_away(engine, tmp_path):
    """Room for one prompt: the second starts when the first has crossed, at 0.5, though its prefill ended at 0.25."""
    r = run(split(tmp_path, [0.0, 0.0], prefill={"kv_capacity_tokens": 19}), engine)
    assert r.records.start_s.tolist() == [0.0, STEP_S + CROSSES_S]


def test_transfers_end_between_iterations_and_join_the_next(engine, tmp_path):
    """0.3 s: the second is there at 0.25 + 0.3 + 0.125 = 0.675 and joins the iteration from 0.8 on (0.55 + 0.25)."""
    data = split(tmp_path, [0.0, 0.125], transfer={"latency_s": 0.05}, prefill={"replicas": 2})
    r = run(data, engine)
    first, second = r.records.first_token_s
    assert (first, second) == pytest.approx((0.8, 1.05))


def test_a_request_preempted_later_is_computed_again_where_it_decodes(engine, tmp_path):
    """22 tokens hold 10 and one more of both, not two more: the last one goes, and when the first is done, at 1.25, it
    has one iteration for the 12 tokens that it had, which gives its last one."""
    r = run(split(tmp_path, [0.0, 0.0], decode={"kv_capacity_tokens": 22}), engine)
    assert r.records.preemptions.tolist() == [0, 1]
    assert r.records.finish_s.tolist() == [1.25, 1.5]
    assert r.outcome.transfers.begun == 2


# ---- bandwidth that transfers share ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bandwidth_of", "decoders", "crosses_s"),
    [("transfer", 1, 0.25), ("prefill", 1, 0.25), ("decode", 1, 0.5), ("decode", 2, 0.25), ("cluster", 2, 0.5)],
)
def test_two_transfers_at_once_share_a_link(engine, tmp_path, bandwidth_of, decoders, crosses_s):
    """Both are prefilled at 0.25, on a replica each; half of 4 GB/s carries a gigabyte in half a second."""
    data = split(
        tmp_path,
        [0.0, 0.0],
        prefill={"replicas": 2},
        decode={"replicas": decoders},
        transfer={"bandwidth_of": bandwidth_of},
    )
    r = run(data, engine)
    assert r.records.first_token_s.tolist() == [STEP_S + crosses_s + STEP_S] * 2
    assert r.summary["transfers"]["transfer_s"] == crosses_s


def test_copies_of_one_request_share_a_link_and_end_together(engine, tmp_path):
    """While all models are explored, one of each of two models crosses at half of 4 GB/s."""
    data = split(tmp_path, [0.0], transfer={"bandwidth_of": "cluster"}, router={"c": 1.0, "kappa": 0.0})
    others = [p | {"name": p["name"] * 2, "model": "other"} for p in data["pools"]]
    data |= {"models": [*data["models"], {"name": "other", "satisfaction": 0.6}], "pools": data["pools"] + others}
    r = run(data, engine)
    assert r.records.explored.tolist() == [True]
    assert r.records.first_token_s.tolist() == [STEP_S + 2 * CROSSES_S + STEP_S]
    assert (r.summary["transfers"]["begun"], r.summary["transfers"]["transfer_s"]) == (2, 2 * CROSSES_S)


def test_copies_that_end_together_are_charged_in_one_order(tmp_path):
    """By the server that they go to, whatever it is: sums of three costs show in which order they were made."""
    data = split(
        tmp_path,
        [0.0],
        transfer={"bandwidth_of": "cluster"},
        router={"c": 1.0, "kappa": 0.0},
        clients={"patience_s": 0.375, "abort": True},
        feedback={"delay": 2.5},
    )
    pools = data["pools"]
    data |= {"models": [], "pools": []}
    for m, watts in enumerate((0.3, 0.2, 0.1)):
        data["models"].append({"name": f"m{m}", "satisfaction": 0.5})
        for pool in pools:
            own = pool["coefficients"] | {"p0_w_per_gpu": watts, "p_idle_w_per_gpu": 0.0}
            data["pools"].append(pool | {"name": f"{pool['name']}{m}", "model": f"m{m}", "coefficients": own})
    compiled, simpy = (run(data, engine).records for engine in ("compiled", "simpy"))
    assert compiled.energy_j.tolist() == simpy.energy_j.tolist()
    assert compiled.energy_j[0] > 0.0


def staggered(folder, **more):
    return split(folder, [0.0, 0.125], prefill={"replicas": 2}, transfer={"bandwidth_of": "cluster", **more})


def test_whoever_joins_slows_the_others_down_and_speeds_them_up_when_gone(engine, tmp_path):
    """The first has half its gigabyte by 0.375, the rest at half the speed by 0.625; then the second has half of its
    own, and the rest alone by 0.75. It joins the iteration after the first one's, from 0.875 on."""
    r = run(staggered(tmp_path), engine)
    assert r.records.first_token_s.tolist() == [0.875, 1.125]
    assert r.summary["transfers"]["transfer_s"] == 0.375


def test_latency_comes_on_top_and_takes_no_bandwidth(engine, tmp_path):
    r = run(staggered(tmp_path, latency_s=0.0625), engine)
    assert r.records.first_token_s.tolist() == [0.9375, 1.1875]


def test_a_transfer_that_is_lost_leaves_its_bandwidth_to_others(engine, tmp_path):
    """Both cross from 0.25 on. The source of the first fails at 0.3125, with an eighth of a gigabyte over: the other
    has the rest alone by 0.53125. The first is prefilled anew by 0.5625, sets off at the boundary of 0.78125."""
    data = split(
        tmp_path, [0.0, 0.0], prefill={"replicas": 2}, transfer={"bandwidth_of": "cluster"}, **outage("p", 0.3125, 2.0)
    )
    r = run(data, engine)
    assert r.records.finish_s.tolist() == [0.78125 + CROSSES_S + OUTPUT * STEP_S, 0.53125 + OUTPUT * STEP_S]
    assert (r.outcome.transfers.begun, r.outcome.transfers.ended) == (3, 2)


def test_where_they_go_to_fails_and_the_link_is_empty(engine, tmp_path):
    """Both cross to `d` when it fails at 0.375 for half a second; prefilled again by 0.625, they set off at 0.875."""
    data = split(
        tmp_path, [0.0, 0.0], prefill={"replicas": 2}, transfer={"bandwidth_of": "cluster"}, **outage("d", 0.375)
    )
    r = run(data, engine)
    assert r.records.finish_s.tolist() == [0.875 + 2 * CROSSES_S + OUTPUT * STEP_S] * 2


# ---- dispatch ------------------------------------------------------------------------------------------------


def test_where_it_decodes_may_be_chosen_first(engine, tmp_path):
    """Of two requests that come together one goes to each, whichever is chosen first."""
    for order in ("decode_first", "prefill_first"):
        data = split(tmp_path, [0.0, 0.0], transfer={"order": order}, decode={"replicas": 2})
        assert sorted(run(data, engine).records.replica) == [1, 2]


def test_the_choice_is_made_as_it_comes_or_when_its_prefill_is_done(engine, tmp_path):
    """The first decodes on replica 2 until 1.5. The second comes at 1.25, and is prefilled at 1.75."""
    prefill = {"max_batched_tokens": 5, "max_num_seqs": 1, "replicas": 2}
    for order, second in (("decode_first", 3), ("prefill_first", 2)):
        data = split(tmp_path, [0.0, 1.25], transfer={"order": order}, decode={"replicas": 2}, prefill=prefill)
        assert run(data, engine).records.replica.tolist() == [2, second]


def test_chosen_first_it_counts_there_before_its_prefill_is_done(engine, tmp_path):
    """The first is still prefilled when the second comes, and counts where it is to decode."""
    data = split(tmp_path, [0.0, 0.125], decode={"replicas": 2}, prefill={"replicas": 2})
    assert run(data, engine).records.replica.tolist() == [2, 3]


ALIKE = {"prefixes": {"groups": 1, "tokens": 8}, "prefill": {"replicas": 2, "prefix_cache": True}}


@pytest.mark.parametrize(
    ("rule", "hits"), [("round_robin", 0), ("kv_router", 8), ("prefix_affinity", 8), ("scored", 8), ("session", 0)]
)
def test_prompts_that_begin_alike_are_prefilled_where_their_beginning_is(engine, tmp_path, rule, hits):
    """By turns they are not, nor by session where there is none: then the least loaded has it, here the other one."""
    cluster = {"dispatch": rule, "scored": {"index_block_tokens": 1}}
    data = split(tmp_path, [0.0, 0.125 if rule == "session" else 4.0], cluster=cluster, **ALIKE)
    assert run(data, engine).records.cached_prompt_tokens.tolist() == [0, hits]


def test_a_rule_that_looks_at_prompts_leaves_decoding_to_the_least_loaded(engine, tmp_path):
    """Or to the rule that is chosen for it: by turns the third goes to the first again, which is still busy."""
    for dispatch, expected in ((None, [2, 3, 3]), ("round_robin", [2, 3, 2])):
        data = split(
            tmp_path,
            [0.0, 0.0, 2.0],
            decode={"replicas": 2},
            transfer={"dispatch": dispatch},
            cluster={"dispatch": "kv_router"},
            **ALIKE,
        )
        data["tokens"] = {"prompt": {"kind": "trace"}, "output": {"kind": "trace"}}
        data["arrivals"] = trace(tmp_path, [0.0, 0.0, 2.0], prompt_tokens=[10] * 3, output_tokens=[40, 1, 3])
        assert run(data, engine).records.replica.tolist() == expected


# ---- pools that change their size ------------------------------------------------------------------------------------

AT_ONCE = {"fixed_s": 0.0, "weights_gb": 0.0, "compile_s": 0.0, "init_s": 0.0}
BY_TARGET = {"rule": "target", "target": 1.0, "period_s": 1.0, "cold_start": AT_ONCE}


def mean_replicas(r) -> dict[str, float]:
    return {p["name"]: p["mean_replicas"] for p in r.summary["pools"]}


def test_a_replica_that_has_prefilled_is_there_until_its_kv_is_away(engine, tmp_path):
    """Both prefill until 0.25 and send until 2.25. One is to go at 1, and is gone at 2.25 of 4 s."""
    steps = [{"at_s": 0.0, "replicas": 2}, {"at_s": 1.0, "replicas": 1}]
    autoscale = {"rule": "schedule", "schedule": steps, "period_s": 1.0, "cold_start": AT_ONCE}
    prefill = {"replicas": 2, "autoscale": autoscale}
    r = run(split(tmp_path, [0.0, 0.0, 4.0], prefill=prefill, transfer={"bandwidth_gb_per_s": 0.5}), engine)
    assert r.records.finish_s.tolist()[:2] == [2.25 + OUTPUT * STEP_S] * 2
    assert mean_replicas(r)["p"] == (4.0 + 2.25) / 4.0


def test_who_is_prefilled_while_nobody_decodes_wakes_somebody(engine, tmp_path):
    """Prefilled at 0.25; at 0.5 one is called, which is ready at 1."""
    cold = AT_ONCE | {"fixed_s": 0.5}
    autoscale = BY_TARGET | {"min_replicas": 0, "initial_replicas": 0, "period_s": 0.5, "cold_start": cold}
    r = run(split(tmp_path, [0.0], decode={"autoscale": autoscale}), engine)
    assert r.records.finish_s.tolist() == [1.0 + CROSSES_S + OUTPUT * STEP_S]


def test_each_side_grows_by_what_it_has_to_do_itself(engine, tmp_path):
    """Four are prefilled at once and wait for one place: at 1 s four are wanted where they decode, and one is enough
    where only their KV is left."""
    sides = {"replicas": 4, "autoscale": BY_TARGET}
    data = split(tmp_path, [0.0] * 4 + [3.0], prefill=sides, decode=sides | {"max_num_seqs": 1}, output=30)
    assert mean_replicas(run(data, engine)) == {"p": 1.0, "d": (1.0 + 4 * 2.0) / 3.0}


def test_a_replica_that_is_to_go_serves_whom_it_has_and_nobody_whose_prefill_is_not_done(engine, tmp_path):
    """At 1 replica 2 is closed: who came to it at 0 stays; who was promised to it at 0.875 goes to replica 1."""
    steps = [{"at_s": 0.0, "replicas": 2}, {"at_s": 1.0, "replicas": 1}]
    autoscale = {"rule": "schedule", "schedule": steps, "period_s": 1.0, "cold_start": AT_ONCE}
    data = split(tmp_path, [0.0, 0.0, 0.875], decode={"replicas": 2, "autoscale": autoscale}, output=8)
    r = run(data, engine)
    assert r.records.replica.tolist() == [1, 2, 1]
    assert r.records.finish_s.tolist()[:2] == [0.5 + 8 * STEP_S] * 2


# ---- money and energy ------------------------------------------------------------------------------------------


def test_energy_and_rent_are_those_of_both_pools(engine, tmp_path):
    data = split(tmp_path, [0.0, 2.0], cost=USD)
    r = run(data, engine)
    by_name = {p["name"]: p for p in r.summary["pools"]}
    assert by_name["p"]["energy_j"] == pytest.approx(2 * STEP_S * POWER_W)
    assert by_name["d"]["energy_j"] == pytest.approx(2 * OUTPUT * STEP_S * POWER_W)
    assert by_name["p"]["idle_energy_j"] == pytest.approx((2.0 - STEP_S) * IDLE_W)
    assert by_name["d"]["idle_energy_j"] == pytest.approx((2.0 - OUTPUT * STEP_S) * IDLE_W)
    each = STEP_S * USD_PER_S["P"] + OUTPUT * STEP_S * USD_PER_S["D"]
    assert r.records.cost.tolist() == pytest.approx([each, each])
    assert r.records.energy_j.sum() == pytest.approx(sum(p["energy_j"] for p in by_name.values()))


# ---- mishaps ------------------------------------------------------------------------------------------------------


def outage(pool, at_s, for_s=0.5, replica=0):
    return {"cluster": {"failures": {"schedule": [{"pool": pool, "replica": replica, "at_s": at_s, "for_s": for_s}]}}}


@pytest.mark.parametrize("at_s", [0.125, 0.375])
def test_where_it_was_prefilled_fails_before_its_kv_is_away(engine, tmp_path, at_s):
    """In its prefill, or in its transfer: it begins again when that replica is up."""
    r = run(split(tmp_path, [0.0], **outage("p", at_s)), engine)
    assert r.records.finish_s.tolist() == [at_s + 0.5 + STEP_S + CROSSES_S + OUTPUT * STEP_S]
    assert r.outcome.transfers.begun == (2 if at_s > 0.25 else 1)


def test_where_it_was_prefilled_fails_afterwards(engine, tmp_path):
    r = run(split(tmp_path, [0.0], **outage("p", 0.5625)), engine)
    assert r.records.finish_s.tolist() == [1.25]


@pytest.mark.parametrize("at_s", [0.375, 0.625])
def test_where_it_decodes_fails(engine, tmp_path, at_s):
    """In its transfer, or after that: it is prefilled anew at once, and its KV waits until the other is up."""
    r = run(split(tmp_path, [0.0], **outage("d", at_s, 2.0)), engine)
    assert r.records.finish_s.tolist() == [at_s + 2.0 + CROSSES_S + OUTPUT * STEP_S]
    assert r.outcome.transfers.begun == 2


def test_where_it_decodes_fails_before_its_prefill_is_done(engine, tmp_path):
    """The other one takes it."""
    r = run(split(tmp_path, [0.0], decode={"replicas": 2}, **outage("d", 0.125, 2.0)), engine)
    assert r.records.replica.tolist() == [2]
    assert r.records.finish_s.tolist() == [1.25]


def test_a_waiting_transfer_goes_with_the_prefill_replica_that_held_it(engine, tmp_path):
    """Both wait at `d` for a place, or cross to it, when `p` fails at 0.375: both begin again at 0.875."""
    r = run(split(tmp_path, [0.0, 0.0], decode={"max_num_seqs": 1}, **outage("p", 0.375)), engine)
    assert r.records.finish_s.tolist() == [2.125, 3.125]


@pytest.mark.parametrize("patience_s", [0.125, 0.375, 0.625, 1.0])
def test_who_gives_up_leaves_from_wherever_they_are(engine, tmp_path, patience_s):
    """In the prefill, in the transfer, between it and an iteration, in an answer: the next request finds all free."""
    data = split(
        tmp_path,
        [0.0, 8.0],
        decode={"max_num_seqs": 1, "kv_capacity_tokens": 12},
        prefill={"kv_capacity_tokens": 10},
        clients={"patience_s": patience_s, "abort": True, "until": "first_token"},
        feedback={"delay": 0.0},
    )
    r = run(data, engine)
    given_up = patience_s < 0.75
    assert r.statuses == (["timed_out"] * 2 if given_up else ["completed"] * 2)
    assert np.allclose(r.records.energy_j[0], r.records.energy_j[1])


def test_who_gives_up_while_waiting_for_a_place_lets_go_of_both_sides(engine, tmp_path):
    """The second gives up at 1 in the queue of `d`; the third starts, since there is room where prompts are again."""
    data = split(
        tmp_path,
        [0.0, 0.0, 0.5],
        decode={"max_num_seqs": 1},
        prefill={"kv_capacity_tokens": 20},
        output=8,
        clients={"patience_s": 1.0, "abort": True, "until": "first_token"},
        feedback={"delay": 0.0},
    )
    r = run(data, engine)
    assert r.statuses == ["completed", "timed_out", "timed_out"]
    assert r.records.start_s.tolist()[2] == 0.5


def test_a_horizon_cuts_transfers_too(engine, tmp_path):
    r = run(split(tmp_path, [0.0, 0.25], decode={"max_num_seqs": 1}) | {"horizon_s": 0.375}, engine)
    assert r.statuses == ["in_flight"] * 2
    assert math.isclose(r.records.energy_j.sum(), 1.5 * STEP_S * POWER_W)
    one_crosses = run(split(tmp_path, [0.0, 0.5]) | {"horizon_s": 0.875}, engine)
    expected = {"begun": 2, "wait_s": 0.0, "transfer_s": CROSSES_S, "gigabytes": 2.0}
    assert one_crosses.summary["transfers"] == expected  # the time is of the one that has crossed


# ---- against every iteration by itself -------------------------------------------------------------------------------

SIXTEENTHS, BYTES_PER_S = 16, 2.0**30  # all times are sums of powers of two: doubles are exact


@st.composite
def sides(draw):
    places = draw(st.sampled_from([1, 2, 8]))
    return Side(
        places=places,
        budget=places + draw(st.sampled_from([0, 4, 64])),
        capacity=draw(st.sampled_from([48, 64, 1000])),
        block=draw(st.sampled_from([1, 4])),
        a0_s=Fraction(1, draw(st.sampled_from([4, 16]))),
        c0_s=draw(st.sampled_from([Fraction(0), Fraction(1, 1024)])),
        ak_s=draw(st.sampled_from([Fraction(0), Fraction(1, 4096)])),
    )


def described(side: Side) -> dict:
    seconds = {"a0_s": side.a0_s, "c0_s_per_token": side.c0_s, "ak_s_per_token": side.ak_s}
    longest = {"max_new_tokens": side.max_new} if side.max_new else {}
    return longest | {
        "coefficients": COEFFICIENTS | {key: float(value) for key, value in seconds.items()},
        "kv_policy": "reserve" if side.reserves else "recompute",
        "chunked_prefill": not side.whole,
        "prefix_cache": False,
        "max_num_seqs": side.places,
        "max_batched_tokens": side.budget,
        "kv_capacity_tokens": side.capacity,
        "kv_block_tokens": side.block,
    }


requests_of_both = st.lists(
    st.tuples(st.integers(0, 24), st.integers(1, 20), st.integers(1, 24)), min_size=1, max_size=40
)


def stepped_and_run(
    tmp_path_factory, both, requests, token_bytes, latency_s, *, later, bandwidth_of="transfer", schedule="vllm"
):
    """What the reference makes of these requests, and a run of the product with the same."""
    times, at = [], Fraction(0)
    for k, (gap, _, _) in enumerate(requests):
        at += Fraction(gap if k else 0, SIXTEENTHS)
        times.append(at)
    token_s = Fraction(token_bytes) / int(BYTES_PER_S)
    shares = bandwidth_of != "transfer"
    pair = Split(both, Fraction(latency_s), token_s, first_token_later=later, shares=shares, engine=schedule)
    asked = [
        Asked(k, time, prompt, output)
        for k, (time, (_, prompt, output)) in enumerate(zip(times, requests, strict=True))
    ]
    pair.run(asked)
    data = split(
        tmp_path_factory.mktemp("stepping"),
        [],
        prefill=described(both[0]) | {"kv_bytes_per_token": token_bytes, "schedule": schedule},
        decode=described(both[1]) | {"schedule": schedule},
        transfer={
            "latency_s": latency_s,
            "bandwidth_gb_per_s": BYTES_PER_S / 1e9,
            "bandwidth_of": bandwidth_of,
            "first_token": "after_transfer" if later else "after_prefill",
        },
    )
    columns = {"prompt_tokens": [p for _, p, _ in requests], "output_tokens": [o for _, _, o in requests]}
    data["tokens"] = {"prompt": {"kind": "trace"}, "output": {"kind": "trace"}}
    data["arrivals"] = trace(tmp_path_factory.mktemp("stepping"), map(float, times), **columns)
    r = run(data, "compiled")
    assert r.records.preemptions.tolist() == [a.preemptions for a in asked]
    assert r.outcome.transfers.begun == pair.transfers
    return asked, r.records


@settings(deadline=None, derandomize=True, max_examples=cases(150))
@given(
    both=st.tuples(sides(), sides()),
    requests=requests_of_both,
    token_bytes=st.sampled_from([2.0**10, 2.0**24, 2.0**26]),
    latency_s=st.sampled_from([0.0, 0.0625]),
    later=st.booleans(),
)
def test_jumps_and_transfers_are_those_of_stepping(tmp_path_factory, both, requests, token_bytes, latency_s, later):
    asked, records = stepped_and_run(tmp_path_factory, both, requests, token_bytes, latency_s, later=later)
    assert records.start_s.tolist() == [a.start_s for a in asked]
    assert records.first_token_s.tolist() == [a.first_token_s for a in asked]
    assert records.finish_s.tolist() == [a.finish_s for a in asked]


@st.composite
def sides_of(draw, schedule):
    """A pair of an engine's, and requests for it: by SGLang answers of 640 tokens too, of which two do not fit."""
    long = schedule == "sglang"
    answers = st.one_of(st.integers(1, 24), st.just(640)) if long else st.integers(1, 24)
    one = st.tuples(st.integers(0, 24), st.integers(1, 20), answers)
    requests = draw(st.lists(one, min_size=1, max_size=8 if long else 40))
    reserves, whole = not long and draw(st.booleans()), not long and draw(st.booleans())
    more = {"reserves": reserves, "whole": whole, "max_new": draw(st.sampled_from([1, 16])) if reserves else 0}
    prefill, decode = draw(sides()), draw(sides())
    if whole:
        prefill, decode = (replace(side, budget=side.budget + 44) for side in (prefill, decode))
    if long:
        decode = replace(decode, capacity=draw(st.sampled_from([660, 1300, 1900])))
    return (replace(prefill, **more), replace(decode, **more)), requests


@pytest.mark.parametrize("schedule", ["sglang", "tensorrt-llm"])
@settings(deadline=None, derandomize=True, max_examples=cases(40))
@given(
    draws=st.data(),
    token_bytes=st.sampled_from([2.0**10, 2.0**24, 2.0**26]),
    latency_s=st.sampled_from([0.0, 0.0625]),
    later=st.booleans(),
)
def test_other_engines_split_as_stepping_says(tmp_path_factory, schedule, draws, token_bytes, latency_s, later):
    both, requests = draws.draw(sides_of(schedule))
    asked, records = stepped_and_run(
        tmp_path_factory, both, requests, token_bytes, latency_s, later=later, schedule=schedule
    )
    assert records.start_s.tolist() == [a.start_s for a in asked]
    assert records.first_token_s.tolist() == [a.first_token_s for a in asked]
    assert records.finish_s.tolist() == [a.finish_s for a in asked]


@settings(deadline=None, derandomize=True, max_examples=cases(150))
@given(
    both=st.tuples(sides(), sides()),
    requests=requests_of_both,
    token_bytes=st.sampled_from([30011173.0, 70010309.0, 110021291.0]),  # no end of a transfer ties with an iteration's
    latency_s=st.sampled_from([0.0, 0.0625]),
    later=st.booleans(),
    bandwidth_of=st.sampled_from(["prefill", "decode", "cluster"]),
)
def test_shared_transfers_are_those_of_carrying_on_from_change_to_change(
    tmp_path_factory, both, requests, token_bytes, latency_s, later, bandwidth_of
):
    """A third of a bandwidth is rounded: equal to 1e-12."""
    asked, records = stepped_and_run(
        tmp_path_factory, both, requests, token_bytes, latency_s, later=later, bandwidth_of=bandwidth_of
    )
    assert records.start_s.tolist() == pytest.approx([float(a.start_s) for a in asked], rel=1e-12)
    assert records.first_token_s.tolist() == pytest.approx([float(a.first_token_s) for a in asked], rel=1e-12)
    assert records.finish_s.tolist() == pytest.approx([float(a.finish_s) for a in asked], rel=1e-12)


def test_a_trace_viewer_sees_prefill_transfer_and_decode(tmp_path):
    """The prefill ends at 0.25 and is no preemption; KV sets off then and is there at 0.5; tokens come until 1.25."""
    tracing.trace(parse(split(tmp_path, [0.0])), tmp_path / "trace.json", (0.0, 9.0))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    spans = [(e["name"], e["ts"] / 1e6, (e["ts"] + e["dur"]) / 1e6) for e in events if e["ph"] == "X"]
    assert spans == [("prefill 0", 0.0, 0.25), ("prefill 0", 0.5, 0.75), ("decode 0", 0.75, 1.25)]
    marks = [(e["name"], e["ts"] / 1e6) for e in events if e["ph"] == "i" and e["cat"] == "transfer"]
    assert marks == [("KV of 0 sets off", 0.25), ("KV of 0 is here", 0.5)]
    assert not any(e.get("cat") == "preemption" for e in events)


# ---- what cannot be ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"decode": {"role": "prefill", "kv_bytes_per_token": 1.0}}, "no pool with role = 'decode'"),
        ({"decode": {"role": "both"}}, "no pool with role = 'decode'"),
        *(
            ({side: change}, f"{expected} with role = {side!r}")
            for side in ("prefill", "decode")
            for change, expected in (
                ({"drafts": {"tokens": 2, "acceptance": 0.5}}, "drafts: speculative decoding is not modelled"),
                ({"lookahead": 1}, "lookahead = 1: is not modelled"),
            )
        ),
        ({"decode": {"schedule": "sglang"}}, "has pools with schedule = 'vllm' and 'sglang'; expected one"),
        (
            {"prefill": {"schedule": "sglang"}, "decode": {"prefix_cache": True, "schedule": "sglang"}},
            "keeps none where others prefill; expected it in pools that prefill",
        ),
        ({"prefill": {"kv_bytes_per_token": None}}, "kv_bytes_per_token: missing"),
        ({"cluster": {"dispatch": "shared_queue"}}, "cluster.dispatch = 'shared_queue'"),
        ({"router": {"V": 1e-2, "cost_estimate": "marginal"}}, "router.cost_estimate = 'marginal'"),
        ({"transfer": {"bandwidth_gb_per_s": 0.0}}, "bandwidth_gb_per_s"),
    ],
)
def test_what_does_not_go_with_roles_is_an_error(tmp_path, change, expected):
    with pytest.raises(ScenarioError) as caught:
        parse(split(tmp_path, [0.0], **change))
    assert expected in str(caught.value)


def test_too_long_for_either_pool_is_too_long(engine, tmp_path):
    for short in ({"prefill": {"kv_capacity_tokens": 9}}, {"decode": {"kv_capacity_tokens": 11}}):
        with pytest.raises(ScenarioError, match="too long"):
            run(split(tmp_path, [0.0], **short), engine)


def test_a_prompt_that_one_of_the_decoders_takes_goes_there(engine, tmp_path):
    """Prompts of 11 tokens at most beside answers of up to 90, and requests of 61 tokens at most: neither takes all."""

    def of(prompt, output):
        data = split(tmp_path, [0.0], prompt=prompt, output=output)
        kept = {"schedule": "tensorrt-llm", "kv_policy": "reserve"}
        prefill, decode = data["pools"]
        sides = [{"name": "long", "kv_capacity_tokens": 100, "max_new_tokens": 90}]
        sides.append({"name": "short", "kv_capacity_tokens": 60, "max_new_tokens": 20})
        data["pools"] = [prefill | {"schedule": "tensorrt-llm"}, *(decode | kept | side for side in sides)]
        return run(data, engine)

    assert of(11, 80).records.replica.tolist() == [1]
    assert of(30, 20).records.replica.tolist() == [2]
    with pytest.raises(ScenarioError, match="too long"):
        of(42, 20)


def test_transfers_are_told_beside_pools_that_do_both(engine, tmp_path):
    data = split(tmp_path, [0.0] * 8, router={"policy": "random"})
    data["models"].append({"name": "other", "satisfaction": 0.6})
    data["pools"].append({"model": "other", "name": "o", "coefficients": COEFFICIENTS, "max_num_seqs": 4})
    r = run(data, engine)
    crossed = int((r.records.model == 0).sum())
    assert 0 < crossed < 8
    assert (r.summary["transfers"]["begun"], r.summary["transfers"]["gigabytes"]) == (crossed, crossed)


def test_a_prefill_takes_what_some_decoder_of_its_model_takes(tmp_path):
    memories = {"a": (90, 40, 60), "b": (90, 1000)}
    data = split(tmp_path, [0.0])
    data["models"] = [{"name": name, "satisfaction": 0.5} for name in memories]
    prefill, decode = data["pools"]
    data["pools"] = [
        (decode if k else prefill) | {"name": f"{name}{k}", "model": name, "kv_capacity_tokens": memory}
        for name, sizes in memories.items()
        for k, memory in enumerate(sizes)
    ]
    most = {plan.name: max(tokens for tokens, _ in plan.reach) for plan in prepare(parse(data)).pools}
    assert most == {"a0": 61, "a1": 41, "a2": 61, "b0": 1001, "b1": 1001}  # and its last token, which needs no place


def test_what_is_ignored_is_noted(tmp_path):
    notes = notes_of(parse(split(tmp_path, [0.0], decode={"front_end_s": 0.01, "kv_bytes_per_token": 5.0})))
    assert any("pools.1.front_end_s: ignored with role = 'decode'" in line for line in notes)
    assert any("pools.1.kv_bytes_per_token: ignored" in line for line in notes)
    plain = scenario(cluster={"transfer": {"latency_s": 1.0}})
    assert any("cluster.transfer: ignored" in line for line in notes_of(parse(plain)))


def test_an_engine_gives_no_prefix_cache_to_what_decodes(tmp_path):
    both = {"engine": "vllm", "gpu": "H100"}
    prefill, decode = parse(split(tmp_path, [0.0], prefill=both, decode=both)).fleet
    assert (prefill.prefix_cache, decode.prefix_cache) == (True, False)


def test_check_names_no_batch_where_sides_are_split(tmp_path):
    """A record holds the whole time of a request, which is no measure of either side."""
    result = check(parse(split(tmp_path, [0.0, 0.1, 0.2])))
    assert [(p["batch"], p["thin"]) for p in result["pools"]] == [(None, False)] * 2
    assert result["rate_rps"] is not None
    assert [p["offered_rps"] for p in result["pools"]] == [result["rate_rps"]] * 2  # each request passes both


def test_a_loaded_side_is_reckoned_with_at_the_pace_of_the_slower(tmp_path):
    """Each request passes both sides: 4 + 4 places, at the lesser of the two rates."""
    setup = prepare(parse(split(tmp_path, [0.0, 1.0])))
    looks_at_loads = SimpleNamespace(needs={"loads"})
    known = knowledge_of(setup.scenario, setup.workload, setup.pools, setup.costs, looks_at_loads)
    (turnover_s,) = known.turnover_s
    rates = [saturation_rps(pool, PROMPT, OUTPUT) for pool in setup.pools]
    assert rates[0] != rates[1]
    assert turnover_s == pytest.approx(8 / min(rates))


def test_a_pool_grows_for_requests_that_only_it_can_decode(engine, tmp_path):
    """The first pool that decodes has too little memory for any of them, and neither is up at the start."""
    autoscale = BY_TARGET | {"min_replicas": 0, "initial_replicas": 0, "period_s": 0.5, "cold_start": AT_ONCE}
    data = split(tmp_path, [0.0, 0.0], decode={"autoscale": autoscale, "kv_capacity_tokens": PROMPT})
    data["pools"].append(data["pools"][1] | {"name": "large", "kv_capacity_tokens": 100})
    r = run(data, engine)
    assert r.summary["requests"]["completed"] == 2
    assert r.records.replica.tolist() == [2, 2]


@pytest.mark.parametrize(
    ("rule", "decoding", "roles", "ignored"),
    [
        ("prefix_affinity", None, True, False),
        ("random", None, True, True),
        ("random", "least_loaded", False, True),
        ("least_loaded", None, False, False),
    ],
)
def test_ties_matter_on_either_side(tmp_path, rule, decoding, roles, ignored):
    cluster = {"dispatch": rule, "ties": "random"} | ({"transfer": {"dispatch": decoding}} if decoding else {})
    data = split(tmp_path, [0.0], cluster=cluster) if roles else scenario(cluster=cluster)
    assert any(note.startswith("cluster.ties: ignored") for note in notes_of(parse(data))) == ignored


@pytest.mark.parametrize(
    ("bandwidth_of", "carries"), [("transfer", None), ("cluster", 4), ("decode", 8), ("prefill", 12)]
)
def test_check_tells_a_network_that_gets_more_than_it_carries(tmp_path, bandwidth_of, carries):
    """20 requests a second with 10 tokens of 100 MB each are 20 GB/s."""
    sizes = {"prefill": {"replicas": 3}, "decode": {"replicas": 2}}
    spec = parse(split(tmp_path, np.arange(200) / 20.0, transfer={"bandwidth_of": bandwidth_of}, **sizes))
    checked = check(spec)
    network = [line for line in checked["problems"] if line.startswith("transfers of KV")]
    assert [line.split(" (")[0] for line in network] == (
        [] if carries is None else [f"transfers of KV: get 20 GB/s and can carry {carries}"]
    )
    assert checked["other_problems"] == network
    wide = {"bandwidth_of": bandwidth_of, "bandwidth_gb_per_s": 21.0}
    assert check(parse(split(tmp_path, np.arange(200) / 20.0, transfer=wide, **sizes)))["other_problems"] == []


def test_the_plan_bounds_what_a_network_carries(tmp_path):
    """Of 200 requests in 10 s a network with 4 GB/s lets some 50 cross in time; half are asked for."""
    times = np.arange(200) / 20.0
    wanted = [Requirement.parse("latency_s.ttft.p50<1")]
    judged = []
    for transfer in ({}, {"bandwidth_of": "cluster"}, {"bandwidth_of": "cluster", "bandwidth_gb_per_s": 20.0}):
        spec = parse(split(tmp_path, times, transfer=transfer) | {"requests": 200})
        judged.append(Carrying(spec, [row_of(spec, summary_of(spec))], wanted).enough({"p": 5, "d": 5}))
    assert judged == [True, False, True]
