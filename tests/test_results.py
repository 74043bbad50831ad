"""From records to figures: histograms, running curves, baselines, and the summary against Polars."""

import math
from typing import Any, get_args

import numpy as np
import polars as pl
import pytest
from builders import COEFFICIENTS, model, pool, run, scenario, trace
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, ValidationError
from scipy.optimize import linprog
from sklearn.metrics import log_loss, roc_auc_score
from typing_extensions import get_type_hints, is_typeddict

from messsim.results import means, record_frame, running, timeline_frame
from messsim.results.fields import fields_of
from messsim.results.histogram import LogHistogram, ScoreHistogram
from messsim.results.running import Running
from messsim.routing.mixing import best_single, cheapest_mix
from messsim.summary import PERCENTILES, Percentile, Percentiles, Summary
from messsim.workload.chance import Chance

quick = settings(derandomize=True, deadline=None, max_examples=200)


def cuts(n: int, size: int) -> list[slice]:
    return [slice(k, min(k + size, n)) for k in range(0, n, size)]


# ---- percentiles ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("spread", [0.01, 1.0, 2.5])
def test_percentiles_are_as_near_as_stated(spread):
    chance = Chance(3)
    values = chance.lognormal(chance.column("values"), 0, 20_001, 0.0, spread)
    histogram = LogHistogram()
    histogram.add(values)
    shares = [0.0, 0.001, 0.25, *PERCENTILES.values(), 1.0]
    exact = np.quantile(values, shares, method="inverted_cdf")
    array = np.array(histogram.quantiles(shares))
    assert np.abs(array / exact - 1).max() <= LogHistogram.RELATIVE_ERROR * (1 + 1e-9)
    assert LogHistogram.RELATIVE_ERROR < 3.5e-4
    assert histogram.mean == pytest.approx(values.mean(), rel=1e-12)
    summary = histogram.summary()
    assert list(summary) == ["mean", *PERCENTILES]
    assert [summary[name] for name in PERCENTILES] == array[3:-1].tolist()


@quick
@given(st.lists(st.one_of(st.just(0.0), st.floats(1e-5, 1e6), st.just(math.nan)), max_size=60), st.integers(1, 60))
def test_percentiles_do_not_depend_on_chunks(values, size):
    values = np.array(values)
    whole, parts = LogHistogram(), LogHistogram()
    whole.add(values)
    for cut in cuts(len(values), size):
        parts.add(values[cut])
    shares = [0.1, 0.5, 0.99]
    assert whole.quantiles(shares) == parts.quantiles(shares)
    known = values[~np.isnan(values)]
    assert whole.count == parts.count == len(known)
    if len(known) == 0:
        assert whole.quantiles(shares) == [None] * 3
        assert whole.mean is None
        return
    exact = np.quantile(known, shares, method="inverted_cdf")
    np.testing.assert_allclose(whole.quantiles(shares), exact, rtol=LogHistogram.RELATIVE_ERROR * (1 + 1e-9))
    assert whole.mean == pytest.approx(known.mean(), rel=1e-9)


# ---- predictions ----------------------------------------------------------------------------------------


def predictions(n: int, bins: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    chance = Chance(4)
    scores, u = (chance.uniform(chance.column(c), 0, n) for c in "su")
    if bins:
        scores = (np.floor(scores * bins) + 0.5) / bins  # many ties
    return scores, (u < scores).astype(float)


@pytest.mark.parametrize("bins", [7, 64, ScoreHistogram.BINS])
def test_auc_and_log_loss_are_scikit_learns(bins):
    scores, satisfied = predictions(5_000, bins)
    histogram = ScoreHistogram()
    for cut in cuts(5_000, 700):
        histogram.add(scores[cut], satisfied[cut])
    assert histogram.auc == pytest.approx(roc_auc_score(satisfied, scores), rel=1e-12)
    assert histogram.log_loss == pytest.approx(log_loss(satisfied, scores), rel=1e-12)


def test_binning_costs_the_auc_next_to_nothing():
    scores, satisfied = predictions(20_000)
    histogram = ScoreHistogram()
    histogram.add(scores, satisfied)
    assert histogram.auc == pytest.approx(roc_auc_score(satisfied, scores), abs=1 / ScoreHistogram.BINS)


def test_the_unknown_takes_no_part_and_one_class_has_no_auc():
    histogram = ScoreHistogram()
    assert (histogram.auc, histogram.log_loss) == (None, None)
    histogram.add(np.array([0.9, np.nan, 0.2]), np.array([1.0, 1.0, np.nan]))
    assert histogram.auc is None
    assert histogram.log_loss == pytest.approx(-math.log(0.9))
    histogram.add(np.array([0.4, 1.0, 0.0]), np.array([0.0, 1.0, 0.0]))
    assert histogram.auc == 1.0
    assert math.isfinite(histogram.log_loss)


# ---- running curves -------------------------------------------------------------------------------------

answers = st.lists(st.sampled_from([0.0, 1.0, 0.5, math.nan]), min_size=1, max_size=80)


def ran(satisfied, alpha: float, size: int, costs=None) -> Running:
    satisfied = np.array(satisfied, dtype=float)
    n = len(satisfied)
    costs = np.ones(n) if costs is None else costs
    result = Running()
    for cut in cuts(n, size):
        result.add(np.arange(n)[cut], satisfied[cut], np.full(n, alpha)[cut], costs[cut])
    return result


@quick
@given(answers, st.sampled_from([0.25, 0.5, 0.75, 1.0]), st.integers(1, 80))
def test_running_curves_are_their_definitions(satisfied, alpha, size):
    result = ran(satisfied, alpha, size)
    known = [s for s in satisfied if not math.isnan(s)]
    if not known:
        assert result.mean is result.time_mean is result.alpha is result.compliant_from(len(satisfied)) is None
        return
    so_far = [sum(known[: k + 1]) / (k + 1) for k in range(len(known))]
    assert result.mean == pytest.approx(so_far[-1])
    assert result.time_mean == pytest.approx(sum(so_far) / len(so_far))
    assert result.alpha == pytest.approx(alpha)
    assert result.compliant_from(len(satisfied)) == compliant_from(satisfied, alpha)


def compliant_from(satisfied: list[float], alpha: float) -> int | None:
    """The first request from which on the running satisfaction is never below alpha again."""
    curve, known = [], []
    for s in satisfied:
        known += [] if math.isnan(s) else [s]
        curve.append(sum(known) / len(known) if known else math.inf)
    kept = [c >= alpha - 1e-9 for c in curve]
    return next((k for k in range(len(kept)) if all(kept[k:])), None)


def test_a_promise_that_is_missed_at_the_end_is_not_kept_by_refusing_the_rest():
    assert ran([0.0, math.nan, math.nan], 0.5, 3).compliant_from(3) is None
    assert ran([0.0, math.nan, math.nan], 0.5, 1).compliant_from(3) is None
    assert ran([0.0, math.nan, 1.0, math.nan], 0.5, 4).compliant_from(4) == 2


def test_a_promise_met_exactly_is_kept():
    assert ran([1.0, 0.0] * 500, 0.5, 64).compliant_from(1000) == 0
    assert np.cumsum(np.full(10, 0.7))[-1] > 7  # by rounding
    assert ran([1.0] * 7 + [0.0] * 3, 0.7, 10).compliant_from(10) == 0


@pytest.mark.parametrize("n", [1, 16, 17, 32, 33, 100, 1000])
def test_samples_are_thinned_alike_whatever_the_chunks(monkeypatch, n):
    monkeypatch.setattr(running, "MOST", 16)
    satisfied = (Chance(5).choice(9, 0, n) < 0.5).astype(float)
    curves = [ran(satisfied, 0.5, size) for size in (1, 7, 64, n)]
    ids = curves[0].ids.tolist()
    assert len(ids) <= 16
    stride = 2 ** max(0, math.ceil(math.log2(n / 16)))
    assert ids == list(range(0, n, stride))
    for curve in curves:
        assert curve.ids.tolist() == ids
        assert curve.satisfaction.tolist() == [satisfied[: i + 1].mean() for i in ids]
        assert curve.cost_per_request.tolist() == curves[0].cost_per_request.tolist()


def test_4096_samples_are_the_most():
    result = ran(np.ones(10_000), 0.5, 1000)
    assert result.ids.tolist() == list(range(0, 10_000, 4))
    assert len(result.ids) <= running.MOST == 4096


# ---- without a router -----------------------------------------------------------------------------------

zoos = st.lists(st.tuples(st.sampled_from([0.1, 0.3, 0.5, 0.5, 0.9]), st.floats(0, 10)), min_size=1, max_size=6)


def mix_cost(satisfaction, costs, alpha):
    mix = cheapest_mix(satisfaction, costs, alpha)
    return None if mix is None else mix[0]


@quick
@given(zoos, st.sampled_from([0.0, 0.3, 0.4, 0.5, 0.8, 0.9, 0.95]))
def test_the_static_mix_is_the_linear_programs(zoo, alpha):
    satisfaction, costs = (list(x) for x in zip(*zoo, strict=True))
    cost = mix_cost(satisfaction, costs, alpha)
    best = linprog(
        costs, A_ub=[[-s for s in satisfaction]], b_ub=[-alpha], A_eq=[[1.0] * len(zoo)], b_eq=[1.0], bounds=(0, 1)
    )
    if not best.success:
        assert cost is None
        assert best_single(satisfaction, costs, alpha) is None
        return
    assert cost == pytest.approx(best.fun, rel=1e-9, abs=1e-9)
    single = best_single(satisfaction, costs, alpha)
    if single is not None:
        able = [c for s, c in zip(satisfaction, costs, strict=True) if s >= alpha]
        assert costs[single] == min(able) >= cost - 1e-9


def test_of_equally_cheap_models_the_first_is_named():
    assert best_single([0.9, 0.6, 0.6], [2.0, 1.0, 1.0], 0.5) == 1
    assert best_single([0.4, 0.6], [1.0, 2.0], 0.6) == 1
    assert best_single([0.4], [1.0], 0.6) is None


# ---- the summary ----------------------------------------------------------------------------------------

LATENCY = dict.fromkeys(["mean", *PERCENTILES])
LATENCIES = dict.fromkeys(["ttft", "tpot", "e2e", "queueing"], LATENCY)
SLO = dict.fromkeys(["ttft_s", "tpot_s", "e2e_s", "attainment", "goodput_rps"])


class Exact(BaseModel):
    """A summary of just the fields, and the types, of `messsim.summary`."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, extra="forbid")

    summary: Summary


def disordered(value: Any, hint: Any, path: str = "") -> list[str]:
    """Tables of a summary whose fields are not in the order of their types."""
    if isinstance(value, list):
        return [p for entry in value for p in disordered(entry, get_args(hint)[0], f"{path}[]")]
    tables = [part for part in (hint, *get_args(hint)) if is_typeddict(part)]
    if not isinstance(value, dict) or not tables:
        return []
    hints = get_type_hints(tables[0])
    collected = [path] if list(value) != [key for key in hints if key in value] else []
    return collected + [p for key, entry in value.items() for p in disordered(entry, hints.get(key), f"{path}.{key}")]


LENGTHS = {"kind": "geometric", "mean": 8.0, "max": 60}
TIGHT = [model("a", 0.4, output=LENGTHS, max_num_seqs=2), model("b", 0.8, output=LENGTHS, max_num_seqs=2)]
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "explores": {"router": {"c": 1.0, "kappa": 0.3}, "features": {"signal": 1.0}},
    "two tenants": {"tenants": [{"name": "x", "alpha": 0.9}, {"name": "y", "share": 4.0, "alpha": 0.2}]},
    "few ratings, late": {"feedback": {"probability": 0.4, "delay": {"kind": "exponential", "mean_s": 3.0}}},
    "turned away": {"models": TIGHT, "cluster": {"admission": {"max_waiting": 0}}, "router": {"c": 0.5}},
    "lost": {"cluster": {"failures": {"mtbf_s": 5.0, "mttr_s": 3.0, "on_failure": "lose"}}, "router": {"c": 0.5}},
    "cut off": {"requests": None, "horizon_s": 40.0},
    "objectives": {
        "slo": {"ttft_s": 0.45, "tpot_s": 0.3},
        "models": TIGHT,
        "arrivals": {"kind": "poisson", "rate_rps": 0.8},
    },
    "time to first token": {"slo": {"ttft_s": 0.3}},
    "warm-up": {"warmup": 30},
    "USD": {"cost": {"unit": "USD", "usd_per_gpu_hour": {"GPU": 2.0}}},
    "no servers": {
        "cluster": {"mode": "none"},
        "models": [{"name": n, "satisfaction": s, "cost_per_request": c} for n, s, c in [("a", 0.3, 1), ("b", 0.9, 5)]],
        "router": {"V": 1.0},
    },
    "pools": {
        "models": [{"name": "a", "satisfaction": 0.4}, {"name": "b", "satisfaction": 0.8}],
        "pools": [pool("a"), pool("b", replicas=2), pool("b", coefficients=COEFFICIENTS | {"a0_s": 0.5})],
    },
}


def made(name: str, **more: Any):
    data = scenario(**{"requests": 150, "tokens": {"output": LENGTHS}} | CASES[name] | more)
    return run(data, "compiled")


@pytest.mark.parametrize("name", CASES)
def test_every_field_is_there(name):
    summary = made(name).summary
    Exact(summary=summary)
    assert disordered(summary, Summary) == []


@pytest.mark.parametrize("broken", ["missing", "unknown", "text", "order"])
def test_a_summary_of_other_fields_is_seen(broken):
    summary = made("plain").summary
    sla = summary["sla"]
    changed = {
        "missing": {k: v for k, v in sla.items() if k != "margin"},
        "unknown": sla | {"margins": 0.0},
        "text": sla | {"margin": "0.1"},
        "order": dict(reversed(sla.items())),
    }
    changed_summary: Any = summary | {"sla": changed[broken]}
    if broken == "order":
        assert disordered(changed_summary, Summary) == [".sla"]
        return
    with pytest.raises(ValidationError, match=r"summary\.sla\.margin"):
        Exact(summary=changed_summary)


def test_percentiles_are_named_by_their_shares():
    assert {name: float(f"0.{name[1:]}") for name in PERCENTILES} == PERCENTILES
    assert get_type_hints(Percentiles).keys() - {"mean"} == PERCENTILES.keys() == {*get_args(Percentile)}


def test_every_field_is_explained_once():
    fields = list(fields_of())
    assert len({f.path for f in fields}) == len(fields)
    assert {f.path.split(".")[0] for f in fields} == get_type_hints(Summary).keys() - {"provenance"}
    assert all(f.meaning and "|" not in f.meaning for f in fields)


@pytest.mark.parametrize("name", CASES)
def test_the_summary_is_polars_own(name):
    r = made(name)
    s, scenario_settings = r.summary, r.setup.scenario
    f = record_frame(scenario_settings, r.chunks)
    done = f.filter(status="completed")
    alphas = {t.name: t.alpha for t in scenario_settings.promises}
    n = {row["status"]: row["len"] for row in f.group_by("status").len().iter_rows(named=True)}
    assert s["requests"] == {
        "arrived": len(f),
        **{k: n.get(k, 0) for k in ("completed", "rejected", "too_long", "lost", "timed_out", "in_flight")},
        "attempts": f["attempts"].sum(),
        "explored": f["explored"].sum(),
        "with_feedback": len(f) - f["feedback_s"].null_count(),
        "labels_of_lost": r.outcome.labels_of_lost,
    }
    check_sla(r, s, f, done, alphas)
    check_cost(r, s, f, done)
    check_groups(r, s, f, done)
    check_latencies(s["latency_s"], scenario_settings, done.filter(pl.col("id") >= scenario_settings.warmup))
    if len(alphas) > 1:
        for tenant in s["tenants"]:
            check_latencies(tenant["latency_s"], scenario_settings, done.filter(tenant=tenant["name"]))
    check_slo(s, scenario_settings, done, len(f), r.outcome.end_s)


def near(result: float | None, expected: float | None) -> None:
    assert result == expected if expected is None or result is None else pytest.approx(result, rel=1e-9) == expected


def check_sla(r, s, f, done, alphas) -> None:
    sla = s["sla"]
    promised = done["tenant"].cast(pl.String).replace_strict(alphas, return_dtype=pl.Float64)
    near(sla["alpha"], promised.mean())
    near(sla["satisfaction"], done["satisfied"].mean())
    near(sla["satisfaction_time_mean"], (done["satisfied"].cum_sum() / pl.Series(range(1, len(done) + 1))).mean())
    near(sla["satisfaction_per_arrived"], done["satisfied"].sum() / len(f))
    near(sla["shortfall"], max(0.0, promised.mean() - done["satisfied"].mean()))
    assert sla["rated"] == sum(t.rated for t in r.outcome.tenants)
    near(sla["queue_final"], sum(t.queue_delivered for t in r.outcome.tenants))
    near(sla["queue_max"], max(t.queue_delivered_max for t in r.outcome.tenants))
    near(sla["queue_tracked_final"], sum(t.queue_tracked for t in r.outcome.tenants))
    owed = sum(t.alpha * t.rated - (t.queue_plain - t.queue_initial) for t in r.outcome.tenants)
    near(sla["certificate"], owed / sla["rated"])
    assert sla["queue_initial"] == sum(t.queue_initial for t in r.outcome.tenants)
    if len(alphas) == 1:
        satisfied = [math.nan if v is None else v for v in f["satisfied"]]
        assert sla["time_to_compliance"] == compliant_from(satisfied, sla["alpha"])


def check_cost(r, s, f, done) -> None:
    cost, pools = s["cost"], r.outcome.pools
    idle = sum(p.idle_cost for p in pools) if pools else None
    near(cost["idle"], idle)
    near(cost["total"], f["cost"].sum() + (idle or 0.0))
    near(cost["per_request"], cost["total"] / len(done))
    near(cost["exploration"], f["exploration_cost"].sum())
    near(cost["lost"], f.filter(pl.col("status").is_in(["lost", "rejected"]))["cost"].sum())
    near(
        cost["paper"], done.filter(~pl.col("explored")).select(pl.col("cost") - pl.col("exploration_cost")).sum().item()
    )
    check_static(r, cost)
    tokens = done["prompt_tokens"].sum() + done["output_tokens"].sum()
    near(cost["usd_per_million_tokens"], 1e6 * cost["total"] / tokens if cost["unit"] == "USD" else None)
    if pools:
        check_throughput(s["throughput"], done)
        total_j = f["energy_j"].sum() + sum(p.idle_energy_j for p in pools)
        near(s["energy"]["total_j"], total_j)
        near(s["energy"]["j_per_output_token"], total_j / done["output_tokens"].sum())


def check_throughput(throughput, done) -> None:
    end_s = done["finish_s"].max()
    near(throughput["duration_s"], end_s)
    near(throughput["requests_per_s"], len(done) / end_s)
    near(throughput["output_tokens_per_s"], done["output_tokens"].sum() / end_s)


def check_static(r, cost) -> None:
    """One model for all tenants, a mix for each."""
    tenant, promises = r.records.tenant, [t.alpha for t in r.setup.scenario.promises]
    means = [r.satisfied[:, tenant == k].mean(axis=1).tolist() for k in range(len(promises))]
    costs = [r.known[:, tenant == k].mean(axis=1).tolist() for k in range(len(promises))]
    mixes = [mix_cost(*figures) for figures in zip(means, costs, promises, strict=True)]
    shares = [(tenant == k).mean() for k in range(len(promises))]
    near(cost["static_mix_per_request"], None if None in mixes else float(np.dot(shares, mixes)))
    able = [m for m in range(len(r.known)) if all(s[m] >= a for s, a in zip(means, promises, strict=True))]
    single = min(able, key=lambda m: r.known[m].mean(), default=None)
    assert cost["best_single"]["model"] == (None if single is None else r.setup.scenario.model_names[single])
    near(cost["best_single"]["per_request"], None if single is None else r.known[single].mean())


def check_groups(r, s, f, done) -> None:
    for m in s["models"]:
        own = done.filter(pl.col("model") == m["name"])
        assert m["answered"] == len(own)
        near(m["share"], len(own) / len(done))
        near(m["satisfaction"], own["satisfied"].mean())
        near(m["cost_per_request"], own.select(pl.col("cost") - pl.col("exploration_cost")).mean().item())
    for t in s["tenants"]:
        own = done.filter(pl.col("tenant") == t["name"])
        assert t["answered"] == len(own)
        near(t["satisfaction"], own["satisfied"].mean())
    known = done.filter(pl.col("score").is_not_null())
    if len(known):
        scores, satisfied = known["score"].to_numpy(), known["satisfied"].to_numpy()
        near(s["predictor"]["log_loss"], log_loss(satisfied, scores))
        assert s["predictor"]["auc"] == pytest.approx(roc_auc_score(satisfied, scores), abs=2e-3)
    assert s["predictor"]["updates"] == r.outcome.updates


def check_latencies(result, spec, done) -> None:
    if spec.cluster.mode == "none":
        assert result == LATENCIES
        return
    tpot = (pl.col("finish_s") - pl.col("first_token_s")) / (pl.col("output_tokens") - 1)
    values = done.select(
        ttft=pl.col("first_token_s") - pl.col("arrival_s"),
        tpot=pl.when(pl.col("output_tokens") > 1).then(tpot),
        e2e=pl.col("finish_s") - pl.col("arrival_s"),
        queueing=pl.col("start_s") - pl.col("arrival_s"),
    )
    for name in LATENCIES:
        column = values[name].drop_nulls().to_numpy()
        assert result[name]["mean"] == pytest.approx(column.mean(), rel=1e-9)
        exact = np.quantile(column, [*PERCENTILES.values()], method="inverted_cdf")
        np.testing.assert_allclose(list(result[name].values())[1:], exact, rtol=3.5e-4, atol=1e-12)


def check_slo(s, spec, done, arrived, end_s) -> None:
    slo = spec.slo
    if slo.ttft_s is None and slo.tpot_s is None:
        assert s["slo"] == dict.fromkeys(s["slo"])
        return
    met = done.filter(pl.col("first_token_s") - pl.col("arrival_s") <= slo.ttft_s)
    if slo.tpot_s is not None:
        spent = pl.col("finish_s") - pl.col("first_token_s")
        met = met.filter(spent <= slo.tpot_s * (pl.col("output_tokens") - 1) * (1 + 1e-12))
    assert 0 < len(met) < len(done)
    near(s["slo"]["attainment"], len(met) / arrived)
    near(s["slo"]["goodput_rps"], len(met) / end_s)


@pytest.mark.parametrize("name", CASES)
def test_no_figure_depends_on_the_chunk(name, monkeypatch):
    """Bit for bit: sums run over blocks of their own, here of 50 requests."""
    monkeypatch.setattr(means, "requests_at_once", lambda _models: 50)
    summaries = []
    for chunk in (64, 100, 65_536):
        r = made(name, record={"chunk": chunk})
        timeline = timeline_frame(r.setup.scenario, r.outcome, r.tally.running)
        summaries.append((r.summary | {"performance": None}, timeline.rows()))
    assert summaries[0] == summaries[1] == summaries[2]  # NaN, which JSON has not, would not equal itself


def test_blocks_change_sums_by_no_more_than_rounding(monkeypatch):
    whole = made("explores").summary
    monkeypatch.setattr(means, "requests_at_once", lambda _models: 7)
    parts = made("explores").summary
    assert parts["requests"] == whole["requests"]
    assert parts["models"][0]["answered"] == whole["models"][0]["answered"]
    for key in ("total", "exploration", "paper", "static_mix_per_request"):
        near(parts["cost"][key], whole["cost"][key])
    assert parts["latency_s"]["ttft"]["p90"] == whole["latency_s"]["ttft"]["p90"]


def test_a_run_without_a_request_has_a_summary():
    r = run(scenario(requests=None, horizon_s=1e-9))
    assert len(r) == 0
    summary = r.summary
    Exact(summary=summary)
    assert summary["requests"] == dict.fromkeys(summary["requests"], 0)
    assert summary["sla"]["satisfaction"] is summary["sla"]["certificate"] is summary["cost"]["per_request"] is None
    assert summary["sla"]["time_to_compliance"] is None


def test_rejecting_what_is_hard_does_not_look_good(tmp_path):
    data = scenario(
        arrivals=trace(tmp_path, [0] * 9 + [60]),
        requests=None,
        models=[model("only", 1 - 1e-12, max_num_seqs=1)],
        cluster={"admission": {"max_waiting": 0}},
    )
    sla = run(data).summary["sla"]
    assert sla["satisfaction"] == 1.0
    assert sla["satisfaction_per_arrived"] == 2 / 10
