"""Pieces of a calibration, worked out by hand: errors by region, what a base lends, what a profile may say."""

import dataclasses
import re

import numpy as np
import pytest

from messsim.errors import DataError, OutputError, ScenarioError
from messsim.scenario.base import SMALLEST
from messsim.study.calibrate import fits, fitting, profile_file
from messsim.study.calibrate.closed_loops import ClosedLoops
from messsim.study.calibrate.measurements import Measurements, ServedPoints
from messsim.study.calibrate.missing import measure_next
from messsim.study.calibrate.options import MIXTURE, NAMES, Base, Options, given_by, mixture_of, pair, whose_of
from messsim.study.calibrate.served_fit import PointFit
from messsim.study.runs.summaries import summary_of
from messsim.zoo.fitting import DURATION, NO_CAP_W, SMALL_BATCH, Estimate, Iterations


def iterations(batch, prompt_tokens=0.0, cached=100.0, prior=0.0, seconds=1.0):
    """Iterations of these batches; the rest the same in all of them unless a list says otherwise."""
    n = len(batch)
    prompt, cached, prior, seconds = (
        np.broadcast_to(x, n).astype(float) for x in (prompt_tokens, cached, prior, seconds)
    )
    return Iterations(prompt, prompt**2 / 2, prior, np.array(batch, float), cached, seconds)


# ---- errors of a fit ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("errors", "mape", "bias", "worst"),
    [
        ([0.25, -0.75], 0.5, -0.25, 0.75),  # the worst is the greatest size, whatever its sign
        ([0.5, 0.25, 0.0], 0.25, 0.25, 0.5),
        ([-0.5], 0.5, -0.5, 0.5),
        ([0.0], 0.0, 0.0, 0.0),
    ],
)
def test_sizes_of_errors(errors, mape, bias, worst):
    assert fits._sizes(np.array(errors)) == {"mape": mape, "bias": bias, "worst": worst}


def test_a_region_without_rows_is_left_out():
    regions = {"all": np.array([True, True, True]), "none": np.zeros(3, bool), "last": np.array([False, False, True])}
    shown = fits._by_region(regions, {"duration": np.array([0.5, -0.5, 0.75])})
    assert [(r["region"], r["rows"]) for r in shown] == [("all", 3), ("last", 1)]
    assert shown[0]["duration"] == {"mape": pytest.approx(7 / 12), "bias": 0.25, "worst": 0.75}
    assert shown[1]["duration"] == {"mape": 0.75, "bias": 0.75, "worst": 0.75}


def test_iterations_are_told_apart_by_kind_and_batch():
    """An iteration of one second each is taken to last a0 = 1.5 s, so that all errors are a half."""
    rows = iterations([SMALL_BATCH, SMALL_BATCH + 1, 0.0, 3.0], prompt_tokens=[0.0, 0.0, 8.0, 8.0])
    figures = dict.fromkeys(DURATION, 0.0) | {"a0_s": 1.5}
    shown = fits._errors(rows, figures, None)
    assert {r["region"]: r["rows"] for r in shown} == {
        "all": 4,
        "prefill": 1,
        f"decode, batch up to {SMALL_BATCH}": 1,
        f"decode, batch above {SMALL_BATCH}": 1,
        f"mixed, batch up to {SMALL_BATCH}": 1,
    }
    assert {tuple(r["duration"].values()) for r in shown} == {(0.5, 0.5, 0.5)}
    assert not any("energy" in r for r in shown)


def test_errors_of_energy_are_those_at_measured_times():
    """100 W for the 2 s that were measured are 200 J, of 160 J that were measured: a quarter too much."""
    rows = dataclasses.replace(iterations([4.0], seconds=2.0), joules=np.array([160.0]))
    energy = {"p0_w_per_gpu": 100.0, "e_j_per_token": 0.0, "ek_j_per_cached_token": 0.0, "p_cap_w_per_gpu": NO_CAP_W}
    shown = fits._errors(rows, dict.fromkeys(DURATION, 0.0) | {"a0_s": 1.0}, energy)
    assert shown[0]["duration"] == {"mape": 0.5, "bias": -0.5, "worst": 0.5}
    assert shown[0]["energy"] == {"mape": 0.25, "bias": 0.25, "worst": 0.25}


# ---- what a base lends ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "base", "expected"),
    [
        ({"x": 3.0}, {"x": 5.0}, Estimate(3.0, None, "given")),
        ({}, {"x": 5.0}, Estimate(5.0, None, "base", "no readings")),
        ({"y": 3.0}, {"y": 5.0}, Estimate(None, None, "not measured", "no readings")),
        ({}, {"x": NO_CAP_W}, Estimate(None, None, "not measured", "no readings")),  # a base without a cap lends none
        ({}, {"x": np.nextafter(NO_CAP_W, 0)}, Estimate(float(np.nextafter(NO_CAP_W, 0)), None, "base", "no readings")),
    ],
)
def test_what_has_no_readings_is_given_or_the_bases(given, base, expected):
    assert fits.unmeasured("x", given, base) == expected


def open_until(*needed):
    """A fit of three coefficients that leaves open whatever it is not given, while one of `needed` is open."""
    asked = []

    def fit(held):
        asked.append(dict(held))
        open_ = any(n not in held for n in needed)
        rest = [n for n in ("abk_s_per_token", "ak_s_per_token", "a0_s") if n not in held]
        how = "not determined" if open_ else "fitted"
        return dict(held), {n: Estimate(None if open_ else 7.0, None, how, f"why {n}") for n in rest}

    return fit, asked


def test_one_coefficient_after_the_other_comes_from_the_base():
    fit, asked = open_until("abk_s_per_token", "ak_s_per_token")
    base = {"abk_s_per_token": 1.0, "ak_s_per_token": 2.0, "a0_s": 3.0}
    figures, estimates = fits._determined(fit, {"fixed": 9.0}, base)
    assert asked == [
        {"fixed": 9.0},
        {"fixed": 9.0, "abk_s_per_token": 1.0},
        {"fixed": 9.0, "abk_s_per_token": 1.0, "ak_s_per_token": 2.0},
    ]
    assert figures == asked[-1]
    assert estimates["fixed"] == Estimate(9.0, None, "given")
    assert estimates["abk_s_per_token"] == Estimate(1.0, None, "base", "why abk_s_per_token")
    assert estimates["ak_s_per_token"] == Estimate(2.0, None, "base", "why ak_s_per_token")
    assert estimates["a0_s"].how == "fitted"


def test_what_the_base_lacks_stays_open():
    fit, asked = open_until("abk_s_per_token", "ak_s_per_token")
    _, estimates = fits._determined(fit, {}, {"ak_s_per_token": 2.0})
    assert len(asked) == 2
    assert {n: e.how for n, e in estimates.items()} == {
        "ak_s_per_token": "base",
        "abk_s_per_token": "not determined",
        "a0_s": "not determined",
    }


# ---- a calibration --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "stated"),
    [(3.0, 3.0), (NO_CAP_W, None), (2 * NO_CAP_W, None), (None, None), (SMALLEST, SMALLEST), (SMALLEST / 2, 0.0)],
)
def test_a_value_is_stated_unless_it_stands_for_none(value, stated):
    shown = fitting._stated(Estimate(value, 0.5, "fitted", "why"))
    assert shown == {"value": stated, "standard_error": 0.5, "how": "fitted", "why": "why"}
    assert fitting._stated(Estimate(np.nextafter(NO_CAP_W, 0), None, "given"))["value"] < NO_CAP_W


def test_iterations_need_the_memory_of_all_that_is_cached_and_computed():
    """100 tokens are cached, 20 of a prompt before, and 30 computed: 150 in all."""
    rows = iterations([1.0, 1.0, 1.0], prompt_tokens=[30.0, 30.0, 31.0], prior=20.0)

    def within(capacity):
        whose = {"model": None, "gpu": None, "tp": 2}
        return fitting._within(rows, fitting._Known(whose, (8, 2), {}, capacity, None, {}, None), "m.csv")

    assert [len(within(capacity)) for capacity in (150, 151, None)] == [2, 3, 3]
    kept = within(150)
    assert (kept.gpus, kept.experts, kept.top_k) == (2, 8, 2)
    with pytest.raises(DataError, match="no row fits into 149 cached tokens; expected another --kv-capacity-tokens"):
        within(149)


def test_how_far_measurements_go():
    rows = iterations([3.0, 9.0, 1.0], prompt_tokens=[8.0, 0.0, 4.0], cached=[5.0, 50.0, 500.0])
    assert fitting._greatest(rows) == {"prompt_tokens": 8.0, "batch": 9.0, "cached_tokens": 500.0}
    points = ServedPoints([4, 1], [100, 300], [20, 10], {}, None)
    assert fitting._greatest(points) == {"clients": 4.0, "prompt_tokens": 300.0, "output_tokens": 20.0}


def test_idle_power_is_of_one_gpu():
    rows = iterations([1.0])
    idles, silent = (Measurements(rows, {}, idle_w=idle) for idle in (120.0, None))
    name = fitting.IDLE
    assert fitting._idle(idles, 4, {}, {name: 50.0}) == Estimate(30.0, None, "fitted")
    assert fitting._idle(idles, 4, {name: 7.0}, {}) == Estimate(7.0, None, "given")
    assert fitting._idle(silent, 4, {}, {name: 50.0}) == Estimate(50.0, None, "base", "no readings")
    assert fitting._idle(silent, 4, {}, {}).how == "not measured"


@pytest.mark.parametrize(("p0", "cap", "fine"), [(100.0, 100.0, True), (100.0, 99.9, False), (100.0, None, True)])
def test_a_cap_may_be_p0_not_less(p0, cap, fine):
    figures = {"p0_w_per_gpu": p0} | ({} if cap is None else {"p_cap_w_per_gpu": cap})
    if fine:
        profile_file._checked(figures, "m.csv")
    else:
        with pytest.raises(OutputError, match=r"p_cap_w_per_gpu = 99\.9 is below p0_w_per_gpu = 100 by m\.csv"):
            profile_file._checked(figures, "m.csv")
    profile_file._checked({"p_cap_w_per_gpu": 0.0}, "m.csv")  # without P0 nothing is below it


@pytest.mark.parametrize(("value", "expected"), [(SMALLEST, SMALLEST), (0.99 * SMALLEST, 0.0), (0.0, 0.0), (2.0, 2.0)])
def test_what_no_scenario_takes_is_nothing(value, expected):
    assert profile_file.not_tiny(value) == expected


def test_errors_are_written_flat_to_four_digits():
    errors = {"region": "all", "rows": 3, "duration": {"mape": 0.123456, "worst": 2.0}, "energy": {"bias": -0.00098765}}
    assert profile_file._flat(errors) == {
        "region": "all", "rows": 3, "duration_mape": 0.1235, "duration_worst": 2.0, "energy_bias": -0.0009877,
    }  # fmt: skip


# ---- options --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("experts", "top_k", "mixture"),
    [(None, None, (16, 2)), (8, 2, (8, 2)), (8, 7, (8, 7)), (0, None, (0, 0)), (None, 0, (0, 0))],
)
def test_a_mixture_is_what_is_asked_for_or_the_bases(experts, top_k, mixture):
    assert mixture_of(Options(experts=experts, top_k=top_k), Base({}, (16, 2), None)) == mixture


@pytest.mark.parametrize(("experts", "top_k"), [(8, 8), (8, 9), (8, None), (None, 2), (8, 0), (8, -1)])
def test_a_token_uses_some_experts_and_not_all(experts, top_k):
    with pytest.raises(ScenarioError) as error:
        mixture_of(Options(experts=experts, top_k=top_k), Base({}, (0, 0), None))
    assert str(error.value) == f"--experts {experts or 0} and --top-k {top_k or 0}: expected 0 < top-k < experts"


def test_a_dense_model_has_no_experts_to_read():
    assert given_by(["a0_s=0.5"], dense=True) == {**dict.fromkeys(MIXTURE, 0.0), "a0_s": 0.5}
    assert given_by(["a0_s = 0"], dense=False) == {"a0_s": 0.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a0_s=-1", "expected a number, at least 0"),
        ("a0_s=inf", "expected a number, at least 0"),
        ("a0_s=nan", "expected a number, at least 0"),
        ("a0_s=x", "expected a number, at least 0"),
        ("a0=1", "unknown coefficient 'a0'; did you mean 'a0_s'"),
        ("a0_z=1", "unknown coefficient 'a0_z'; did you mean 'a0_s'"),
        ("wat=1", "unknown coefficient 'wat'; expected one of a0_s"),
        ("se=1", "a dense model has none; expected --experts and --top-k too"),
        ("a0_s", "expected NAME=VALUE"),
        ("=1", "expected NAME=VALUE"),
    ],
)
def test_what_cannot_be_fixed(text, message):
    with pytest.raises(ScenarioError, match=message):
        given_by([text], dense=True)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "se"])
def test_a_coefficient_without_its_unit_is_told_with_it(name):
    short = re.sub(r"_(s|w_per_gpu|j_per|tokens)(_.*)?$", "", name)
    with pytest.raises(ScenarioError, match=rf"unknown coefficient '{short}'; did you mean '{name}'\?$"):
        given_by([f"{short}=1"], dense=False)


@pytest.mark.parametrize(("text", "both"), [("a=b", ("a", "b")), (" a = b=c ", ("a", "b=c")), ("a=", ("a", ""))])
def test_both_sides_of_a_pair(text, both):
    assert pair(text, "--fix") == both


@pytest.mark.parametrize(
    ("in_file", "asked", "whose"),
    [
        ({}, {}, {"model": None, "gpu": None, "tp": 1}),
        ({"tp": "2", "model": 7}, {}, {"model": "7", "gpu": None, "tp": 2}),
        ({"tp": 2}, {"tp": 2, "gpu": "H100"}, {"model": None, "gpu": "H100", "tp": 2}),
        ({}, {"tp": 4, "model": "m"}, {"model": "m", "gpu": None, "tp": 4}),
    ],
)
def test_whose_measurements_they_are(in_file, asked, whose):
    assert whose_of(in_file, Options(**asked), "m.csv") == whose


@pytest.mark.parametrize(
    ("in_file", "asked", "error", "message"),
    [
        ({"tp": 2}, {"tp": 4}, ScenarioError, "--tp 4: expected 2, which m.csv is of"),
        ({"gpu": "A100"}, {"gpu": "H100"}, ScenarioError, "--gpu H100: expected A100, which m.csv is of"),
        ({"tp": "two"}, {}, ScenarioError, "column 'tp' has 'two'; expected a whole number, at least 1"),
        ({"tp": -1}, {}, ScenarioError, "column 'tp' has -1; expected a whole number, at least 1"),
        ({"tp": 0}, {}, ScenarioError, "column 'tp' has 0; expected a whole number, at least 1"),
    ],
)
def test_whose_measurements_they_cannot_be(in_file, asked, error, message):
    with pytest.raises(error, match=message):
        whose_of(in_file, Options(**asked), "m.csv")


def test_what_to_measure_is_told_once_and_where_it_shows():
    assert measure_next(["p0_w_per_gpu", "e_j_per_token"], served=False) == [
        "energy of iterations with few tokens, and of some with many"
    ]
    assert measure_next(["p_cap_w_per_gpu"], served=True) == []
    assert measure_next([], served=False) == []


# ---- where a search over a server's points begins -------------------------------------------------------

CLIENTS, PROMPTS, OUTPUTS = [1, 4, 16, 2, 8], [100, 100, 400, 2000, 50], [10, 40, 20, 10, 80]
TRUE = {
    "a0_s": 0.01, "ab_s_per_sequence": 1e-4, "ak_s_per_token": 1e-7, "c1_s_per_token": 2e-5, "aq_s_per_token2": 1e-9
}  # fmt: skip


def whole_answers():
    """Seconds of answers, were each as many iterations as it has tokens, prompts of all clients in between."""
    rows = zip(CLIENTS, PROMPTS, OUTPUTS, strict=True)
    return np.array([
        TRUE["a0_s"] * o
        + TRUE["ab_s_per_sequence"] * o * n
        + TRUE["ak_s_per_token"] * o * n * (p + o / 2)
        + TRUE["c1_s_per_token"] * n * p
        + TRUE["aq_s_per_token2"] * n * p**2 / 2
        for n, p, o in rows
    ])  # fmt: skip


@pytest.mark.parametrize("reading", ["e2e_s", "tpot_s", "tokens_per_s", "ttft_s"])
def test_a_search_begins_at_what_whole_answers_suggest(reading):
    whole, outputs = whole_answers(), np.array(OUTPUTS)
    values = {
        "e2e_s": whole,
        "tpot_s": whole / outputs,
        "ttft_s": whole / outputs,
        "tokens_per_s": np.array(CLIENTS) * outputs / whole,
    }[reading]
    starts = PointFit(ServedPoints(CLIENTS, PROMPTS, OUTPUTS, {reading: values}, None), 1, (0, 0), {}, [])._starts()
    for start in starts:
        assert {n: start[n] for n in TRUE} == pytest.approx(TRUE, rel=1e-6)
        assert all(start[n] == 0.0 for n in DURATION if n not in TRUE and n != "nstar_tokens")
    assert len({start["nstar_tokens"] for start in starts}) == len(starts) > 1


def test_a_mixture_begins_with_half_of_the_base_time_for_its_experts():
    points = ServedPoints(CLIENTS, PROMPTS, OUTPUTS, {"e2e_s": whole_answers()}, None)
    start = PointFit(points, 1, (8, 2), {"ak_s_per_token": 5.0, "p0_w_per_gpu": 1.0}, [])._starts()[0]
    assert (start["a0_s"], start["ae_s"], start["se"]) == pytest.approx((0.005, 0.005, 0.5))
    assert start["ak_s_per_token"] == 5.0  # the base's
    assert "p0_w_per_gpu" not in start


def test_a_whole_base_or_the_last_fit_is_where_a_search_begins():
    points = ServedPoints(CLIENTS, PROMPTS, OUTPUTS, {"e2e_s": whole_answers()}, None)
    base = dict.fromkeys(DURATION, 0.25) | {"p0_w_per_gpu": 1.0}
    fit = PointFit(points, 1, (0, 0), base, [])
    assert fit._starts() == [dict.fromkeys(DURATION, 0.25)]
    fit._last_fit = {"a0_s": 9.0}
    assert fit._starts() == [{"a0_s": 9.0}]


def test_sizes_that_coefficients_may_have():
    """Of 10 clients with prompts of 100 tokens, an iteration of 10 ms in mind."""
    fit = PointFit(ServedPoints([5, 15], [50, 150], [1, 1], {}, None), 1, (0, 0), {}, [])
    sizes = {
        "a0_s": 0.01, "ae_s": 0.01, "nstar_tokens": 100.0, "se": 0.5, "a1_s": 0.001,
        "ab_s_per_sequence": 0.0001, "c1_s_per_token": 0.0001, "c0_s_per_token": 1e-5, "akx_s_per_token": 1e-5,
        "ak_s_per_token": 1e-6, "ac_s_per_token": 1e-6, "akm_s_per_token": 1e-6, "abk_s_per_token": 1e-7,
        "aq_s_per_token2": 1e-7,
    }  # fmt: skip
    assert sizes.keys() == set(DURATION)
    assert {name: fit._floor(name) for name in DURATION} == pytest.approx(sizes)


# ---- runs of a fit --------------------------------------------------------------------------------------

TWO_MODELS = (
    'models=[{name="a", satisfaction=0.5, coefficients={a0_s=0.01}}, '
    '{name="b", satisfaction=0.6, coefficients={a0_s=0.1}}]'
)


@pytest.mark.parametrize(
    ("server", "sets"),
    [
        ({}, []),
        ({"gpu": "H100", "engine": "vllm"}, []),
        ({"gpu": "H100", "engine": "sglang"}, ["models.0.coefficients.ak_s_per_token=1e-6"]),
        ({}, ["warmup=5", "engine=simpy", "models.0.max_num_seqs=5"]),
        ({}, [TWO_MODELS, "router.policy=largest"]),
    ],
)
def test_means_of_a_fit_are_those_of_whole_summaries_bit_for_bit(server, sets):
    points = ServedPoints([1, 7, 3], [100, 700, 50], [10, 40, 1], {}, None)
    loops = ClosedLoops(points, 2, (0, 0), sets, server)
    energy = {"p0_w_per_gpu": 300.0, "e_j_per_token": 0.01, "p_cap_w_per_gpu": 400.0}
    for figures in (TRUE | energy, TRUE | {"a0_s": 0.03, "nstar_tokens": 90.0}, TRUE | energy):
        summaries = [summary_of(loops.scenario(point, figures)) for point in range(3)]
        assert [means[:2] for means in loops.means(figures)] == [
            ({n: v["mean"] for n, v in s["latency_s"].items()}, s["energy"]["j_per_output_token"]) for s in summaries
        ]


def test_starts_that_differ_only_in_what_is_given_are_searched_once(monkeypatch):
    points = ServedPoints(CLIENTS, PROMPTS, OUTPUTS, {"e2e_s": whole_answers()}, None)
    fit, begun = PointFit(points, 1, (0, 0), {}, []), []
    search = fit._search
    monkeypatch.setattr(fit, "_search", lambda free, start: begun.append(start) or search(free, start))
    fit.duration({n: TRUE.get(n, 0.0) for n in DURATION if n != "a0_s"})
    assert len(begun) == 1
    assert begun[0]["nstar_tokens"] == 0.0


def test_progress_tells_runs_and_how_far_they_are():
    points, reported = ServedPoints([1, 2], [50, 80], [4, 6], {"tpot_s": np.array([0.012, 0.018])}, None), []
    fit = PointFit(points, 1, (0, 0), {}, [], progress=lambda *so_far: reported.append(so_far))
    figures, _ = fit.duration({n: TRUE.get(n, 0.0) for n in DURATION if n != "a0_s"})
    assert [runs for runs, _ in reported] == [2 * (i + 1) for i in range(len(reported))]
    off = fit.simulated(figures)["tpot_s"] / points.readings["tpot_s"] - 1.0
    assert any(far == pytest.approx(np.abs(off).mean(), rel=1e-9) for _, far in reported)
    assert len(reported) > 2
