"""What `check` says before a run, piece by piece and at its edges: load, promises, links, workers, long prompts."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from builders import ALWAYS, NEVER, api, model, pool, scenario

from messsim.engines import prepare
from messsim.scenario import parse
from messsim.scenario.transfer import Transfer
from messsim.study.simulation import check as checking
from messsim.study.simulation.check import check


def settings(**changes):
    return prepare(parse(scenario(**changes)))


# ---- problems, and what is just none --------------------------------------------------------------------


def of_load(load, name="p"):
    return {"name": name, "load": load, "offered_rps": 3.0, "capacity_rps": 2.5}


def test_a_pool_is_overloaded_above_its_capacity_not_at_it():
    assert checking._overloaded([of_load(None), of_load(0.999), of_load(1.0)]) == []
    lines = checking._overloaded([of_load(1.0001, "a"), of_load(0.5), of_load(1.2, "b")])
    assert lines == [f"pool {name}: gets 3 requests/s and sustains 2.5" for name in "ab"]


def promised(name, *, reachable, alpha=0.9):
    return {"tenant": name, "alpha": alpha, "best_model": 0.6, "any_model": 0.75, "most": 0.75, "reachable": reachable}


def test_a_promise_out_of_reach_names_its_tenant_among_several():
    line = "out of reach: all models together satisfy 75.00%"
    assert checking._broken_promises([promised("all", reachable=True)]) == []
    assert checking._broken_promises([promised("all", reachable=False)]) == [f"sla.alpha = 0.9: {line}"]
    two = [promised("gold", reachable=False, alpha=0.85), promised("free", reachable=True)]
    assert checking._broken_promises(two) == [f"sla.alpha = 0.85 of tenant gold: {line}"]


@pytest.mark.parametrize(
    ("alpha", "single", "reachable"),
    [(0.5, "small", True), (1.0, "large", True)],
)
def test_a_promise_names_the_single_model_that_keeps_it(alpha, single, reachable):
    """`small` satisfies nobody or, at 0.5, enough; `large` everybody, at ten times the cost."""
    models = [model("small", 0.5, cost_per_request=1.0), model("large", ALWAYS, cost_per_request=10.0)]
    (promise,) = checking._promises(settings(models=models, sla={"alpha": alpha}))
    assert (promise["single_model"], promise["reachable"]) == (single, reachable)
    assert promise["best_model"] == pytest.approx(1.0)
    assert promise["any_model"] == pytest.approx(1.0)


def test_a_promise_that_no_model_keeps_has_no_single_one():
    models = [model("a", NEVER), model("b", 0.5)]
    (promise,) = checking._promises(settings(models=models, sla={"alpha": 0.9}))
    assert promise["single_model"] is None
    assert not promise["reachable"]
    assert promise["best_model"] == pytest.approx(0.5)


OUTCOMES = "a,b,feature__x,prompt_tokens,cost__a,cost__b\n1,0,0,10,1,2\n0,1,1,2000,1,2\n0,1,1,2000,1,2\n1,0,0,10,1,2\n"


def of_table(tmp_path, *, features="none", **changes):
    """Two models of which each is right on half of the rows, the one where the other is wrong."""
    (tmp_path / "t.csv").write_text(OUTCOMES)
    models = [model(n, None, column=n, cost_per_request=cost) for n, cost in (("a", 1.0), ("b", 2.0))]
    law = {"kind": "table", "file": str(tmp_path / "t.csv")} | changes.pop("satisfaction", {})
    base = {"models": models, "satisfaction": law, "features": {"kind": features}, "sla": {"alpha": 0.6}}
    return settings(**base | changes)


def test_what_no_router_can_tell_apart_bounds_what_it_satisfies(tmp_path):
    """By item response theory the ablest model is the best at every difficulty, whatever features say of it."""
    laws = [{"kind": "none"}, {"kind": "difficulty", "signal": 0.0}, {"kind": "difficulty", "signal": 1.0}]
    made = [settings(sla={"alpha": 0.82}, features=law) for law in laws] + [of_table(tmp_path)]
    for setup, best, alpha in zip(made, [0.8, 0.8, 0.8, 0.5], ["0.82"] * 3 + ["0.6"], strict=True):
        (promise,) = checking._promises(setup)
        assert promise["most"] == pytest.approx(best)
        assert promise["any_model"] > promise["alpha"]
        assert checking._broken_promises([promise]) == [
            f"sla.alpha = {alpha}: out of reach: the best model satisfies {best:.2%}, and nothing that a router sees "
            "tells where another satisfies more often"
        ]


@pytest.mark.parametrize("mean", [0.5, 0.55, 0.7, 0.9])
def test_the_best_answer_of_one_model_is_its_own(mean):
    """Both are sums of their own, and differ by a last bit."""
    (promise,) = checking._promises(settings(models=[model("a", mean)], sla={"alpha": 0.95}))
    line = f"sla.alpha = 0.95: out of reach: all models together satisfy {mean:.2%}"
    assert checking._broken_promises([promise]) == [line]


def test_where_phases_have_a_best_model_each_no_single_one_is_named():
    """Each is the best for half of the run, and 0.8 is the mean of neither."""
    phases = [{"from_request": 20, "satisfaction": {"a": 0.4, "b": 0.8}}]
    models = [model("a", 0.8), model("b", 0.4)]
    (promise,) = checking._promises(settings(models=models, phases=phases, requests=40, sla={"alpha": 0.85}))
    assert promise["best_model"] == pytest.approx(0.6)
    assert checking._broken_promises([promise]) == [
        "sla.alpha = 0.85: out of reach: the best model of each phase satisfies 80.00%, and nothing that a router sees "
        "tells where another satisfies more often"
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"features": "table"},
        {"satisfaction": {"costs": "cost__{column}"}},
        {"satisfaction": {"order": "file"}},
        {"tokens": {"prompt": {"kind": "table"}}},
        {"router": {"policy": "oracle"}},
    ],
)
def test_what_a_router_may_tell_apart_does_not(tmp_path, changes):
    (promise,) = checking._promises(of_table(tmp_path, **changes))
    assert promise["most"] == promise["any_model"] == 1.0
    assert promise["reachable"]


# ---- promises to tenants whose requests a trace names ------------------------------------------------------


def promises_of(tmp_path, asks, **changes):
    return checking._promises(of_asks(tmp_path, asks, **changes))


def of_asks(tmp_path, asks, **changes):
    """Promises to x and y, 0.3 and 0.85; `asks` has a letter for each row of the trace."""
    (tmp_path / "who.csv").write_text("arrival_s,who\n" + "".join(f"{k},{who}\n" for k, who in enumerate(asks)))
    trace = {"kind": "trace", "rate_rps": None, "file": str(tmp_path / "who.csv"), "columns": {"tenant": "who"}}
    tenants = [{"name": "x", "alpha": 0.3}, {"name": "y", "alpha": 0.85}]
    base = {"models": [model("a", 0.5), model("b", 0.6)], "arrivals": trace, "requests": len(asks)}
    return settings(**base | {"tenants": tenants} | changes)


@pytest.mark.parametrize("asks", ["x" * 20 + "y" * 20, "x" * 21 + "y" * 19, "y" * 20 + "x" * 20, "xy" * 20])
def test_a_promise_is_judged_by_the_phases_in_which_its_tenant_asks(tmp_path, asks):
    phases = [{"from_request": 20, "satisfaction": {"b": 0.97}}]
    _, y = promises_of(tmp_path, asks, phases=phases)
    means = [0.6 if k < 20 else 0.97 for k, who in enumerate(asks) if who == "y"]
    assert y["most"] == y["best_model"] == pytest.approx(sum(means) / len(means))
    assert y["reachable"] == (y["most"] > 0.85)
    assert y["single_model"] == ("b" if y["reachable"] else None)


def test_a_trace_of_tenants_that_comes_again_counts_as_often(tmp_path):
    phases = [{"from_request": 60, "satisfaction": {"b": 0.97}}]
    _, y = promises_of(tmp_path, "x" * 20 + "y" * 20, phases=phases, requests=130)  # y: 20 to 39, 60 to 79, 100 to 119
    assert y["most"] == pytest.approx((20 * 0.6 + 40 * 0.97) / 60)


def test_in_a_gradual_change_a_tenant_has_what_is_there_when_it_asks(tmp_path):
    phases = [{"from_request": 0, "over_requests": 32, "satisfaction": {"b": 0.97}}]
    x, y = promises_of(tmp_path, "x" * 16 + "y" * 16, phases=phases)
    assert x["most"] < 0.82 < 0.86 < y["most"]
    whole = settings(models=[model("a", 0.5), model("b", 0.6)], phases=phases, requests=32).workload.most_satisfied()
    assert (x["most"] + y["most"]) / 2 == pytest.approx(whole)


@pytest.mark.parametrize("requests", [3, 4, 6, 12])
def test_of_a_table_in_its_order_a_tenant_has_the_rows_that_it_asks_for(tmp_path, requests):
    """Four requests of a trace, six rows of a table: x asks for 0, 1, 4, 5, 2, 3 and y for 2, 3, 0, 1, 4, 5."""
    (tmp_path / "t.csv").write_text("a,b\n0,0\n0,0\n1,0\n0,1\n1,0\n1,0\n")
    law = {"kind": "table", "file": str(tmp_path / "t.csv"), "order": "file"}
    models = [model("a", None, column="a", cost_per_request=1.0), model("b", None, column="b", cost_per_request=2.0)]
    made = promises_of(tmp_path, "xxyy", models=models, satisfaction=law, requests=requests, features={"kind": "none"})
    rows = {"x": [0, 1, 4, 5, 2, 3], "y": [2, 3, 0, 1, 4, 5]}
    satisfied = [0, 0, 1, 1, 1, 1]
    for promise in made:
        who = promise["tenant"]
        mine = rows[who][: sum("xxyy"[k % 4] == who for k in range(requests))]
        assert promise["most"] == pytest.approx(sum(satisfied[row] for row in mine) / len(mine))


@pytest.mark.parametrize(("asks", "count"), [("x" * 20 + "y" * 20, 0), ("y" * 20 + "x" * 20, 1)])
def test_a_note_on_a_promise_looks_at_the_requests_of_its_tenant(tmp_path, asks, count):
    notes = of_asks(tmp_path, asks, phases=[{"from_request": 20, "satisfaction": {"b": 0.97}}]).notes
    noted = [note for note in notes if note.startswith("alpha = 0.85 is above the best model's mean satisfaction 0.6:")]
    assert len(noted) == len([note for note in notes if note.startswith("alpha")]) == count


def test_a_promise_to_nobody_is_not_out_of_reach(tmp_path):
    assert [p["reachable"] for p in promises_of(tmp_path, "x" * 20)] == [True, True]


@pytest.mark.parametrize(
    ("router", "gets", "problems"),
    [
        ({"decision_s": 0.5, "workers": 1}, 2.0, []),  # decides exactly 2 a second
        ({"decision_s": 0.5, "workers": 1}, 2.001, ["router: gets 2.001 requests/s and decides 2"]),
        ({"decision_s": 0.5, "workers": 2}, 3.9, []),
        ({"decision_s": 0.5, "workers": 2}, 4.1, ["router: gets 4.1 requests/s and decides 4"]),
        ({"decision_s": 0.5, "workers": 1, "instances": 3}, 5.9, []),
        ({"decision_s": 0.5, "workers": 1, "instances": 3}, 6.5, ["router: gets 6.5 requests/s and decides 6"]),
        ({"decision_s": 0.5, "workers": 0}, 1e6, []),  # each decision has a worker of its own
        ({"decision_s": 0.0, "workers": 1}, 1e6, []),
        ({}, 1e6, []),
    ],
)
def test_a_router_is_overloaded_by_its_mean_decision(router, gets, problems):
    setup = settings(router=router)
    pools = [{"offered_rps": None} for _ in setup.pools]
    assert checking._overloaded_workers(setup, pools, SimpleNamespace(mean_rps=gets, peak_rps=1e9)) == problems
    assert checking._overloaded_workers(setup, pools, None) == []


@pytest.mark.parametrize(("offered", "over"), [(None, False), (8.0, False), (8.01, True)])
def test_front_ends_are_those_of_all_replicas(offered, over):
    """Two replicas with a front end of two workers each, half a second a request: 8 a second."""
    serving = {"replicas": 2, "front_end_s": 0.5, "front_end_workers": 2}
    setup = settings(models=[model("small", **serving), model("large")])
    pools = [{"offered_rps": offered}, {"offered_rps": 1e9}]  # the other has no front end
    expected = ["pool small: gets 8.01 requests/s and its front ends pass 8"] if over else []
    assert checking._overloaded_workers(setup, pools, None) == expected


@pytest.mark.parametrize(("workers", "mean_s", "rate"), [(4, 0.5, 8.0), (1, 2.0, 0.5), (3, 0.0, math.inf)])
def test_so_many_workers_do_so_many_a_second(workers, mean_s, rate):
    assert checking._rate(workers, mean_s) == rate


# ---- networks -------------------------------------------------------------------------------------------


def split_setup(transfer, models=1, prompt_tokens=100.0):
    """Pools that prefill (2 replicas) and decode (3) for each model, a gigabyte of KV for 1,000 tokens."""
    plans = [
        SimpleNamespace(model=m, role=role, replicas=n, kv_bytes_per_token=1e6, name=f"{role}{m}")
        for m in range(models)
        for role, n in (("prefill", 2), ("decode", 3))
    ]
    names = [f"m{m}" for m in range(models)]
    return SimpleNamespace(
        scenario=SimpleNamespace(
            cluster=SimpleNamespace(transfer=Transfer(**transfer)), models=names, model_names=names
        ),
        pools=plans,
        workload=SimpleNamespace(mean_prompt_tokens=lambda: prompt_tokens),
    )


@pytest.mark.parametrize(
    ("whose", "offered", "line"),
    [
        ("cluster", 10.0, None),  # 100 tokens are 0.1 GB: 1 GB/s, all there is
        ("cluster", 10.5, "get 1.05 GB/s and can carry 1 (cluster.transfer.bandwidth_gb_per_s of the cluster)"),
        ("prefill", 20.0, None),
        ("prefill", 20.5, "get 2.05 GB/s and can carry 2 (cluster.transfer.bandwidth_gb_per_s of each replica that "
                          "prefills)"),
        ("decode", 30.0, None),
        ("decode", 30.5, "get 3.05 GB/s and can carry 3 (cluster.transfer.bandwidth_gb_per_s of each that decodes)"),
        ("transfer", 1e9, None),
    ],
)  # fmt: skip
def test_networks_carry_so_many_bytes_a_second(whose, offered, line):
    setup = split_setup({"bandwidth_gb_per_s": 1.0, "bandwidth_of": whose})
    pools = [{"offered_rps": offered}, {"offered_rps": 1e12}]  # what decodes sends nothing on
    assert checking._overloaded_links(setup, pools) == ([] if line is None else [f"transfers of KV: {line}"])


def test_a_network_of_one_model_among_several_is_named_by_it():
    setup = split_setup({"bandwidth_gb_per_s": 1.0, "bandwidth_of": "prefill"}, models=2)
    pools = [{"offered_rps": rps} for rps in (None, None, 25.0, None)]
    (line,) = checking._overloaded_links(setup, pools)
    assert line.startswith("transfers of KV of m1: get 2.5 GB/s and can carry 2 ")
    shared = split_setup({"bandwidth_gb_per_s": 1.0, "bandwidth_of": "cluster"}, models=2)
    assert checking._overloaded_links(shared, [{"offered_rps": rps} for rps in (5.0, None, 5.0, None)]) == []
    assert checking._overloaded_links(shared, [{"offered_rps": rps} for rps in (None, None, 10.0, None)]) == []
    (line,) = checking._overloaded_links(shared, [{"offered_rps": rps} for rps in (5.0, None, 6.0, None)])
    assert line.startswith("transfers of KV: get 1.1 GB/s and can carry 1 ")


# ---- pools ----------------------------------------------------------------------------------------------


def probed(shares, explored=0, arrived=100):
    return {
        "models": [{"share": share, "utilization": 0.25} for share in shares],
        "requests": {"explored": explored, "arrived": arrived},
    }


RATES = SimpleNamespace(mean_rps=10.0, peak_rps=40.0)


def test_a_pool_gets_its_models_share_of_all_requests():
    setup = settings()
    small, large = (checking._pool(setup, p, probed([0.75, 0.25]), RATES, [3.0, 8.0]) for p in setup.pools)
    assert (small["offered_rps"], large["offered_rps"]) == (7.5, 2.5)
    assert small["load"] == pytest.approx(7.5 / small["capacity_rps"])
    assert small["peak_load"] == pytest.approx(30.0 / small["capacity_rps"])
    assert (small["batch"], small["thin"], large["batch"], large["thin"]) == (3.0, True, 8.0, False)
    assert small["kv_capacity_tokens"] is None
    assert small["utilization_in_probe"] == 0.25


def test_exploring_goes_to_all_models_but_the_reference():
    setup = settings(router={"explore": "all"})
    reference = setup.scenario.reference
    probe = probed([0.5, 0.5], explored=20)
    offered = [checking._pool(setup, p, probe, RATES, [None, None])["offered_rps"] for p in setup.pools]
    expected = [5.0 if m == reference else 7.0 for m in range(2)]
    assert offered == pytest.approx(expected)
    chosen = settings(router={"explore": "chosen"})
    offered = [checking._pool(chosen, p, probe, RATES, [None, None])["offered_rps"] for p in chosen.pools]
    assert offered == [5.0, 5.0]


def test_capacity_is_that_of_all_replicas_and_of_an_api_unknown():
    setup = settings(models=[model("m"), model("n", replicas=3)])
    three = checking._pool(setup, setup.pools[1], probed([0.7, 0.3]), RATES, [1.0, 1.0])
    assert three["capacity_rps"] == pytest.approx(3 * checking.sustained_rps(setup, setup.pools[1]))
    assert (three["replicas"], three["gpus"]) == (3, 3)
    hired = settings(
        models=[model("m"), {"name": "n", "satisfaction": 0.9, **api()}],
        cost={"unit": "USD", "usd_per_gpu_hour": {"GPU": 1.0}},
    )
    far = checking._pool(hired, hired.pools[1], probed([0.5, None]), RATES, [2.0, 2.0])
    assert [far[k] for k in ("capacity_rps", "load", "peak_load", "batch")] == [None] * 4
    assert not far["thin"]
    assert far["offered_rps"] == 0.0


def test_without_rates_nothing_is_said_of_load():
    setup = settings()
    unknown = checking._pool(setup, setup.pools[0], probed([0.5, 0.5]), None, [None, None])
    assert [unknown[k] for k in ("offered_rps", "load", "peak_load", "batch")] == [None] * 4
    assert not unknown["thin"]


def test_a_pool_that_grows_and_shrinks_is_not_called_thin():
    grows = {"rule": "target", "target": 2.0, "min_replicas": 1}
    two = [{"name": "m", "satisfaction": 0.5}, {"name": "n", "satisfaction": 0.8}]
    setup = settings(models=two, pools=[pool("m", replicas=3, autoscale=grows), pool("n")])
    m, n = (checking._pool(setup, p, probed([0.5, 0.5]), RATES, [2.0, 2.0]) for p in setup.pools)
    assert (m["thin"], n["thin"]) == (False, True)


# ---- long prompts, and all of it ------------------------------------------------------------------------


def test_requests_that_are_too_long_are_counted_for_all_and_for_some():
    """Prompts of about 8 tokens and answers of 1: 6 hold a prompt of 5."""
    law = {"kind": "geometric", "mean": 8.0, "max": 40}
    limits = [model("short", max_model_len=6), model("long", max_model_len=16)]
    setup = settings(requests=2_000, tokens={"prompt": law, "output": 1}, models=limits)
    prompts = setup.workload.columns(0, 2_000).prompt_tokens
    nobody, short = int((prompts > 15).sum()), int((prompts > 5).sum())
    assert 0 < nobody < short
    assert checking._too_long(setup) == [
        f"too long: {nobody:,} of the first 2,000 requests for every model, and turned away",
        f"too long: {short:,} of the first 2,000 requests for short, {short - nobody:,} of which go to other models",
    ]
    assert checking._too_long(settings()) == []


def test_the_first_requests_are_at_most_two_thousand():
    few, many = (check(parse(scenario(requests=n)))["expect"]["probe_requests"] for n in (30, 2_500))
    assert (few, many) == (30, 2_000)


def test_time_is_expected_by_the_speed_of_the_first_requests(monkeypatch):
    real = checking._probe

    def probe(setup):
        summary, _, batches = real(setup)
        summary["performance"]["requests_per_s"] = 50.0
        return summary, 0.125, batches

    monkeypatch.setattr(checking, "_probe", probe)
    checked = check(parse(scenario(requests=400)))
    assert (checked["expect"]["wall_s"], checked["expect"]["probe_wall_s"]) == (8.0, 0.125)
    assert checked["requests"] == 400
    assert (checked["rate_rps"], checked["peak_rate_rps"]) == (2.0, pytest.approx(2.0))
    assert checked["mean_prompt_tokens"] == 1.0
    assert [m["name"] for m in checked["models"]] == ["small", "large"]
    assert [m["mean_output_tokens"] for m in checked["models"]] == [3.0, 3.0]
    assert [m["satisfaction"] for m in checked["models"]] == pytest.approx([0.4, 0.8], abs=0.01)


def test_a_known_cost_is_told_and_an_unknown_one_is_none():
    costs = [model("a", cost_per_request=2.5), model("b", cost_per_request=0.5)]
    assert [m["known_cost"] for m in checking._models(settings(models=costs))] == [2.5, 0.5]
    setup = settings()
    setup.costs.means = [np.nan, 3.0]
    assert [m["known_cost"] for m in checking._models(setup)] == [None, 3.0]


JUDGED = {"slo": {"ttft_s": 1.0}}
TENANTS = [{"name": "a"}, {"name": "b", "objectives": {"ttft_s": 0.5}}]
IMPATIENT = {"clients": {"patience_s": 9.0, "until": "first_token"}, "feedback": {"delay": 0}}


@pytest.mark.parametrize(
    ("served", "judged", "count"),
    [
        ({}, JUDGED, 1),
        ({}, {"tenants": TENANTS}, 1),
        ({}, IMPATIENT, 1),
        ({}, {}, 0),  # nobody asks for the first token
        ({}, {"slo": {"e2e_s": 20.0}, "clients": {"until": "first_token"}}, 0),
        ({"engine": "vllm"}, JUDGED, 0),
        ({"front_end_s": 0.01}, JUDGED, 0),
        ({"schedule": "sglang"}, JUDGED, 0),
    ],
)
def test_a_real_gpu_without_an_engine_is_told_where_first_tokens_are_judged(served, judged, count):
    """A profile times kernels: who names no engine gets a first token with no front end before it."""
    of_profile = model("8b", 0.5, profile="Llama-3.1-8B", gpu="H100", coefficients=None, **served)
    made = parse(scenario(requests=20, models=[of_profile, model("own", 0.8)], **judged))
    notes = [n for n in check(made)["notes"] if "engine" in n]
    assert len(notes) == count
    assert all(n.startswith("8b: no engine is named") for n in notes)


# ---- the busiest minute ---------------------------------------------------------------------------------------------


def rush(tmp_path, rows, **changes):
    """What `check` says of the pool of one model that serves the rows (time, prompt, answer) of a trace."""
    lines = ["arrival_s,prompt_tokens,output_tokens", *(",".join(map(str, row)) for row in rows)]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    trace = {"kind": "trace", "rate_rps": None, "file": str(tmp_path / "t.csv")}
    tokens = {"prompt": {"kind": "trace"}, "output": {"kind": "trace"}}
    made = scenario(**{"arrivals": trace, "tokens": tokens, "models": [model("a", 0.8)], "requests": None} | changes)
    return check(parse(made))["pools"][0]


@pytest.mark.parametrize("long", ["first", "last"])
def test_the_busiest_minute_is_judged_by_the_lengths_that_come_in_it(tmp_path, long):
    """Sixty requests in one minute, thirty in the next: where the long answers are is the higher load."""
    burst = [(k, 1, 30) for k in range(60)]
    rest = [(60 + k, 1, 3) for k in range(0, 60, 2)]
    if long == "last":
        burst, rest = [(t, p, 3) for t, p, _ in burst], [(t, p, 30) for t, p, _ in rest]
    ends = [(180, 1, 3)]
    mixed, alone = rush(tmp_path, [*burst, *rest, *ends]), rush(tmp_path, [(k, 1, 30) for k in range(60)])
    rate_rps = {"first": 1.0, "last": 0.5}[long]
    assert mixed["peak_load"] == pytest.approx(rate_rps / alone["capacity_rps"])


def test_a_trace_of_a_minute_has_no_busier_one(tmp_path):
    pool = rush(tmp_path, [(k, 1, 3 + 30 * (k < 20)) for k in range(60)])
    assert pool["peak_load"] == pytest.approx(pool["load"], rel=1 / 50)


TWO_BURSTS = [(t, 1, 30) for t in [*(0.5 * k for k in range(50)), *(75 + 0.5 * k for k in range(50))]]  # 99.5 s


def test_the_busiest_minute_has_at_least_the_mean_load(tmp_path):
    """Fifty requests in the first minute and fifty in the part of one that follows, of which none comes a minute on."""
    pool = rush(tmp_path, TWO_BURSTS)
    assert pool["peak_load"] == pool["load"]


@pytest.mark.parametrize("block", [65_536, 64])
def test_the_busiest_minute_may_be_one_in_which_the_trace_begins_again(tmp_path, block, monkeypatch):
    """It comes again after 100.5 s and 201: from 180 to 240 s there are 41 and 50 requests."""
    period_s = 99.5 + 99.5 / 99
    counts = np.bincount([int((t + k * period_s) // 60) for k in range(3) for t, *_ in TWO_BURSTS])
    assert (counts.max(), counts.argmax()) == (91, 3)
    monkeypatch.setattr("messsim.workload.expectations.BLOCK", block)
    pool = rush(tmp_path, TWO_BURSTS, requests=300)
    assert pool["peak_load"] == pytest.approx(91 / 60 / pool["capacity_rps"])


def test_minutes_across_repetitions_have_the_lengths_that_come_in_them(tmp_path):
    """Half of the requests are long: at the end of the trace and at its beginning, which come in one minute."""
    rows = [(t, 1, 30 if t < 20 or t >= 80 else 3) for t in range(100)]
    long = rush(tmp_path, [(k, 1, 30) for k in range(60)])
    pool = rush(tmp_path, rows, requests=200)
    assert pool["peak_load"] > 0.6 / long["capacity_rps"] > pool["load"]
