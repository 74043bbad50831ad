"""Parts of `verify` without a run: formulas at values known by heart, what is read off records, and verdicts."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from messsim.errors import ScenarioError
from messsim.study.verify import measures as seen
from messsim.study.verify import theory, verify
from messsim.study.verify.cases import Case, Experiment, experiments
from messsim.study.verify.measures import Figure, Observed
from messsim.study.verify.queues import queue, slower
from messsim.study.verify.verification import _observed, _Setting, _Task, _verdict

# ---- formulas -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (theory.erlang_b(0, 2.0), 1.0),
        (theory.erlang_b(1, 1.0), 1 / 2),
        (theory.erlang_b(2, 1.0), 1 / 5),  # 1/2 over 1 + 1 + 1/2
        (theory.erlang_b(2, 2.0), 2 / 5),  # 2 over 1 + 2 + 2
        (theory.erlang_c(1, 0.25), 0.25),
        (theory.erlang_c(2, 1.0), 1 / 3),
        (theory.mmc_wait_s(1, 0.5, 2.0), 2.0),  # rho s / (1 - rho)
        (theory.mmc_wait_s(2, 1.0, 3.0), 1.0),  # C s / (c - a)
        (theory.mg1_wait_s(0.5, 2.0, 0.0), 1.0),
        (theory.mg1_wait_s(0.5, 2.0, 1.0), 2.0),
        (theory.mg1_wait_s(0.75, 1.0, 3.0), 6.0),
        (theory.mm1_response_quantile_s(0.5, 2.0, 1.0 - math.exp(-1.0)), 4.0),
        (theory.departures_scv(0.5, 1.0), 1.0),
        (theory.departures_scv(0.5, 3.0), 1.5),
        (theory.departures_scv(0.5, 0.0), 0.75),
        (theory.ps_response_s(0.75, 2.0), 8.0),
        (theory.retrial_attempts(0.5, 2.0, 4.0), 2.5),
        (theory.retrial_wait_s(0.5, 2.0, 4.0), 6.0),
        (theory.gamma_m1_wait_s(0.5, 1.0, 3.0), 3.0),  # gaps of cv 1 are exponential: M/M/1
        (theory.cached_share(4, 0.0, 2), 0.5),  # items alike: half of them are there
    ],
)
def test_formulas_at_values_that_are_known_by_hand(value, expected):
    assert value == pytest.approx(expected)


def test_priorities_by_hand():
    # loads 1/4 and 1/2: (1 - a)(1 - b) is 3/4 for the first and 3/4 x 1/4 for the second
    assert theory.mm1_priority_response_s([0.25, 0.5], 3.0) == pytest.approx([4.0, 16.0])
    assert theory.mm1_priority_wait_s([0.25, 0.5], 3.0) == pytest.approx([3.0, 12.0])
    assert theory.mm1_priority_wait_s([0.5], 1.0) == pytest.approx([1.0])


def test_a_queue_of_limited_places_by_hand():
    # M/M/1/2 at load 1: all of 0, 1, 2 with 1/3; waiting 1/3 at the rate 2/3
    assert theory.mmck(1, 2, 1.0, 4.0) == pytest.approx((1 / 3, 2.0))
    # M/M/2/2: nobody waits; 1, 1, 1/2
    assert theory.mmck(2, 2, 1.0, 4.0) == pytest.approx((1 / 5, 0.0))
    # M/M/1/3 at load 2: 1, 2, 4, 8 of 15; waiting 4/15 + 2 x 8/15, rate 2 x 7/15
    assert theory.mmck(1, 3, 2.0, 1.0) == pytest.approx((8 / 15, (20 / 15) / (14 / 15)))


def test_machine_repair_by_hand():
    # one client never waits; two clients of equal think and service: 1, 2, 2 of 5, so busy 4/5
    assert theory.machine_repair_response_s(1, 1, 4.0, 2.0) == pytest.approx(2.0)
    assert theory.machine_repair_response_s(1, 2, 2.0, 2.0) == pytest.approx(2 * 2.0 / 0.8 - 2.0)
    assert theory.machine_repair_response_s(2, 2, 2.0, 2.0) == pytest.approx(2.0)


def test_setups_add_their_mean_to_a_single_server():
    # M/M/1 with exponential setups: T = s / (1 - rho) + setup
    assert theory.mmc_setup_response_s(1, 0.5, 2.0, 3.0) == pytest.approx(4.0 + 3.0)
    assert theory.mmc_setup_response_s(2, 0.5, 1.0, 1e-6) == pytest.approx(
        theory.mmc_wait_s(2, 0.5, 1.0) + 1.0, rel=1e-4
    )


def test_patience_by_hand():
    # M/M/1+M at load 1, patience as long as a service: k go at the rate k, so that the number there is Poisson of mean
    # 1, and the mean number that wait 1 - (1 - 1/e)
    assert theory.gave_up(1, 1.0, 1.0, 1.0, False) == pytest.approx(math.exp(-1.0))
    assert theory.gave_up(4, 4.0, 1.0, 1e9, False) < 0.001
    # M/M/1+D at load 1: the share is rho / (2 + patience)
    assert theory.gave_up_after(1.0, 1.0, 2.0) == pytest.approx(1 / 4)
    assert theory.gave_up_after(0.5, 1.0, 0.0) == pytest.approx(theory.erlang_b(1, 0.5))
    assert theory.gave_up_after(0.999_999, 1.0, 2.0) == pytest.approx(1 / 4, rel=1e-5)


# ---- what is read off a run -----------------------------------------------------------------------------


def run(records=None, summary=None, **outcome):
    arrays = {name: np.array(values) for name, values in (records or {}).items()}
    return Observed(summary or {}, SimpleNamespace(**outcome), arrays)


REQUESTS = {"arrived": 8, "rejected": 2, "timed_out": 1, "attempts": 12}


def test_shares_of_requests():
    made = run(summary={"requests": REQUESTS, "energy": {"total_j": 20.0}})
    assert seen.blocked(made) == 0.25
    assert seen.gave_up(made) == 0.125
    assert seen.attempts(made) == 1.5
    assert seen.joules_per_request(made) == 2.5
    assert seen.joules_per_request(run(summary={"requests": REQUESTS, "energy": {"total_j": None}})) == 0.0


def test_a_figure_is_read_by_its_path():
    assert Figure("sla.queue")(run(summary={"sla": {"queue": 3}})) == 3.0
    with pytest.raises(AssertionError, match=r"sla\.queue is null"):
        Figure("sla.queue")(run(summary={"sla": {"queue": None}}))


def test_who_waited_is_counted_without_the_first_twentieth():
    arrival = np.arange(40.0)
    start = arrival.copy()
    start[[0, 1, 2, 30]] += 1.0
    assert seen.waited(run({"arrival_s": arrival, "start_s": start})) == pytest.approx(2 / 38)


def test_means_of_a_tenant_are_without_its_first_twentieth():
    tenant = np.array([0, 1] * 20)
    finish = np.arange(40.0) + np.where(tenant == 1, 3.0, 7.0)
    finish[1] += 1000.0  # the first of the second tenant
    records = {"tenant": tenant, "arrival_s": np.arange(40.0), "finish_s": finish, "start_s": np.arange(40.0) + 1.0}
    assert seen.OfTenant(1, "finish_s")(run(records)) == 3.0
    assert seen.OfTenant(0, "finish_s")(run(records)) == 7.0
    assert seen.OfTenant(0, "finish_s", since="start_s")(run(records)) == 6.0


def test_the_hit_rate_is_of_tokens_without_the_first_twentieth():
    prompts, cached = np.full(40, 10), np.full(40, 5)
    prompts[:2], cached[:2], cached[2:21] = 1000, 1000, 0
    assert seen.hit_rate(run({"prompt_tokens": prompts, "cached_prompt_tokens": cached})) == pytest.approx(0.25)


def test_gaps_between_departures_are_between_them_in_order():
    assert seen.gaps_scv(run({"finish_s": [0.0, 4.0, 1.0]})) == pytest.approx(1.0 / 4.0)  # gaps 1 and 3
    late = np.concatenate([[-1000.0, -500.0], np.arange(38.0)])
    assert seen.gaps_scv(run({"finish_s": late[::-1]})) == 0.0


def test_completions_are_counted_between_the_first_and_the_last_fifth():
    finish = np.concatenate([np.arange(2.0) - 50, np.arange(6.0) * 2.0, [100.0, 200.0]])
    # of ten, the third (0 s) to the ninth (100 s)
    assert seen.completions_per_s(run({"finish_s": finish[::-1]})) == pytest.approx(6 / 100)


def test_littles_law_has_two_sides():
    columns = {"in_system": np.array([[1, 4], [3, 8]])}
    made = run(
        {"model": [0, 1, 0], "arrival_s": [0.0, 1.0, 2.0], "finish_s": [3.0, 9.0, 100.0]},
        last_arrival_s=10.0,
        timeline=SimpleNamespace(columns=lambda: columns),
    )
    assert seen.SeenByArrivals(0)(made) == 2.0
    assert seen.SeenByArrivals(1)(made) == 6.0
    assert seen.ArrivalsTimesStay(0)(made) == pytest.approx((3.0 + 8.0) / 10.0), "until the last arrival"
    assert seen.ArrivalsTimesStay(1)(made) == pytest.approx(0.8)


def test_stays_of_those_that_are_still_there_end_with_the_run():
    from messsim.engines.records import IN_FLIGHT, STATUS

    completed = STATUS.index("completed")
    made = run(
        {
            "status": [completed, IN_FLIGHT, completed],
            "arrival_s": [0.0, 4.0, 1.0],
            "finish_s": [2.0, np.nan, np.nan],
        },
        end_s=10.0,
        in_system_integral=25.0,
    )
    assert seen.mean_stay_sum(made) == pytest.approx((2.0 + 6.0) / 10.0)
    assert seen.mean_in_system(made) == 2.5


def test_energy_is_metered_and_paid_for():
    pools = [{"energy_j": 3.0, "idle_energy_j": 1.0}, {"energy_j": 5.0, "idle_energy_j": 2.0}]
    made = run({"energy_j": [4.0, 4.5]}, summary={"pools": pools})
    assert seen.metered_j(made) == 11.0
    assert seen.paid_and_idle_j(made) == 11.5


# ---- queues as scenarios --------------------------------------------------------------------------------


def test_a_queue_is_a_scenario_of_one_model():
    made = queue("q", 0.5, servers=3, dispatch="round_robin", max_waiting=4, tokens=100)
    (pool,) = made.fleet
    assert (made.name, made.requests, made.arrivals.rate_rps) == ("q", 1, 0.5)
    assert (pool.replicas, pool.max_num_seqs) == (3, 1)
    assert (pool.coefficients.a0_s, pool.coefficients.p0_w_per_gpu) == (0.01, 400.0)
    assert pool.coefficients.p_idle_w_per_gpu == 50.0
    assert made.cluster.admission.max_waiting == 4
    assert made.clients.patience_s is None
    waits = {"patience_s": 2.0, "until": "first_token"}
    assert queue("q", 0.5, clients=waits).clients.until == "first_token"
    assert queue("q", 0.5).cluster.admission is None
    assert queue("q", {"kind": "gamma", "rate_rps": 2.0, "cv": 3.0}).arrivals.cv == 3.0
    assert queue("q", 0.5, max_num_seqs=7).fleet[0].max_num_seqs == 7


def test_slower_servers_have_every_time_longer_and_nothing_else():
    coefficients = {
        "knots": [[1, 0.01], [64, 0.02]],
        "ab_s_per_sequence": 1e-4,
        "p0_w_per_gpu": 100.0,
        "host": {"kind": "overlap", "h0_s": 0.001, "h1_s_per_sequence": 1e-5, "after_s": 0.002},
    }
    router = {"decision_s": {"kind": "exponential", "mean_s": 0.5}}
    made = slower(queue("q", 0.5, coefficients=coefficients, router=router), 2.0)
    c = made.models[0].coefficients
    assert c.knots == [(1, 0.02), (64, 0.04)]
    assert (c.ab_s_per_sequence, c.p0_w_per_gpu) == (2e-4, 100.0)
    assert (c.host.kind, c.host.h0_s, c.host.h1_s_per_sequence, c.host.after_s) == ("overlap", 0.002, 2e-5, 0.004)
    assert made.router.decision_s.mean_s == 1.0
    assert slower(queue("q", 0.5), 3.0).router.decision_s is None


TWO_SECONDS = {"mean_s": 2.0}
AT_ONCE = {"weights_gb": 0.0, "compile_s": {"mean_s": 0.0}, "init_s": {"mean_s": 0.0}}
OFF_WHEN_IDLE = {
    "rule": "target", "target": 1.0, "tolerance": 0.0, "min_replicas": 0, "period_s": 0.02, "down_window_s": 0.0,
    "up_most_factor": 2.0, "zero_after_s": 0.0, "cold_start": {"fixed_s": TWO_SECONDS} | AT_ONCE,
}  # fmt: skip
MISHAPS = {"failures": {"mtbf_s": 400.0, "mttr_s": 60.0}}
BLOCK = 650_000
# What is asked of which servers: a rate, or another table of arrivals, then what is not as with one shared queue.
ASKED = {
    "M/M/1": (0.7, {}),
    "M/Geom/1": (0.6, {}),
    "M/D/1": (0.6, {}),
    "M/G/1": (0.6, {}),
    "M/G/1, profile": (0.446542, {"kv_capacity_tokens": 432_959}),  # 0.6 over the mean service
    "G/M/1": ({"rate_rps": 0.5, "cv": 2.0}, {}),
    "departures": (0.7, {}),
    "M/M/2": (1.2, {"replicas": 2}),
    "M/M/16": (14.4, {"replicas": 16}),
    "shorter queue": (1.2, {"replicas": 2, "dispatch": None}),
    "turns": (1.2, {"replicas": 2, "dispatch": "round_robin"}),
    "M/M/4/12": (4.0, {"replicas": 4, "admission": {"max_waiting": 8}}),
    "M/G/16/16": (14.0, {"replicas": 16, "admission": {"max_waiting": 0}}),
    "machine repair": ({"clients": 12, "think_s": 4.0, "think": "exponential"}, {"replicas": 2}),
    "processor sharing": (0.6, {"max_num_seqs": None}),
    "batching server, saturation": ({"clients": 192}, {"max_num_seqs": 64, "max_batched_tokens": 4096}),
    "Llama-3.1-8B, saturation": (
        {"clients": 192},
        {"max_num_seqs": 64, "max_batched_tokens": 4096, "kv_capacity_tokens": 432_959},
    ),
    "M/M/4+M": (4.0, {"replicas": 4, "patience_s": TWO_SECONDS, "until": "first_token"}),
    "M/M/1+M": (0.9, {"patience_s": TWO_SECONDS}),
    "M/M/1+D": (0.9, {"patience_s": TWO_SECONDS, "until": "first_token"}),
    "retrials": (
        0.5,
        {"admission": {"max_waiting": 0}, "retries": 100, "backoff_s": TWO_SECONDS, "backoff_growth": 1.0},
    ),
    "router": (1.2, {"decision_s": {"mean_s": 1.0}, "workers": 2}),
    "interrupted": (
        0.6,
        {"max_num_seqs": 2, "max_batched_tokens": 6 * BLOCK, "kv_capacity_tokens": 3 * BLOCK}
        | {"kv_block_tokens": BLOCK, "order": "priority"},
    ),
    "next": (0.6, {"order": "priority"}),
    "cache": (0.5, {"kv_capacity_tokens": 101 * 16, "kv_block_tokens": 16, "prefix_cache": True}),
    "M/M/4 with setups": (2.0, {"replicas": 4, "autoscale": OFF_WHEN_IDLE}),
    "pools": (20.0, {}),
    "everything": (20.0, MISHAPS | {"admission": {"max_waiting": 40}}),
    "no copies": (20.0, MISHAPS),
}


def test_every_queue_is_asked_what_its_theory_is_of():
    for experiment in experiments():
        made = experiment.scenario.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        asked, more = ASKED[experiment.scenario.name]
        arrivals = asked if isinstance(asked, dict) else {"rate_rps": asked}
        rounded = {k: round(v, 6) if isinstance(v, float) else v for k, v in made["arrivals"].items()}
        assert rounded == arrivals
        usual = {"dispatch": "shared_queue", "max_num_seqs": 1, "policy": "largest"}
        facts = made.get("cluster", {}) | made.get("clients", {}) | made.get("router", {})
        if len(made["models"]) > 1:
            usual = {key: facts[key] for key in ("policy",) if key in facts}
            assert [(m["replicas"], m["satisfaction"]) for m in made["models"]] == [(2, 0.5), (2, 0.6), (2, 0.7)]
        else:
            facts |= {k: v for k, v in made["models"][0].items() if k not in ("name", "satisfaction", "coefficients")}
        assert facts == {k: v for k, v in (usual | more).items() if v is not None}, experiment.scenario.name
    assert {e.scenario.name for e in experiments()} == ASKED.keys()


# ---- verdicts -------------------------------------------------------------------------------------------


def verdict(simulated, theories=None, *, bias=0.0, widest=0.1, level=0.95):
    case = Case("c", lambda run: 0.0, 1.0, "s", bias, timing=False)
    pairs = list(zip(theories or [2.0] * len(simulated), simulated, strict=True))
    return _verdict(case, pairs, level, widest)


T = 12.7062047  # Student's t at 95 % with one degree of freedom


def test_a_case_has_its_interval_around_what_was_simulated():
    made = verdict([2.0, 2.02])  # half-width T x 0.01
    assert made["theory"] == 2.0
    assert made["simulated"] == pytest.approx(2.01)
    assert (made["ci_low"], made["ci_high"]) == pytest.approx((2.01 - 0.01 * T, 2.01 + 0.01 * T))
    assert made["relative_error"] == pytest.approx(0.005)
    assert made["relative_half_width"] == pytest.approx(0.005 * T)
    assert (made["agrees"], made["narrow"], made["passed"]) == (True, True, True)
    assert (made["name"], made["unit"], made["bias"], made["timing"]) == ("c", "s", 0.0, False)


@pytest.mark.parametrize(
    ("simulated", "options", "agrees", "narrow"),
    [
        ([2.0, 2.02], {"widest": 0.06}, True, False),
        ([2.0, 2.02], {"widest": 0.064}, True, True),
        ([2.2, 2.2], {}, False, True),
        ([2.2, 2.2], {"bias": 0.09}, False, True),
        ([2.2, 2.2], {"bias": 0.11}, True, True),
        ([1.8, 1.8], {"bias": 0.11}, True, True),
        ([3.0, 3.0], {"theories": [3.0, 3.0]}, True, True),
        ([-3.0, -3.0], {"theories": [-3.0, -3.0], "widest": 0.0}, True, True),
    ],
)
def test_a_case_passes_if_it_agrees_and_is_narrow(simulated, options, agrees, narrow):
    made = verdict(simulated, **options)
    assert (made["agrees"], made["narrow"], made["passed"]) == (agrees, narrow, agrees and narrow)


def test_theory_that_is_read_off_the_runs_is_compared_run_by_run():
    made = verdict([5.0, 9.0], [4.0, 8.0], widest=0.01)
    assert made["theory"] == 6.0
    assert (made["simulated"], made["ci_low"], made["ci_high"]) == (7.0, 7.0, 7.0)
    assert not made["agrees"]
    assert made["narrow"]


@pytest.mark.parametrize(
    ("size", "requests", "warmup"), [(1.0, 100_000, 5_000), (0.05, 5_000, 250), (0.04, 4_000, 200), (1e-6, 4_000, 200)]
)
def test_a_replication_has_its_share_of_the_requests_and_four_thousand_at_least(size, requests, warmup):
    experiment = Experiment(queue("q", 0.5), 100_000, ())
    made = _Setting("simpy", size, 3, 1.0).replication(experiment, 7)
    assert (made.requests, made.warmup, made.engine, made.seed, made.replication) == (requests, warmup, "simpy", 3, 7)
    assert made.models == experiment.scenario.models
    assert _Setting("simpy", size, 3, 2.0).replication(experiment, 7).models[0].coefficients.a0_s == 2e-4


def test_theory_is_a_number_or_read_off_the_run(monkeypatch):
    cases = (Case("a", lambda r: r + 1, 7.0), Case("b", lambda r: r + 2, lambda r: r * 10))
    task = _Task(Experiment(queue("q", 0.5), 1, cases, ("x",)), "scenario")
    monkeypatch.setattr("messsim.study.verify.verification.observe", lambda s, columns: 5 if columns == ("x",) else 0)
    assert _observed(task) == [(7.0, 6), (50, 7)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fast", 1.0, 1, 1.0), "engine = 'fast': expected one of compiled, simpy"),
        (("simpy", 0.0, 1, 1.0), "size = 0.0: expected a number above 0"),
        (("simpy", math.inf, 1, 1.0), "size = inf: expected a number above 0"),
        (("compiled", 1e9, 1, 1.0), "size = 1e+09: expected at most 10,000, which takes days"),
        (("simpy", 1.0, 1, -1.0), "slow-server = -1.0: expected a number above 0"),
        (("simpy", 1.0, -1, 1.0), "seed = -1: expected a whole number from 0 to 4294967295"),
        (("simpy", 1.0, 2**32, 1.0), "seed = 4294967296: expected a whole number from 0 to 4294967295"),
    ],
)
def test_what_cannot_be_verified_is_told(arguments, message):
    with pytest.raises(ScenarioError) as caught:
        _Setting(*arguments).check()
    assert str(caught.value) == message


def test_the_ends_of_what_can_be_verified():
    _Setting("compiled", 1e-9, 0, 1.0).check()
    _Setting("simpy", 1.0, 2**32 - 1, 0.5).check()


@pytest.mark.parametrize(("size", "widest"), [(1.0, 0.01), (4.0, 0.01), (0.25, 0.04), (None, 0.01)])
def test_all_cases_share_the_chance_of_a_false_alarm(monkeypatch, size, widest):
    def made(function, tasks, *, workers):
        assert (function, workers) == (_observed, 3)
        tasks_here.extend(tasks)
        return ((i, [(2.0, 2.0), (2.0, t.scenario.requests)]) for i, t in enumerate(tasks))

    def never(run):
        raise AssertionError("no run is made here")

    tasks_here, heard = [], []
    monkeypatch.setattr("messsim.study.verify.verification.in_processes", made)
    cases = (Case("right", never, 2.0), Case("wrong", never, 2.0, timing=False))
    chosen = [Experiment(queue(n, 0.5), requests, cases) for n, requests in (("short", 20_000), ("long", 40_000))]
    answer = verify(size=size, seed=7, workers=3, progress=lambda *of: heard.append(of), chosen=chosen)
    assert [(c["name"], c["passed"]) for c in answer["cases"]] == [("right", True), ("wrong", False)] * 2
    assert not answer["passed"]
    assert (answer["level"], answer["widest"]) == (pytest.approx(1 - 0.01 / 4), pytest.approx(widest))
    scale = 1.0 if size is None else size
    assert answer["cases"][1]["simulated"] == max(20_000 * scale, 4_000), "each in the place of its experiment"
    assert answer["cases"][3]["simulated"] == 40_000 * scale
    assert answer["requests"] == 32 * (max(20_000 * scale, 4_000) + 40_000 * scale)
    assert (answer["seed"], answer["size"], answer["replications"], answer["engine"]) == (7, scale, 32, "compiled")
    assert (heard[0], heard[-1]) == ((1, 64), (64, 64))
    names = [t.scenario.name for t in tasks_here]
    assert names == ["long"] * 32 + ["short"] * 32, "long ones first"
    assert sorted(t.scenario.replication for t in tasks_here) == list(range(64)), "no two share their chance"
