"""Parts of `calibrate` without a fit: options, what to measure next, and the file that is written."""

from pathlib import Path

import pytest

from messsim.errors import OutputError, ScenarioError
from messsim.study.calibrate.measured import closed_loop
from messsim.study.calibrate.missing import measure_next
from messsim.study.calibrate.options import Base, pair
from messsim.study.calibrate.profile_file import profile_text
from messsim.zoo import find_profile
from messsim.zoo.fitting import NO_CAP_W

FILE = Path("measured.csv")

# ---- options --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["a", "=1", " =1"])
def test_what_is_no_pair_is_told(text):
    with pytest.raises(ScenarioError) as caught:
        pair(text, "--fix")
    assert str(caught.value) == f"--fix {text}: expected NAME=VALUE"


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


@pytest.mark.parametrize("knots", [False, True])
def test_a_base_may_be_a_file_of_ones_own(tmp_path, knots):
    curve = "knots = [[1, 0.5], [8, 0.75]]" if knots else "a0_s = 0.5"
    head = 'model = "M"\ngpu = "G"\ntp = 1\nkv_capacity_tokens = 5000\n'
    (tmp_path / "m.toml").write_text(f"{head}[coefficients]\n{curve}\nak_s_per_token = 0.125\n")
    base = Base.of(str(tmp_path / "m.toml"))
    assert (base.figures["ak_s_per_token"], base.figures["p_cap_w_per_gpu"]) == (0.125, NO_CAP_W)
    assert ("a0_s" in base.figures) is not knots
    assert (base.mixture, base.kv_capacity_tokens) == ((0, 0), 5000)


def test_what_to_measure_next_is_told_once():
    assert measure_next(["a0_s", "ae_s", "se", "c0_s_per_token"], served=True) == [
        "1 client",
        "1 to 64 clients with short prompts",
    ]
    assert measure_next(["a1_s", "a1_s"], served=False) == ["short prompts by themselves"]
    assert measure_next([], served=False) == measure_next([], served=True, few=True) == []
    more, *rest = measure_next(["a0_s"], served=True, few=True)
    assert more.startswith("a dozen points")
    assert rest == ["1 client"]


# ---- the profile ----------------------------------------------------------------------------------------


def calibrated(**changes):
    def c(value, how="fitted"):
        return {"value": value, "how": how, "why": "because", "standard_error": None}

    coefficients = {"a0_s": c(0.01), "ae_s": c(0.0, "given"), "p0_w_per_gpu": c(100.0), "e_j_per_token": c(0.5)}
    coefficients |= {"ek_j_per_cached_token": c(1e-5), "p_cap_w_per_gpu": c(None, "not measured")}
    errors = [{"region": "all", "rows": 5, "duration": {"mape": 0.0123456, "worst": 0.5}}]
    data = {"file": "m.csv", "kind": "iterations", "rows": 5, "left_out": 0, "model": "m", "gpu": None, "tp": 2}
    data |= {"experts": 0, "top_k": 0, "kv_capacity_tokens": 99, "engine": None, "base": None, "up_to": {"batch": 3.0}}
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
    of_knots = "; a base with knots, as all built-in profiles, gives terms of attention and energy alone"
    with pytest.raises(OutputError, match=f" --base PROFILE{of_knots}$"):
        profile_text(calibrated(not_determined=["a0_s"], base="p"))
    capped = calibrated()
    capped["coefficients"]["p_cap_w_per_gpu"]["value"] = 100.0
    profile_text(capped)
    capped["coefficients"]["p_cap_w_per_gpu"]["value"] = 99.0
    with pytest.raises(OutputError, match=r"p_cap_w_per_gpu = 99 is below p0_w_per_gpu = 100 by m\.csv$"):
        profile_text(capped)


@pytest.mark.parametrize("more", [{}, {"slower": 1.0}, {"slower": 2.0}])
def test_a_closed_loop_runs_a_profile_as_it_is_or_slower(more):
    profile = find_profile("Llama-3.1-8B", "H100", 1, "bf16")
    lengths = {"prompt": {"kind": "constant", "tokens": 9}, "output": {"kind": "constant", "tokens": 3}}
    made = closed_loop(profile, "vllm", 4, 20, lengths, None, 7, max_num_seqs=5, **more)
    (served,) = made.fleet
    assert (served.name, served.gpu, served.max_num_seqs) == (profile.model, "H100", 5)
    assert (made.arrivals.kind, made.arrivals.clients, made.requests, made.seed) == ("closed", 4, 20, 7)
    knots = [[tokens, 2.0 * seconds] for tokens, seconds in profile.duration.knots]
    if more == {"slower": 2.0}:
        assert [list(knot) for knot in served.coefficients.knots] == knots
        assert served.coefficients.ak_s_per_token == 2.0 * profile.duration.ak_s_per_token
        assert served.kv_capacity_tokens == profile.memory.kv_capacity_tokens
    else:
        assert served.coefficients is None or [list(k) for k in served.coefficients.knots] != knots
        assert served.weights == "bf16"
