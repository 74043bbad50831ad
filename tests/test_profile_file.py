"""The file that a calibration writes: which coefficients stand in it, and what is said of where they come from."""

import tomllib

import pytest

from messsim.errors import OutputError
from messsim.study.calibrate.options import MIXTURE, NAMES
from messsim.study.calibrate.profile_file import profile_text
from messsim.zoo.fitting import ENERGY


def result(experts=0, **changes):
    """A calibration whose coefficients are all fitted, but for those of a mixture where it is dense."""
    coefficients = {n: {"value": float(k + 1), "how": "fitted", "why": ""} for k, n in enumerate(NAMES)}
    for n in MIXTURE:
        coefficients[n] = {"value": 0.5 if experts else 0.0, "how": "fitted" if experts else "given", "why": ""}
    coefficients["p_cap_w_per_gpu"]["value"] = 900.0
    whole = {
        "model": "m", "gpu": "H100", "tp": 2, "kv_capacity_tokens": 1000, "file": "m.csv", "kind": "iterations",
        "rows": 9, "left_out": 1, "base": None, "up_to": {"batch": 4.0}, "experts": experts, "top_k": experts // 4,
        "engine": None, "errors": [{"region": "all", "rows": 9, "duration": {"mape": 0.125}}], "not_determined": [],
        "coefficients": coefficients,
    }  # fmt: skip
    return whole | changes


def with_one(name, value, how, **more):
    made = result(**more)
    made["coefficients"][name] = {"value": value, "how": how, "why": "so"}
    return made


def read(made):
    return tomllib.loads(profile_text(made))


def test_a_dense_model_has_nothing_of_experts():
    profile = read(result())
    assert not {"experts", "top_k", *MIXTURE} & profile["coefficients"].keys()
    assert profile["coefficients"]["a0_s"] == 1.0
    assert "given" not in profile["fit"]  # that it has none was not said by anybody
    assert {k: profile[k] for k in ("model", "gpu", "tp", "kv_capacity_tokens")} == {
        "model": "m", "gpu": "H100", "tp": 2, "kv_capacity_tokens": 1000,
    }  # fmt: skip


def test_a_mixture_says_its_experts():
    profile = read(result(experts=8))
    coefficients = profile["coefficients"]
    assert [coefficients[n] for n in ("experts", "top_k", *MIXTURE)] == [8, 2, 0.5, 0.5]


@pytest.mark.parametrize(("how", "key"), [("given", "given"), ("base", "from_base"), ("not measured", "not_measured")])
def test_where_a_coefficient_comes_from_is_kept(how, key):
    made = with_one("a1_s", 0.25, how)
    assert read(made)["fit"][key] == ["a1_s"]
    mixture = with_one("se", 0.25, how, experts=8)
    assert read(mixture)["fit"][key] == ["se"]


def test_what_has_no_value_is_left_out():
    profile = read(with_one("p_cap_w_per_gpu", None, "none"))
    assert "p_cap_w_per_gpu" not in profile["coefficients"]
    assert "p0_w_per_gpu" in profile["coefficients"]


@pytest.mark.parametrize("name", ENERGY[:3])
@pytest.mark.parametrize(("how", "measured"), [("fitted", True), ("base", False), ("given", False)])
def test_energy_is_measured_where_all_of_it_was_fitted(name, how, measured):
    assert read(with_one(name, 0.5, how))["coefficients"]["energy_measured"] == measured
    assert read(with_one("p_cap_w_per_gpu", 900.0, how))["coefficients"]["energy_measured"]  # a cap is no reading


def test_the_fit_is_told_beside_it():
    fit = read(result())["fit"]
    assert fit["errors"] == [{"region": "all", "rows": 9, "duration_mape": 0.125}]
    assert (fit["file"], fit["rows"], fit["left_out"], fit["up_to"]) == ("m.csv", 9, 1, {"batch": 4.0})
    assert "base" not in fit
    assert read(result(base="x.toml"))["fit"]["base"] == "x.toml"


@pytest.mark.parametrize(
    ("name", "base", "knots"), [("a0_s", "B", True), ("a0_s", None, False), ("ak_s_per_token", "B", False)]
)
def test_what_is_not_determined_makes_no_profile(name, base, knots):
    with pytest.raises(OutputError) as shown:
        profile_text(with_one(name, None, "not determined", base=base, not_determined=[name]))
    text = str(shown.value)
    assert text.startswith(f"no profile to write: m.csv does not determine {name} (so). Expected such measurements, or")
    assert ("a base with knots" in text) == knots
