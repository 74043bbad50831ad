"""Parts of `calibrate` without a fit: options, errors by region, and the file that is written."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from messsim.errors import DataError, OutputError, ScenarioError
from messsim.study.calibrate.fits import _by_region, _determined, _errors, unmeasured
from messsim.study.calibrate.fitting import _greatest, _idle, _stated, _within
from messsim.study.calibrate.measurements import Measurements, ServedPoints
from messsim.study.calibrate.missing import measure_next
from messsim.study.calibrate.options import Base, Options, given_by, mixture_of, pair, whose_of
from messsim.study.calibrate.profile_file import not_tiny, profile_text
from messsim.zoo.fitting import Estimate, Iterations

FILE = Path("measured.csv")

# ---- options --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "parts"), [("a=1", ("a", "1")), (" a = b=c ", ("a", "b=c")), ("a=", ("a", ""))])
def test_both_sides_of_a_pair(text, parts):
    assert pair(text, "--fix") == parts


@pytest.mark.parametrize("text", ["a", "=1", " =1"])
def test_what_is_no_pair_is_told(text):
    with pytest.raises(ScenarioError) as caught:
        pair(text, "--fix")
    assert str(caught.value) == f"--fix {text}: expected NAME=VALUE"


@pytest.mark.parametrize(
    ("experts", "top_k", "mixture"),
    [(None, None, (64, 6)), (8, 2, (8, 2)), (8, 7, (8, 7)), (0, None, (0, 0)), (0, 0, (0, 0))],
)
def test_a_mixture_is_that_of_the_options_or_of_the_base(experts, top_k, mixture):
    assert mixture_of(Options(experts=experts, top_k=top_k), Base({}, (64, 6), None)) == mixture


@pytest.mark.parametrize(("experts", "top_k"), [(8, 8), (8, None), (None, 2), (2, 8), (8, 0)])
def test_what_is_no_mixture_is_told(experts, top_k):
    with pytest.raises(ScenarioError) as caught:
        mixture_of(Options(experts=experts, top_k=top_k), Base({}, (0, 0), None))
    assert str(caught.value) == f"--experts {experts or 0} and --top-k {top_k or 0}: expected 0 < top-k < experts"


def test_coefficients_that_are_given():
    assert given_by([], dense=True) == {"ae_s": 0.0, "se": 0.0}
    assert given_by(["a0_s=0", "ae_s = 1e-3"], dense=False) == {"a0_s": 0.0, "ae_s": 1e-3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a0_s=-1", "--fix a0_s=-1: expected a number, at least 0"),
        ("a0_s=inf", "--fix a0_s=inf: expected a number, at least 0"),
        ("a0_s=x", "--fix a0_s=x: expected a number, at least 0"),
        ("a0=1", "--fix a0=1: unknown coefficient 'a0'; did you mean 'a0_s'?"),
        ("a0_z=1", "--fix a0_z=1: unknown coefficient 'a0_z'; did you mean 'a0_s'?"),
        ("zzzzzzzz=1", "--fix zzzzzzzz=1: unknown coefficient 'zzzzzzzz'; expected one of a0_s, "),
        ("ae_s=1", "--fix ae_s=1: a dense model has none; expected --experts and --top-k too"),
    ],
)
def test_what_is_no_coefficient_is_told(text, message):
    with pytest.raises(ScenarioError) as caught:
        given_by([text], dense=True)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("in_file", "asked", "whose"),
    [
        ({}, {}, (None, None, 1)),
        ({"model": "m", "gpu": 100, "tp": "2"}, {}, ("m", "100", 2)),
        ({}, {"model": "m", "gpu": "g", "tp": 4}, ("m", "g", 4)),
        ({"tp": 2, "model": "m"}, {"tp": 2, "model": "m"}, ("m", None, 2)),
    ],
)
def test_whose_measurements_they_are(in_file, asked, whose):
    made = whose_of(in_file, Options(**asked), FILE)
    assert (made["model"], made["gpu"], made["tp"]) == whose


def test_a_file_of_another_model_or_of_no_tp_is_told():
    with pytest.raises(ScenarioError, match=r"^--gpu A100: expected H100, which measured\.csv is of$"):
        whose_of({"gpu": "H100"}, Options(gpu="A100"), FILE)
    for tp in ("x", 0, -1):
        with pytest.raises(ScenarioError, match=rf"column 'tp' has {tp!r}; expected a whole number, at least 1"):
            whose_of({"tp": tp}, Options(), FILE)


def test_a_base_gives_what_knots_do_not_stand_for():
    assert Base.of(None) == Base({}, (0, 0), None)
    base = Base.of("Llama-3.1-8B/H100/tp1")
    assert "ak_s_per_token" in base.figures
    assert "e_j_per_token" in base.figures
    assert not {"a0_s", "c1_s_per_token", "nstar_tokens", "ae_s", "se"} & set(base.figures)
    assert base.mixture == (0, 0)
    assert base.kv_capacity_tokens > 100_000
    with pytest.raises(ScenarioError, match=r"^--base Llama-3\.1-8B: \d+ profiles; expected one of Llama-3\.1-8B/"):
        Base.of("Llama-3.1-8B")


def test_what_to_measure_next_is_told_once():
    assert measure_next(["a0_s", "ae_s", "se", "c0_s_per_token"], served=True) == [
        "1 client",
        "1 to 64 clients with short prompts",
    ]
    assert measure_next(["a1_s", "a1_s"], served=False) == ["short prompts by themselves"]
    assert measure_next([], served=False) == []


# ---- fits -----------------------------------------------------------------------------------------------


def test_what_is_not_determined_is_taken_from_the_base_one_after_the_other():
    asked = []

    def fit(held):
        asked.append(dict(held))
        free = [n for n in ("a0_s", "c1_s_per_token", "ak_s_per_token") if n not in held]
        how = "not determined" if len(free) > 1 else "fitted"
        return held | dict.fromkeys(free, 7.0), {n: Estimate(7.0, 0.1, how, f"why {n}") for n in free}

    base = {"a0_s": 1.0, "ak_s_per_token": 2.0, "c1_s_per_token": 3.0}
    figures, estimates = _determined(fit, {"a1_s": 9.0}, base)
    assert asked == [
        {"a1_s": 9.0},
        {"a1_s": 9.0, "c1_s_per_token": 3.0},
        {"a1_s": 9.0, "c1_s_per_token": 3.0, "ak_s_per_token": 2.0},
    ]
    assert figures["a0_s"] == 7.0
    assert estimates == {
        "a1_s": Estimate(9.0, None, "given"),
        "c1_s_per_token": Estimate(3.0, None, "base", "why c1_s_per_token"),
        "ak_s_per_token": Estimate(2.0, None, "base", "why ak_s_per_token"),
        "a0_s": Estimate(7.0, 0.1, "fitted", "why a0_s"),
    }
    _, alone = _determined(fit, {}, {})
    assert {e.how for e in alone.values()} == {"not determined"}


def test_a_coefficient_without_readings_is_given_or_the_bases_or_none():
    assert unmeasured("e", {"e": 2.0}, {"e": 3.0}) == Estimate(2.0, None, "given")
    assert unmeasured("e", {}, {"e": 3.0}) == Estimate(3.0, None, "base", "no readings")
    assert unmeasured("e", {}, {"e": 1e12}) == Estimate(None, None, "not measured", "no readings"), "no cap is none"
    assert unmeasured("e", {}, {}).how == "not measured"


def test_errors_by_region_have_their_sizes():
    regions = {"all": np.array([True] * 4), "none": np.array([False] * 4), "half": np.array([True, True, False, False])}
    assert _by_region(regions, {"x": np.array([0.1, -0.3, 0.2, 0.4])}) == [
        {"region": "all", "rows": 4, "x": {"mape": pytest.approx(0.25), "bias": pytest.approx(0.1), "worst": 0.4}},
        {"region": "half", "rows": 2, "x": {"mape": pytest.approx(0.2), "bias": pytest.approx(-0.1), "worst": 0.3}},
    ]


def iterations(*rows, **more):
    """Of (prompt tokens, batch, cached tokens, seconds)."""
    prompts, batch, cached, seconds = (np.array(c, float) for c in zip(*rows, strict=True))
    return Iterations(prompts, prompts**2 / 2, np.zeros(len(prompts)), batch, cached, seconds, **more)


def test_regions_are_kinds_and_small_or_large_batches(monkeypatch):
    rows = iterations((10, 0, 0, 1.0), (0, 32, 64, 2.0), (0, 33, 66, 4.0), (10, 1, 2, 8.0))
    monkeypatch.setattr("messsim.study.calibrate.fits.predicted_seconds", lambda s, r: r.seconds * 1.5)
    made = {e["region"]: (e["rows"], e["duration"]["bias"]) for e in _errors(rows, {}, None)}
    assert made == {
        "all": (4, 0.5),
        "prefill": (1, 0.5),
        "decode, batch up to 32": (1, 0.5),
        "decode, batch above 32": (1, 0.5),
        "mixed, batch up to 32": (1, 0.5),
    }


def test_rows_that_the_memory_cannot_hold_are_left_out():
    rows = dataclasses.replace(iterations((10, 1, 80, 1.0), (10, 1, 90, 1.0)), prompt_prior=np.array([10.0, 1.0]))
    kept, left_out = _within(rows, 100, FILE)
    assert (kept.cached_tokens.tolist(), left_out) == ([80.0], 1)
    assert _within(rows, 101, FILE)[1] == 0
    assert _within(rows, None, FILE) == (rows, 0)
    with pytest.raises(DataError, match=r"no row fits into 99 cached tokens; expected another --kv-capacity-tokens"):
        _within(rows, 99, FILE)


def points(*rows, **readings):
    """Of (clients, prompt, output)."""
    clients, prompts, outputs = map(list, zip(*rows, strict=True))
    return ServedPoints(clients, prompts, outputs, {k: np.array(v) for k, v in readings.items()}, None)


def test_how_far_measurements_go():
    assert _greatest(iterations((10, 3, 80, 1.0), (20, 2, 70, 1.0))) == {
        "prompt_tokens": 20.0,
        "batch": 3.0,
        "cached_tokens": 80.0,
    }
    assert _greatest(points((4, 100, 9), (2, 200, 7))) == {"clients": 4.0, "prompt_tokens": 200.0, "output_tokens": 9.0}


def test_idle_power_is_of_a_gpu_unless_it_is_given():
    measured = Measurements({}, points((1, 1, 1)), 80.0)
    assert _idle(measured, 4, {}, {}) == Estimate(20.0, None, "fitted")
    assert _idle(measured, 4, {"p_idle_w_per_gpu": 5.0}, {}).value == 5.0
    assert _idle(Measurements({}, points((1, 1, 1))), 4, {}, {"p_idle_w_per_gpu": 7.0}).how == "base"


@pytest.mark.parametrize(
    ("value", "stated"), [(None, None), (1e12, None), (9.9e11, 9.9e11), (1e-16, 0.0), (1e-15, 1e-15)]
)
def test_a_coefficient_as_it_is_stated(value, stated):
    assert _stated(Estimate(value, 0.5, "fitted", "why")) == {
        "value": stated,
        "standard_error": 0.5,
        "how": "fitted",
        "why": "why",
    }
    if value is not None and value < 1.0:
        assert not_tiny(value) == stated


# ---- the profile ----------------------------------------------------------------------------------------


def calibrated(**changes):
    def c(value, how="fitted"):
        return {"value": value, "how": how, "why": "because", "standard_error": None}

    coefficients = {"a0_s": c(0.01), "ae_s": c(0.0, "given"), "p0_w_per_gpu": c(100.0), "e_j_per_token": c(0.5)}
    coefficients |= {"ek_j_per_cached_token": c(1e-5), "p_cap_w_per_gpu": c(None, "not measured")}
    errors = [{"region": "all", "rows": 5, "duration": {"mape": 0.0123456, "worst": 0.5}}]
    data = {"file": "m.csv", "kind": "iterations", "rows": 5, "left_out": 0, "model": "m", "gpu": None, "tp": 2}
    data |= {"experts": 0, "top_k": 0, "kv_capacity_tokens": 99, "base": None, "up_to": {"batch": 3.0}}
    return data | {"coefficients": coefficients, "not_determined": [], "errors": errors} | changes


def test_a_profile_has_the_coefficients_and_where_they_come_from():
    import tomllib

    text = profile_text(calibrated())
    assert text.startswith("# Written by `messsim calibrate`. A scenario uses it as profile = ")
    assert tomllib.loads(text) == {
        "model": "m",
        "tp": 2,
        "kv_capacity_tokens": 99,
        "coefficients": {
            "a0_s": 0.01,
            "p0_w_per_gpu": 100.0,
            "e_j_per_token": 0.5,
            "ek_j_per_cached_token": 1e-5,
            "energy_measured": True,
        },
        "fit": {
            "file": "m.csv",
            "kind": "iterations",
            "rows": 5,
            "left_out": 0,
            "up_to": {"batch": 3.0},
            "not_measured": ["p_cap_w_per_gpu"],
            "errors": [{"region": "all", "rows": 5, "duration_mape": 0.01235, "duration_worst": 0.5}],
        },
    }
    mixture = tomllib.loads(profile_text(calibrated(experts=8, top_k=2)))
    assert {n: mixture["coefficients"][n] for n in ("experts", "top_k", "ae_s")} == {
        "experts": 8,
        "top_k": 2,
        "ae_s": 0.0,
    }
    assert mixture["fit"]["given"] == ["ae_s"]
    taken = calibrated()
    taken["coefficients"]["e_j_per_token"]["how"] = "base"
    made = tomllib.loads(profile_text(taken))
    assert made["coefficients"]["energy_measured"] is False
    assert made["fit"]["from_base"] == ["e_j_per_token"]


def test_a_profile_guesses_nothing_and_has_no_cap_below_its_power():
    with pytest.raises(OutputError) as caught:
        profile_text(calibrated(not_determined=["a0_s"]))
    assert str(caught.value) == (
        "no profile to write: m.csv does not determine a0_s (because). Expected such measurements, or --fix "
        "NAME=VALUE, or --base PROFILE"
    )
    with pytest.raises(OutputError, match=r"a base with knots, as all built-in profiles, gives terms of attention"):
        profile_text(calibrated(not_determined=["a0_s"], base="p"))
    capped = calibrated()
    capped["coefficients"]["p_cap_w_per_gpu"]["value"] = 100.0
    profile_text(capped)
    capped["coefficients"]["p_cap_w_per_gpu"]["value"] = 99.0
    with pytest.raises(OutputError, match=r"p_cap_w_per_gpu = 99 is below p0_w_per_gpu = 100 by m\.csv$"):
        profile_text(capped)
