"""Calibration: known coefficients come back from what they predict, what is not measured is not made up."""

import contextlib
import csv
import dataclasses
import io
import json
import re
import runpy
import subprocess
import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tomli_w
from builders import scenario

from messsim import _core
from messsim.cli import app
from messsim.errors import DataError, OutputError, ScenarioError
from messsim.scenario import dump, load, parse, with_values
from messsim.study.calibrate.fits import HIDDEN
from messsim.study.calibrate.fitting import calibrate
from messsim.study.calibrate.measurements import ServedPoints, joined, read_measurements
from messsim.study.calibrate.missing import ITERATIONS
from messsim.study.calibrate.missing import POINTS as SERVED_POINTS
from messsim.study.calibrate.options import NAMES, Options, engine_named
from messsim.study.calibrate.profile_file import profile_text
from messsim.study.calibrate.served_fit import PointFit
from messsim.study.runs.summaries import summary_of
from messsim.workload.choosing import Chooser, conditions
from messsim.zoo import find_profile
from messsim.zoo.fitting import (
    DURATION,
    ENERGY,
    Iterations,
    fit_duration,
    fit_energy,
    predicted_joules,
    predicted_seconds,
)


def server(
    name: str, tp: int, mixture: tuple[int, int], duration: dict[str, float], energy: list[float]
) -> SimpleNamespace:
    """A server whose iterations obey the form of a calibration."""
    five = {"c0_s_per_token": 0.1 * duration["c1_s_per_token"], "a1_s": 2e-4, "ac_s_per_token": 2e-7}
    five |= {"akx_s_per_token": 1.5e-7, "abk_s_per_token": 4e-10, "ae_s": 0.0, "se": 0.0}
    return SimpleNamespace(
        name=name,
        tp=tp,
        duration=SimpleNamespace(experts=mixture[0], top_k=mixture[1], **five | duration),
        energy=SimpleNamespace(**dict(zip([*ENERGY, "p_idle_w_per_gpu"], energy, strict=True))),
    )


def times(*values: float) -> dict[str, float]:
    names = ("a0_s", "c1_s_per_token", "nstar_tokens", "ab_s_per_sequence", "ak_s_per_token", "akm_s_per_token")
    return dict(zip([*names, "aq_s_per_token2"], values, strict=True))


DENSE = server(
    "dense", 1, (0, 0), times(7.6e-3, 1.97e-5, 198.0, 5.6e-5, 4.69e-8, 7.03e-8, 8.84e-10),
    [406.9, 0.01433, 1.642e-5, 700.0, 121.7],
)  # fmt: skip
SPLIT = server(
    "split", 4, (0, 0), times(29.2e-3, 1.62e-4, 74.0, 5.38e-5, 6.11e-8, 9.16e-8, 3.23e-9),
    [238.6, 0.1097, 2.984e-5, 400.0, 80.0],
)  # fmt: skip
MIXTURES = [
    server(
        "many experts", 1, (128, 8),
        times(4.91e-3, 1.83e-5, 61.0, 5.45e-5, 4.13e-8, 6.19e-8, 1.19e-9) | {"ae_s": 0.01925, "se": 0.7},
        [389.4, 0.03675, 0.0, 700.0, 121.7],
    ),
    server(
        "few experts", 4, (8, 2),
        times(5.71e-3, 4.07e-5, 166.0, 5.19e-5, 2.16e-8, 3.23e-8, 6.95e-10) | {"ae_s": 0.01318, "se": 0.5},
        [238.6, 0.02006, 1.194e-5, 400.0, 80.0],
    ),
]  # fmt: skip
BASE = find_profile("Llama-3.1-70B", "A100", 4)
COLUMNS = ("prompt_tokens", "prompt_prior", "batch", "cached_tokens", "duration_s", "energy_j")

# Nothing is left to search: what such a calibration says of its rows is there at once.
HELD = Options(given=[f"{n}={getattr(DENSE.duration, n)!r}" for n in DURATION if n not in ("ae_s", "se")])

DECODE = [(0, 0, b, b * context) for b in (1, 2, 4, 8, 16, 64, 128, 256) for context in (64, 512, 4096)]
PREFILL = [(p, c, 0, 0) for p in (16, 64, 128, 256, 512, 1024, 4096) for c in (0, 2048)]
MIXED = [(p, 0, b, b * context) for p in (64, 512, 2048) for b in (4, 32, 128) for context in (256, 2048)]
ALL = DECODE + PREFILL + MIXED


def figures_of(profile: SimpleNamespace, names: list[str]) -> dict[str, float]:
    return {n: getattr(profile.duration if n in DURATION else profile.energy, n) for n in names}


def measured(
    profile: SimpleNamespace, work: list[tuple[int, ...]] = ALL, noise: float = 0.0, seed: int = 1
) -> Iterations:
    """What a GPU that obeys the profile would be measured to do, with relative noise."""
    prompts, prior, batch, cached = np.array(work, dtype=np.float64).T
    d = profile.duration
    rows = Iterations(
        prompts,
        prompts * (prior + prompts / 2),
        prior,
        batch,
        cached,
        np.ones(len(work)),
        None,
        profile.tp,
        d.experts,
        d.top_k,
    )
    draws = np.random.default_rng(seed).standard_normal((2, len(work)))
    seconds = predicted_seconds(figures_of(profile, DURATION), rows) * np.exp(noise * draws[0])
    joules = predicted_joules(figures_of(profile, ENERGY), rows, seconds) * np.exp(noise * draws[1])
    return dataclasses.replace(rows, seconds=seconds, joules=joules)


def write(path: Path, rows: Iterations, work: list[tuple[int, ...]] = ALL, **more: object) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, *more])
        for spec, s, j in zip(work, rows.seconds.tolist(), rows.joules.tolist(), strict=True):
            writer.writerow([*spec, repr(s), repr(j), *more.values()])
    return path


# ---- the formulas ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", [DENSE, SPLIT, *MIXTURES], ids=lambda p: p.name)
def test_the_formulas_over_columns_are_those_of_the_core(profile):
    rows = measured(profile)
    d, e, gpus = profile.duration, profile.energy, profile.tp
    whole = {n: float(getattr(d, n)) for n in [*DURATION, "experts", "top_k"]}
    whole |= {"p0_w": e.p0_w_per_gpu * gpus, "p_cap_w": e.p_cap_w_per_gpu * gpus, "p_idle_w": 0.0}
    whole |= {"e_j_per_token": e.e_j_per_token, "ek_j_per_token": e.ek_j_per_cached_token}
    whole |= {"host_kind": "sum", "host_s": 0.0, "host_s_per_sequence": 0.0, "after_s": 0.0, "knots": ()}
    lines = [_core.iteration(whole, b, k, p, p * (c + p / 2), prompt_prior=c) for p, c, b, k in ALL]
    assert rows.seconds == pytest.approx([t[0] for t in lines], rel=1e-13)
    assert rows.joules == pytest.approx([t[1] for t in lines], rel=1e-13)


# ---- recovery -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", [DENSE, SPLIT, *MIXTURES], ids=lambda p: p.name)
def test_exact_measurements_give_the_coefficients_back(profile):
    rows = measured(profile)
    fitted, estimates = fit_duration(rows, {})
    for name, value in figures_of(profile, DURATION).items():
        assert fitted[name] == pytest.approx(value, rel=1e-6, abs=1e-15), name
    assert {e.how for e in estimates.values()} == {"fitted"}
    fitted, estimates = fit_energy(rows, {})
    capped = profile is not SPLIT and profile is not MIXTURES[1]
    assert estimates["p_cap_w_per_gpu"].how == ("fitted" if capped else "none")
    for name, value in figures_of(profile, ENERGY[: 4 if capped else 3]).items():
        assert fitted[name] == pytest.approx(value, rel=1e-6, abs=1e-15), name


@pytest.mark.parametrize("profile", [DENSE, *MIXTURES], ids=lambda p: p.name)
def test_noise_moves_them_by_no_more_than_their_standard_errors_say(profile):
    # 2 % noise; 4.5 standard errors of ~13 normal estimates: a false alarm in 1e4
    rows = measured(profile, noise=0.02)
    for fit, names in ((fit_duration, DURATION), (fit_energy, ENERGY)):
        _, estimates = fit(rows, {})
        for name, value in figures_of(profile, names).items():
            e = estimates.get(name)
            if e is not None and e.how == "fitted" and name not in ("nstar_tokens", "se"):
                assert abs(e.value - value) < 4.5 * e.error + 1e-15, name


def test_noise_of_two_percent_is_an_error_of_two_percent(tmp_path):
    fitted = calibrate(write(tmp_path / "m.csv", measured(DENSE, noise=0.02)))
    overall = fitted["errors"][0]
    assert overall["region"] == "all"
    for name in ("duration", "energy"):
        assert (
            0.01 < overall[name]["mape"] < 0.02
        )  # the mean of |normal| is 0.8 standard deviations, less what is fitted
        assert abs(overall[name]["bias"]) < 0.01
    assert [e["rows"] for e in fitted["errors"]] == [56, 15, 9, 14, 12, 6]
    assert sum(e["rows"] for e in fitted["errors"][1:]) == 56


def test_each_kind_of_iteration_counts_the_same():
    rows, again = measured(DENSE, noise=0.05), [*range(len(ALL)), *list(range(len(DECODE))) * 9]
    many = Iterations(*(getattr(rows, f.name)[again] for f in dataclasses.fields(rows)[:7]))
    few, more = (fit_duration(r, {})[0] for r in (rows, many))
    assert few == pytest.approx(more, rel=1e-6)
    assert few["c1_s_per_token"] != pytest.approx(DENSE.duration.c1_s_per_token, rel=1e-3)  # the noise is felt


# ---- what is not determined -----------------------------------------------------------------------------


MIXED_TERMS = ("akm_s_per_token", "akx_s_per_token", "abk_s_per_token")
UNMIXED = dict.fromkeys(MIXED_TERMS, 0.0)


def open_(estimates) -> dict[str, str]:
    return {n: e.why for n, e in estimates.items() if e.value is None}


def test_without_prompts_nothing_is_said_of_prompts():
    few = [w for w in DECODE if w[2] <= 128]  # fewer than nstar
    _, estimates = fit_duration(measured(DENSE, few), {})
    reported = open_(estimates)
    prompts = {"aq_s_per_token2", "a1_s", "ac_s_per_token", "akm_s_per_token", "akx_s_per_token", "abk_s_per_token"}
    # each sequence is a new token too
    assert set(reported) == {"c0_s_per_token", "c1_s_per_token", "nstar_tokens", "ab_s_per_sequence"} | prompts
    assert reported["c0_s_per_token"] == "cannot be told from ab_s_per_sequence"
    assert estimates["a0_s"].value == pytest.approx(DENSE.duration.a0_s)
    assert estimates["ak_s_per_token"].value == pytest.approx(DENSE.duration.ak_s_per_token)


def test_without_mixed_iterations_nothing_is_said_of_their_attention():
    _, estimates = fit_duration(measured(DENSE, DECODE + PREFILL), {})
    assert open_(estimates) == dict.fromkeys(MIXED_TERMS, "no row depends on it")


def test_contexts_of_one_length_do_not_tell_sequences_from_their_tokens():
    rows = measured(DENSE, [(0, 0, b, 512 * b) for b in (1, 4, 16, 64, 128)] + PREFILL)
    _, estimates = fit_duration(rows, UNMIXED)
    assert open_(estimates) == {
        "ab_s_per_sequence": "cannot be told from ak_s_per_token",
        "ak_s_per_token": "cannot be told from ab_s_per_sequence",
    }
    _, estimates = fit_duration(rows, UNMIXED | {"ab_s_per_sequence": DENSE.duration.ab_s_per_sequence})
    assert estimates["ak_s_per_token"].value == pytest.approx(DENSE.duration.ak_s_per_token)


def test_noise_that_hides_a_coefficient_is_told():
    work = [(0, 0, b, k) for b in (30, 32, 34) for k in (10_000, 11_000)] + PREFILL
    _, estimates = fit_duration(measured(DENSE, work, noise=0.1), UNMIXED)
    assert open_(estimates)["ab_s_per_sequence"].startswith("known only to within ")


def test_fewer_rows_than_coefficients_determine_none():
    _, estimates = fit_duration(measured(DENSE, DECODE[:1] + PREFILL[:2]), {})
    assert {e.value for n, e in estimates.items() if n not in ("nstar_tokens",)} == {None}


def test_a_cap_that_no_row_reaches_is_none_not_a_number():
    _, estimates = fit_energy(measured(DENSE, DECODE[:6]), {})
    assert (estimates["p_cap_w_per_gpu"].value, estimates["p_cap_w_per_gpu"].how) == (None, "none")


@pytest.mark.parametrize("seed", range(8))
def test_noise_alone_makes_no_cap(seed):
    _, estimates = fit_energy(measured(SPLIT, noise=0.03, seed=seed), {})
    assert estimates["p_cap_w_per_gpu"].how == "none"
    _, estimates = fit_energy(measured(DENSE, noise=0.03, seed=seed), {})
    assert estimates["p_cap_w_per_gpu"].value == pytest.approx(DENSE.energy.p_cap_w_per_gpu, rel=0.03)


def test_a_cap_below_p0_is_refused(tmp_path):
    energy = dict.fromkeys(ENERGY, 0.0) | {"p0_w_per_gpu": 120.0, "p_cap_w_per_gpu": 100.0}
    given = [f"{n}={v}" for n, v in energy.items()]
    fitted = calibrate(write(tmp_path / "m.csv", measured(DENSE)), options=Options(given=given))
    with pytest.raises(OutputError, match="p_cap_w_per_gpu = 100 is below p0_w_per_gpu = 120 by "):
        profile_text(fitted)


def test_what_is_given_stays_and_what_is_open_comes_from_the_base(tmp_path):
    file = write(tmp_path / "m.csv", measured(DENSE, DECODE + PREFILL), DECODE + PREFILL)
    akm_s_per_token = calibrate(file)["coefficients"]["akm_s_per_token"]
    assert (akm_s_per_token["value"], akm_s_per_token["how"]) == (None, "not determined")
    akm_s_per_token = calibrate(file, options=Options(base=BASE.name, given=["aq_s_per_token2=1e-9"]))
    coefficients = akm_s_per_token["coefficients"]
    assert coefficients["akm_s_per_token"]["value"] == BASE.duration.akm_s_per_token
    assert coefficients["akm_s_per_token"]["how"] == "base"
    assert coefficients["aq_s_per_token2"] == {"value": 1e-9, "standard_error": None, "how": "given", "why": ""}
    assert coefficients["a0_s"]["how"] == "fitted"
    assert coefficients["p_idle_w_per_gpu"]["value"] == BASE.energy.p_idle_w_per_gpu
    assert akm_s_per_token["kv_capacity_tokens"] == BASE.memory.kv_capacity_tokens


def test_rows_that_no_memory_holds_are_left_out_and_counted(tmp_path):
    rows = measured(DENSE)
    beyond = rows.cached_tokens > 100_000
    file = write(tmp_path / "m.csv", dataclasses.replace(rows, seconds=rows.seconds * np.where(beyond, 2.0, 1.0)))
    fitted = calibrate(file, options=Options(kv_capacity_tokens=110_000))
    assert (fitted["rows"], fitted["left_out"]) == (len(ALL) - beyond.sum(), beyond.sum())
    assert fitted["coefficients"]["ak_s_per_token"]["value"] == pytest.approx(DENSE.duration.ak_s_per_token)
    assert fitted["errors"][0]["duration"]["worst"] < 1e-9
    settings = here("calibrate", file, "--kv-capacity-tokens", 110_000).stdout.replace("\n", " ")
    assert f"{beyond.sum()} rows left out: they need more than 110,000 cached tokens" in settings
    with pytest.raises(DataError, match="no row fits into 1 cached tokens"):
        calibrate(file, options=Options(kv_capacity_tokens=1))


def test_pauses_tell_the_idle_power_and_nothing_else(tmp_path):
    file = write(tmp_path / "m.csv", measured(SPLIT))
    with file.open("a") as more:
        more.write("0,0,0,0,2.0,600\n0,0,0,0,1.0,420\n")
    fitted = calibrate(file, options=Options(tp=4))
    assert fitted["coefficients"]["p_idle_w_per_gpu"]["value"] == pytest.approx((600 + 420) / 3 / 4)
    assert fitted["rows"] == len(ALL)
    assert fitted["coefficients"]["p0_w_per_gpu"]["value"] == pytest.approx(SPLIT.energy.p0_w_per_gpu)


# ---- points of a server ---------------------------------------------------------------------------------

POINTS = [(c, p, o) for c in (1, 8) for p, o in ((64, 8), (512, 32), (2048, 16), (64, 64))]


def served(
    profile: SimpleNamespace, folder: Path, points=POINTS, readings=("ttft_s", "tpot_s", "j_per_token"), **server
) -> Path:
    """A file of what the simulator itself says of a server that obeys the profile."""
    clients, prompts, outputs = (list(c) for c in zip(*points, strict=True))
    mixture = (profile.duration.experts, profile.duration.top_k)
    fit = PointFit(ServedPoints(clients, prompts, outputs, {}, None), profile.tp, mixture, {}, [], server)
    predicted = fit.simulated(figures_of(profile, DURATION), figures_of(profile, ENERGY[:3]))
    rows = zip(*zip(*points, strict=True), *(predicted[r].tolist() for r in readings), strict=True)
    text = "\n".join(",".join(map(repr, row)) for row in rows)
    file = folder / "points.csv"
    file.write_text(f"clients,prompt_tokens,output_tokens,{','.join(readings)}\n{text}\n")
    return file


@pytest.mark.parametrize("profile", [DENSE, MIXTURES[0]], ids=lambda p: p.name)
def test_points_of_a_simulated_server_give_what_they_determine_back(tmp_path, profile):
    file = served(profile, tmp_path)
    start = find_profile("Qwen3-14B" if profile is DENSE else "Qwen3-30B-A3B", "A100", 1)
    hidden = ("c0_s_per_token", "a1_s", "ac_s_per_token", *MIXED_TERMS)
    held = [f"{n}={getattr(profile.duration, n)!r}" for n in (*hidden, *(() if profile is DENSE else ("se", "ae_s")))]
    fitted = calibrate(file, options=Options(tp=profile.tp, base=start.name, given=held))
    assert fitted["kind"] == "served"
    assert fitted["errors"][0]["ttft_s"]["mape"] < 0.005
    assert fitted["errors"][0]["tpot_s"]["mape"] < 0.005
    assert fitted["errors"][0]["j_per_token"]["mape"] < 0.005
    for name in ("a0_s", "c1_s_per_token", "p0_w_per_gpu", "e_j_per_token"):
        reported = fitted["coefficients"][name]
        assert (reported["how"], reported["value"]) == (
            "fitted",
            pytest.approx(figures_of(profile, [name])[name], rel=0.02),
        ), name


def test_points_of_an_engine_are_fitted_with_its_front_end_and_the_profile_says_so(tmp_path):
    """Its 10 ms and the iteration that it plans ahead are in every TTFT: no coefficient may stand for them."""
    file = served(DENSE, tmp_path, readings=("ttft_s", "tpot_s"), engine="vllm", gpu="A100")
    held = [
        f"{n}={getattr(DENSE.duration, n)!r}" for n in DURATION if n not in ("a0_s", "c1_s_per_token", "ae_s", "se")
    ]
    known = Options(tp=DENSE.tp, gpu="A100", given=held, kv_capacity_tokens=300_000)
    fitted = calibrate(file, options=dataclasses.replace(known, engine="vllm"))
    assert fitted["errors"][0]["ttft_s"]["worst"] < 0.005
    assert fitted["coefficients"]["a0_s"]["value"] == pytest.approx(DENSE.duration.a0_s, rel=0.01)
    assert calibrate(file, options=known)["errors"][0]["ttft_s"]["mape"] > 0.02, "without it the fit is worse"
    assert tomllib.loads(profile_text(fitted))["engine"] == "vllm"
    assert "engine" not in tomllib.loads(profile_text(calibrate(file, options=known)))


def test_an_engine_is_one_that_there_is_on_a_gpu_that_is_known(tmp_path):
    with pytest.raises(ScenarioError, match="--engine trt: expected one of vllm, sglang, tensorrt-llm"):
        engine_named("trt")
    (iterations := tmp_path / "iterations.csv").write_text(
        "prompt_tokens,batch,cached_tokens,duration_s\n0,1,500,0.0075\n0,8,4000,0.0081\n512,0,0,0.02\n"
    )
    for file in (served(DENSE, tmp_path), iterations):
        for gpu, named in (("mine", ", and that of mine is not known"), (None, "")):
            with pytest.raises(ScenarioError) as error:
                calibrate(file, options=Options(gpu=gpu, engine="vllm", base=BASE.name))
            opening = f"--engine vllm: its limits go by the GPU's memory{named}; expected --gpu with one of A100, H100"
            assert str(error.value).startswith(opening)
            assert str(error.value).endswith(", or no --engine")
        assert calibrate(iterations, options=Options(gpu="H100", engine="vllm", base=BASE.name))["engine"] == "vllm"


@pytest.mark.parametrize(
    ("backend", "engine", "other"),
    [
        ("sglang", "vllm", "sglang"),
        ("sglang-oai", "vllm", "sglang"),
        ("trtllm", "sglang", "tensorrt-llm"),
        ("vllm", "vllm", None),
        ("trt", "tensorrt-llm", None),
        ("openai", "vllm", None),
        ("sglang", None, None),
    ],
)
def test_another_engine_than_the_backend_of_the_file_is_noted(tmp_path, backend, engine, other):
    (file := tmp_path / "iterations.csv").write_text(
        f"backend,prompt_tokens,batch,cached_tokens,duration_s\n{backend},0,1,500,0.0075\n{backend},512,0,0,0.02\n"
    )
    notes = calibrate(file, options=Options(gpu="H100", engine=engine, base=BASE.name))["notes"]
    opening = f"--engine {engine}: {file} has the backend {backend!r}; "
    assert [n.startswith(opening) and n.count(f"--engine {other}") for n in notes] == ([] if other is None else [1])


def test_files_of_two_backends_are_not_one_server(tmp_path):
    files = [tmp_path / f"{backend}.json" for backend in ("vllm", "sglang")]
    for file in files:
        file.write_text(json.dumps(BENCHMARK | {"backend": file.stem}))
    with pytest.raises(DataError, match="is of backend sglang; expected vllm, as the files before"):
        calibrate(files)


@pytest.mark.slow
def test_points_of_a_simulated_server_without_a_start(tmp_path):
    points = [(c, p, o) for c in (1, 4, 16, 64, 128) for p in (128, 1024, 4096) for o in (32, 256)]
    fitted = calibrate(served(DENSE, tmp_path, points))
    for name, value in figures_of(DENSE, [*DURATION, *ENERGY[:3]]).items():
        assert fitted["coefficients"][name]["value"] == pytest.approx(value, rel=1e-3, abs=1e-15), name


def test_as_many_rows_as_coefficients_determine_none():
    _, estimates = fit_duration(
        measured(DENSE, [*DECODE[:2], DECODE[6], *PREFILL[-2:]]),
        dict.fromkeys(("c0_s_per_token", "a1_s", "ac_s_per_token", *MIXED_TERMS, "nstar_tokens"), 0.0),
    )
    assert {e.why for e in estimates.values()} == {"5 readings for 5 coefficients"}


def test_one_point_determines_next_to_nothing(tmp_path):
    fitted = calibrate(served(DENSE, tmp_path, POINTS[:1], ["tpot_s"]), options=Options(base=BASE.name))
    by_how = {n: c["how"] for n, c in fitted["coefficients"].items()}
    assert "fitted" not in by_how.values()
    assert by_how["c0_s_per_token"] == "given"
    # a base with knots gives terms of attention, not those that stand in the knots' place
    assert {n for n, how in by_how.items() if how == "base"} >= {"ak_s_per_token", "akm_s_per_token", "p0_w_per_gpu"}
    assert fitted["not_determined"]
    with pytest.raises(OutputError, match="a base with knots, as all built-in profiles, gives terms of attention"):
        profile_text(fitted)


def test_a_search_that_ends_at_almost_nothing_ends_at_nothing(tmp_path):
    fit = PointFit(ServedPoints([4], [100], [10], {}, None), 1, (0, 0), {}, [])
    figures = figures_of(DENSE, DURATION)
    tiny, none = (fit.simulated(figures | {"akm_s_per_token": v}) for v in (1e-17, 0.0))
    assert tiny == none
    held = [f"{n}={figures[n]!r}" for n in DURATION if n not in ("ae_s", "se", "akm_s_per_token")]
    fitted = calibrate(served(DENSE, tmp_path, POINTS[4:8]), options=Options(given=[*held, "akm_s_per_token=1e-17"]))
    assert fitted["coefficients"]["akm_s_per_token"]["value"] == 0.0


@pytest.mark.parametrize("e2e", ["mean_e2el_ms", "mean_e2e_latency_ms"], ids=["vllm", "sglang"])
def test_points_may_be_sums_of_a_benchmark(tmp_path, e2e):
    (theirs := tmp_path / "theirs.jsonl").write_text("".join(json.dumps({
        "backend": "x", "max_concurrency": n, "completed": 8, "total_input_tokens": 800, "total_output_tokens": 80,
        "output_throughput": 9.5, "mean_ttft_ms": 250, "mean_tpot_ms": 12.5, e2e: 375,
    }) + "\n" for n in (1, 8)))  # fmt: skip
    (ours := tmp_path / "ours.csv").write_text(
        "backend,clients,prompt_tokens,output_tokens,ttft_s,tpot_s,e2e_s,tokens_per_s\n"
        "x,1,100,10,0.25,0.0125,0.375,9.5\nx,8,100,10,0.25,0.0125,0.375,9.5\n"
    )
    assert repr(read_measurements(theirs)) == repr(read_measurements(ours))
    theirs.write_text(theirs.read_text().replace('"max_concurrency": 8', '"max_concurrency": null'))
    with pytest.raises(DataError, match="column 'max_concurrency' has no value in row 2"):
        read_measurements(theirs)


BENCHMARK = {  # vllm bench serve --max-concurrency 8 --save-result
    "backend": "vllm", "num_prompts": 8, "request_rate": "inf", "max_concurrency": 8, "duration": 4.0,
    "completed": 8, "failed": 0, "total_input_tokens": 800, "total_output_tokens": 80, "request_throughput": 2.0,
    "output_throughput": 20.0, "mean_ttft_ms": 250, "mean_tpot_ms": 12.5,
}  # fmt: skip
DETAILED = {  # --save-detailed
    "input_lens": [100] * 8, "output_lens": [10] * 8, "ttfts": [0.25] * 8, "itls": [[0.0125] * 9] * 8,
    "generated_texts": ["x"] * 8, "errors": [""] * 8,
}  # fmt: skip


def test_a_benchmark_with_each_request_is_one_point(tmp_path):
    """The means are of all its requests: the same point once for each of them would look like so many readings."""
    (plain := tmp_path / "plain.json").write_text(json.dumps(BENCHMARK))
    (detailed := tmp_path / "detailed.json").write_text(json.dumps(BENCHMARK | DETAILED))
    assert len(read_measurements(detailed).rows) == 1
    assert repr(read_measurements(detailed)) == repr(read_measurements(plain))


@pytest.mark.parametrize("rate", ["inf", float("inf"), None, 100.0])
def test_a_benchmark_that_sends_faster_than_it_is_answered_has_all_its_clients(tmp_path, rate):
    (file := tmp_path / "b.json").write_text(json.dumps(BENCHMARK | {"request_rate": rate}))
    assert read_measurements(file).rows.clients == [8]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"request_rate": 2.1}, "column 'request_rate' has 2.1 in row 1, and 2 a second were answered: "),
        ({"request_rate": "2.1"}, "fewer than max_concurrency were under way; expected inf"),
        ({"request_rate": "trace"}, "column 'request_rate' has trace in row 1, .* expected inf"),
        ({"request_rate": "nan"}, "column 'request_rate' has nan in row 1, .* expected inf"),
        ({"max_concurrency": None}, "column 'max_concurrency' has no value in row 1: .* expected --max-concurrency N"),
    ],
)
def test_a_benchmark_without_a_fixed_number_of_clients_is_told(tmp_path, change, message):
    (file := tmp_path / "b.json").write_text(json.dumps(BENCHMARK | change))
    with pytest.raises(DataError, match=message):
        read_measurements(file)


@pytest.mark.parametrize(
    "text, message",
    [
        ("clients,prompt_tokens,output_tokens,tpot_s\n1,9,9,12.5\n", "12.5 in row 1: no server takes so many seconds"),
        (
            "clients,prompt_tokens,output_tokens,tpot_ms\n1,9,9,0.008\n",
            "column 'tpot_ms' comes to 8e-06 s in row 1: no server takes so few seconds",
        ),
        ("clients,prompt_tokens,output_tokens,ttft_s\n1,9,9,1\n2,9,9,900\n3,9,9,901\n", "900 in row 2: no server"),
        ("clients,prompt_tokens,output_tokens,ttft_s,tpot_s\n1,9,9,60000,8104\n", "are these microseconds"),
        ("prompt_tokens,batch,cached_tokens,duration_s\n9,0,0,35.5\n", "name the column duration_ms"),
    ],
)
def test_times_that_no_server_takes_are_doubted_unless_their_unit_is_stated(tmp_path, text, message):
    (file := tmp_path / "f.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_measurements(file)
    read_measurements(file, unit="s")


def test_a_doubted_time_is_named_as_the_file_names_it(tmp_path):
    sums = {"completed": 4, "max_concurrency": 1, "total_input_tokens": 40, "total_output_tokens": 40}
    (file := tmp_path / "f.jsonl").write_text(json.dumps(sums | {"mean_tpot_ms": 12_500.0}))
    with pytest.raises(DataError, match=r"column 'mean_tpot_ms' comes to 12\.5 s in row 1: .*; --time-format says"):
        read_measurements(file)


AIPERF = {
    "input_sequence_length": (100, "tokens"),
    "output_sequence_length": (10, "tokens"),
    "inter_token_latency": (12.5, "ms"),
    "time_to_first_token": (250, "ms"),
    "request_latency": (375, "ms"),
    "output_token_throughput": (9.5, "tokens/sec"),
}


@pytest.mark.parametrize(
    ("name", "row"),
    [
        (
            "profile_export_aiperf.json",
            {k: {"avg": mean, "unit": unit} for k, (mean, unit) in AIPERF.items()}
            | {"input_config": {"loadgen": {"concurrency": 8}}, "request_count": {"avg": 9}},
        ),
        *(
            (
                "profile_export_genai_perf.json",
                {k: {"unit": unit, "avg": mean, "p99": 2 * mean} for k, (mean, unit) in AIPERF.items()}
                | {"input_config": config, "request_count": {"unit": "count", "avg": 9.0}},
            )
            for config in ({"concurrency": 8}, {"perf_analyzer": {"stimulus": {"concurrency": 8}}})
        ),
        ("flat.jsonl", {f"{k}.avg": mean for k, (mean, _) in AIPERF.items()} | {"concurrency": 8}),
        ("flat.jsonl", {f"{k}_avg": mean for k, (mean, _) in AIPERF.items()} | {"concurrency": 8}),
        (
            "flat.jsonl",
            {"Concurrency": 8, "Input Sequence Length (tokens)": 100, "Output Sequence Length (tokens)": 10,
             "Inter Token Latency (ms)": 12.5, "Time to First Token (s)": 0.25, "Request Latency (ms)": 375,
             "Output Token Throughput (tokens/sec)": 9.5},
        ),
    ],
)  # fmt: skip
def test_sums_of_aiperf_are_points(tmp_path, name, row):
    (file := tmp_path / name).write_text(json.dumps(row))
    rows = read_measurements(file).rows
    assert (rows.clients, rows.prompt_tokens, rows.output_tokens) == ([8], [100], [10])
    assert {name: values[0] for name, values in rows.readings.items()} == pytest.approx(
        {"ttft_s": 0.25, "tpot_s": 0.0125, "e2e_s": 0.375, "tokens_per_s": 9.5}
    )


def test_durations_of_iterations_may_be_in_milliseconds(tmp_path):
    (file := tmp_path / "f.csv").write_text("prompt_tokens,batch,cached_tokens,duration_ms\n9,0,0,35.5\n")
    assert read_measurements(file).rows.seconds.tolist() == [0.0355]


def test_several_files_count_as_one(tmp_path):
    whole = served(DENSE, tmp_path, POINTS[:6])
    head, *rows = whole.read_text().splitlines()
    parts = []
    for i, some in enumerate((rows[:2], rows[2:])):
        parts.append(tmp_path / f"part{i}.csv")
        parts[-1].write_text("\n".join([head, *some]) + "\n")
    one, two = calibrate(whole, options=HELD), calibrate(parts, options=HELD)
    assert two.pop("file") == f"{parts[0]}, {parts[1]}"
    assert one.pop("file") == str(whole)
    assert one == two


def test_iterations_of_several_files_count_as_one(tmp_path):
    head = "prompt_tokens,batch,cached_tokens,duration_s"
    rows = ["0,1,100,0.01", "0,8,900,0.011", "512,0,0,0.03", "512,4,4000,0.035"]
    paths = [tmp_path / name for name in ("a.csv", "b.csv", "c.csv")]
    for path, some in zip(paths, (rows, rows[:1], rows[1:]), strict=True):
        path.write_text("\n".join([head, *some]) + "\n")
    whole, *parts = [read_measurements(p) for p in paths]
    together = joined(list(zip(paths[1:], parts, strict=True)))
    assert repr(together) == repr(whole)


@pytest.mark.parametrize(
    "second, message",
    [
        ("prompt_tokens,batch,cached_tokens,duration_s\n0,1,9,0.1\n", "holds iterations; expected a server at fixed"),
        ("clients,prompt_tokens,output_tokens,ttft_s\n1,9,9,0.1\n", "other readings than the files before: tpot_s"),
        ("gpu,clients,prompt_tokens,output_tokens,tpot_s\nA,1,9,9,0.1\n", "is of gpu A; expected B"),
    ],
)
def test_files_of_different_things_are_refused(tmp_path, second, message):
    paths = [tmp_path / "first.csv", tmp_path / "second.csv"]
    paths[0].write_text("gpu,clients,prompt_tokens,output_tokens,tpot_s\nB,1,9,9,0.1\n")
    paths[1].write_text(second)
    with pytest.raises(DataError, match=message) as raised:
        calibrate(paths)
    assert str(raised.value).startswith(str(paths[1]))


def test_what_is_left_open_says_what_to_measure(tmp_path):
    (file := tmp_path / "f.csv").write_text("prompt_tokens,batch,cached_tokens,duration_s\n0,1,9,0.1\n0,8,72,0.1\n")
    fitted = calibrate(file)
    assert "prompts of which a part is cached" in fitted["measure_next"]
    assert len(fitted["measure_next"]) == len(set(fitted["measure_next"]))


@pytest.mark.parametrize("shown", [ITERATIONS, SERVED_POINTS], ids=["iterations", "points"])
def test_every_coefficient_that_can_be_left_open_has_something_to_measure(shown):
    hidden = {*HIDDEN, "p_cap_w_per_gpu"} if shown is SERVED_POINTS else set()
    assert shown.keys() == {*DURATION, *ENERGY} - hidden


def test_points_may_be_samples_of_aiconfigurator(tmp_path):
    ours, theirs = tmp_path / "ours.csv", tmp_path / "theirs.csv"
    ours.write_text("model,backend,clients,prompt_tokens,output_tokens,ttft_s,tpot_s\nx,vllm,4,100,10,0.25,0.0125\n")
    theirs.write_text(
        "model,backend,prompt_len,output_len,batch,ttft_ms,tpot_ms\nx,vllm,100,10,4,250,12.5\nx,trtllm,1,2,3,4,5\n"
    )
    reported = read_measurements(theirs, Chooser(conditions(["backend=vllm"])))
    assert reported == read_measurements(ours)
    assert read_measurements(theirs, Chooser(conditions(["batch>3.5"]))) == reported
    with pytest.raises(DataError, match="no row has backend=tgi; backend is: trtllm, vllm"):
        read_measurements(theirs, Chooser(conditions(["backend=tgi"])))
    with pytest.raises(DataError, match=r"holds 2 values of backend \(trtllm, vllm\)"):
        read_measurements(theirs)
    theirs.write_text("model,backend,isl,osl,concurrency,ttft,tpot\nx,vllm,100,10,4,250,12.5\n")  # its Pareto front
    assert read_measurements(theirs) == reported
    theirs.write_text("prompt_len,output_len,batch,ttft_ms\n100,10,4,-1\n")
    with pytest.raises(DataError, match="column 'ttft_ms' has -1 in row 1; expected a number, at least 1e-09"):
        read_measurements(theirs)


def test_overrides_reach_the_closed_loops(tmp_path):
    file = served(DENSE, tmp_path, POINTS[4:8])
    assert calibrate(file, options=HELD)["errors"][0]["ttft_s"]["worst"] < 1e-9
    small = calibrate(file, options=HELD, sets=["models.0.max_batched_tokens=1024"])
    assert small["errors"][0]["ttft_s"]["worst"] > 0.01


# ---- bad files and options ------------------------------------------------------------------------------

GOOD = "prompt_tokens,batch,cached_tokens,duration_s,energy_j\n0,4,100,0.01,5\n64,0,0,0.02,9\n"
SERVED = "clients,prompt_tokens,output_tokens,tpot_s\n4,100,10,0.01\n"


@pytest.mark.parametrize(
    "text, message",
    [
        (
            GOOD.replace("duration_s", "duration"),
            "column 'duration' says no unit: name it duration_s, duration_ms, or as the unit is, or give",
        ),
        (GOOD.replace("0.02", "-0.02"), "column 'duration_s' has -0.02 in row 2; expected a number, at least 1e-09"),
        (GOOD.replace("0.02", "0"), "column 'duration_s' has 0 in row 2"),
        (GOOD.replace("0.02", "fast"), "column 'duration_s' has 'fast' in row 2; expected a number"),
        (GOOD.replace("0.02", ""), "column 'duration_s' has no value in row 2"),
        (GOOD.replace("0.02", "inf"), "column 'duration_s' has inf in row 2"),
        (GOOD.replace("64,0,0", "-64,0,0"), "column 'prompt_tokens' has -64 in row 2; expected a number, at least 0"),
        (GOOD.replace(",9", ","), "column 'energy_j' has no value in row 2"),
        (GOOD.replace("64,0,0", "64,0,7"), "column 'cached_tokens' has 7 in row 2, where batch is 0"),
        (GOOD.split("\n", 1)[0] + "\n", "has no rows"),
        (
            GOOD.replace(",energy_j", "").replace(",5", "").replace(",9", "").replace("64,", "0,"),
            "row 2 has neither prompt_tokens nor batch; expected work, or energy_j of a pause",
        ),
        (GOOD.replace("0,4,100", "0,0,0").replace("64,", "0,"), "has no iteration with prompt_tokens or batch"),
        (SERVED.replace("tpot_s", "tpot_x"), "has none of the columns ttft_s, tpot_s, e2e_s, tokens_per_s"),
        (SERVED.replace(",10,", ",1,"), "column 'output_tokens' has 1 in row 1, where tpot_s has no meaning"),
        (SERVED.replace("4,", "0,"), "column 'clients' has 0 in row 1; expected a number, at least 1"),
    ],
)
def test_bad_files_are_told_by_column_row_and_value(tmp_path, text, message):
    file = tmp_path / "m.csv"
    file.write_text(text)
    with pytest.raises(DataError) as raised:
        calibrate(file)
    assert str(raised.value).startswith(f"{file}: {message}")


@pytest.mark.parametrize(
    "options, message",
    [
        (Options(given=["a0=1"]), "--fix a0=1: unknown coefficient 'a0'; did you mean 'a0_s'?"),
        (Options(given=["a0_s"]), "--fix a0_s: expected NAME=VALUE"),
        (Options(given=["a0_s=-1"]), "--fix a0_s=-1: expected a number, at least 0"),
        (Options(given=["a0_s=soon"]), "--fix a0_s=soon: expected a number, at least 0"),
        (Options(given=["se=1"]), "--fix se=1: a dense model has none; expected --experts and --top-k too"),
        (Options(experts=8, top_k=8), "--experts 8 and --top-k 8: expected 0 < top-k < experts"),
        (Options(experts=8), "--experts 8 and --top-k 0: expected 0 < top-k < experts"),
        (Options(top_k=2), "--experts 0 and --top-k 2: expected 0 < top-k < experts"),
        (Options(base="Qwen3-8B/H100"), "--base Qwen3-8B/H100: 7 profiles; expected one of Qwen3-8B/H100/tp1, "),
    ],
)
def test_bad_options_are_told(tmp_path, options, message):
    file = tmp_path / "m.csv"
    file.write_text(GOOD)
    with pytest.raises(ScenarioError) as raised:
        calibrate(file, options=options)
    assert str(raised.value).startswith(message)


def test_a_file_of_several_models_wants_to_know_which(tmp_path):
    head, *rows = GOOD.strip().split("\n")
    file = tmp_path / "m.csv"
    file.write_text("\n".join([f"{head},model,tp", f"{rows[0]},a,1", f"{rows[1]},b,1"]))
    with pytest.raises(DataError, match=r"holds 2 values of model \(a, b\); expected the rows of one: --select model="):
        read_measurements(file)
    with pytest.raises(DataError, match="no row has model=c; model is: a, b"):
        read_measurements(file, Chooser(conditions(["model=c"])))
    assert read_measurements(file, Chooser(conditions(["model=b"]))).whose == {"model": "b", "tp": 1}
    with pytest.raises(ScenarioError, match="--tp 2: expected 1, which "):
        calibrate(file, ["model=b"], Options(tp=2))


# ---- the profile in a scenario --------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path) -> Path:
    """A profile file that was fitted to exact measurements of DENSE, and the scenario beside it."""
    fitted = calibrate(write(tmp_path / "m.csv", measured(DENSE), model="mine", gpu="RTX", tp=1))
    (tmp_path / "mine.toml").write_text(profile_text(fitted))
    return tmp_path


def coefficients_of(profile: SimpleNamespace) -> dict[str, float]:
    return vars(profile.duration) | vars(profile.energy)


def using(folder: Path, **model: object) -> Path:
    data = scenario(arrivals={"kind": "poisson", "rate_rps": 20.0}, tokens={"prompt": 300, "output": 20})
    data["models"] = [{"name": "m", "satisfaction": 0.6, "profile": "mine.toml"} | model]
    data["models"][0] = {k: v for k, v in data["models"][0].items() if v is not None}
    file = folder / "scenario.toml"
    file.write_text(tomli_w.dumps(data))
    return file


def test_a_scenario_runs_with_what_was_calibrated(own, monkeypatch):
    monkeypatch.chdir("/")  # the profile is found beside the scenario
    summary = summary_of(load(using(own)))
    expected = summary_of(load(using(own, profile=None, gpu="RTX", coefficients=coefficients_of(DENSE))))
    assert summary["latency_s"]["e2e"]["mean"] == pytest.approx(expected["latency_s"]["e2e"]["mean"], rel=1e-9)
    # idle power was not measured
    busy = [s["energy"]["total_j"] - s["energy"]["idle_j"] for s in (summary, expected)]
    assert busy[0] == pytest.approx(busy[1], rel=1e-9)
    assert summary["pools"][0]["gpu"] == "RTX"
    assert summary["energy"]["measured"] is True


def test_a_mixture_of_experts_runs_too(tmp_path):
    profile = MIXTURES[1]
    file = write(tmp_path / "m.csv", measured(profile), model=7, gpu="A100", tp=4)
    text = profile_text(calibrate(file, options=Options(experts=8, top_k=2)))
    (tmp_path / "mine.toml").write_text(text)
    assert tomllib.loads(text)["model"] == "7"
    times = [
        summary_of(load(using(tmp_path, **spec)))["latency_s"]["e2e"]["mean"]
        for spec in ({}, {"profile": None, "gpu": "A100", "tp": 4, "coefficients": coefficients_of(profile)})
    ]
    assert times[0] == pytest.approx(times[1], rel=1e-6)


def test_the_resolved_scenario_stands_alone(own):
    first = load(using(own))
    (own / "mine.toml").unlink()
    again = parse(tomllib.loads(dump(first)))
    assert again.models[0].coefficients == first.models[0].coefficients
    assert again.models[0].profile is None


def test_a_pool_may_use_it_and_keys_of_the_scenario_go_first(own):
    file = using(own, kv_capacity_tokens=5000, coefficients={"p_idle_w_per_gpu": 60.0})
    model = load(file).models[0]
    assert (model.kv_capacity_tokens, model.coefficients.p_idle_w_per_gpu) == (5000, 60.0)
    assert model.coefficients.a0_s == pytest.approx(DENSE.duration.a0_s)
    changed = load(file, ["models.m.coefficients.p_idle_w_per_gpu=70.0"])
    assert changed.models[0].coefficients.p_idle_w_per_gpu == 70.0
    data = tomllib.loads(file.read_text())
    data["models"] = [{"name": "m", "satisfaction": 0.6}]
    data["pools"] = [{"model": "m", "profile": "mine.toml", "replicas": 2}]
    assert parse(data, folder=own).pools[0].coefficients.a0_s == pytest.approx(DENSE.duration.a0_s)


def test_a_profile_file_may_say_engine_and_front_end(own):
    profile = own / "mine.toml"
    text = profile.read_text().replace('gpu = "RTX"', 'gpu = "L40S"')
    profile.write_text('engine = "sglang"\nfront_end_s = 0.02\nfront_end_workers = 1\ndetokenize_s = 0.001\n' + text)
    model = load(using(own)).models[0]
    assert (model.engine, model.schedule, model.max_batched_tokens) == ("sglang", "sglang", 4096)
    assert (model.front_end_s.mean_s, model.front_end_workers, model.detokenize_s) == (0.02, 1, 0.001)
    assert load(using(own, front_end_s=0.5)).models[0].front_end_s.mean_s == 0.5
    assert load(using(own, engine="vllm")).models[0].schedule == "vllm"


def test_another_profile_in_its_place(own):
    first = load(using(own))
    text = (own / "mine.toml").read_text()
    (own / "slow.toml").write_text(re.sub(r"a0_s = .*", "a0_s = 1.5", text))
    slow = with_values(first, {"models.m.profile": "slow.toml"})
    assert slow.models[0].coefficients.a0_s == 1.5
    assert with_values(slow, {"models.m.profile": "mine.toml"}).models == first.models


@pytest.mark.parametrize(
    "change, message",
    [
        ({"tp": 2}, "{scenario}: models.0.tp = 2: expected 1, which mine.toml is of"),
        ({"gpu": "H100"}, "{scenario}: models.0.gpu = 'H100': expected 'RTX', which mine.toml is of"),
        ({"profile": "other.toml"}, "{folder}/other.toml: no such file; expected a profile that `messsim calibrate`"),
    ],
)
def test_a_profile_that_does_not_fit_is_told(own, change, message):
    file = using(own, **change)
    with pytest.raises(ScenarioError) as raised:
        load(file)
    assert str(raised.value).startswith(message.format(scenario=file, folder=own))


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("a0_s = ", "a0 = ", "coefficients.a0: unknown key"),
        ("a0_s = ", "a0_s = -", "expected at least 0"),
        ("tp = 1", "tp = 0", "tp = 0: expected at least 1"),
        ("tp = 1", "tps = 1", "tps: unknown key; did you mean 'tp'?"),
        ("[coefficients]", "[coefs]", "coefficients: missing; expected duration and energy of an iteration"),
        ("tp = 1", "tp =", "not valid TOML"),
    ],
)
def test_a_broken_profile_file_is_told_by_its_own_name(own, old, new, message):
    profile = own / "mine.toml"
    profile.write_text(profile.read_text().replace(old, new, 1))
    with pytest.raises(ScenarioError) as raised:
        load(using(own))
    lines = str(raised.value).split("\n")
    assert all(line.startswith(f"{profile}: ") for line in lines)
    assert any(message in line for line in lines)


def test_a_profile_may_not_guess(tmp_path):
    fitted = calibrate(write(tmp_path / "m.csv", measured(DENSE, DECODE + PREFILL), DECODE + PREFILL))
    with pytest.raises(OutputError, match=r"does not determine akm_s_per_token \(no row depends on it\); akx"):
        profile_text(fitted)


# ---- the command ----------------------------------------------------------------------------------------


def here(*args: object) -> subprocess.CompletedProcess[str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as left:
        app(list(map(str, args)), prog_name="messsim")
    return subprocess.CompletedProcess(args, left.value.code, out.getvalue(), err.getvalue())


def test_the_command_prints_and_writes(tmp_path):
    file = write(tmp_path / "m.csv", measured(DENSE))
    out = tmp_path / "mine.toml"
    done = here("calibrate", file, "--gpu", "RTX", "--kv-capacity-tokens", 2_000_000, "--out", out)
    assert (done.returncode, done.stderr) == (0, "")
    for word in (
        "56 iterations of RTX",
        "a0_s",
        "mixed, batch above 32",
        "written to",
    ):
        assert word in done.stdout
    data = tomllib.loads(out.read_text())
    assert (data["gpu"], data["tp"], data["kv_capacity_tokens"]) == ("RTX", 1, 2_000_000)
    assert data["coefficients"]["energy_measured"] is True
    assert set(data["coefficients"]) <= {*NAMES, "energy_measured"}
    again = here("calibrate", file, "--out", out)
    assert (again.returncode, again.stdout) == (2, "")
    assert "exists already" in again.stderr


def test_json_is_one_object_of_the_fit(tmp_path):
    file = write(tmp_path / "m.csv", measured(MIXTURES[0]))
    done = here("calibrate", file, "--experts", 128, "--top-k", 8, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    printed = json.loads(done.stdout)
    assert printed == calibrate(file, options=Options(experts=128, top_k=8))
    assert printed["coefficients"]["ae_s"]["value"] == pytest.approx(MIXTURES[0].duration.ae_s)


def test_what_is_not_determined_is_shown_and_not_written(tmp_path):
    file = write(tmp_path / "m.csv", measured(DENSE, DECODE + PREFILL), DECODE + PREFILL)
    out = tmp_path / "mine.toml"
    done = here("calibrate", file, "--out", out)
    assert done.returncode == 2
    assert "not determined by these measurements: akm_s_per_token" in done.stdout.replace("\n", "")
    assert done.stderr.startswith("error: no profile to write: ")
    assert not out.exists()
    fixed = [word for name in MIXED_TERMS for word in ("--fix", f"{name}=0")]
    assert here("calibrate", file, "--out", out, *fixed).returncode == 0
    assert out.exists()


# ---- what is shipped ------------------------------------------------------------------------------------

ROOT = Path(__file__).parents[1]


def test_the_shipped_examples_are_what_the_tool_makes_and_give_its_figures_back():
    build = runpy.run_path(str(ROOT / "tools" / "build_example_measurements.py"))
    for name in ("iterations", "served"):
        file = ROOT / "scenarios" / "data" / f"own-gpu-{name}.csv"
        assert file.read_text() == build[name if name == "iterations" else "points"](np.random.default_rng(7))
    fitted = calibrate(ROOT / "scenarios" / "data" / "own-gpu-iterations.csv")
    for name, value in {**build["DURATION"], **build["ENERGY"], "p_idle_w_per_gpu": build["IDLE_W"]}.items():
        if name not in ("ae_s", "se"):
            assert fitted["coefficients"][name]["value"] == pytest.approx(value, rel=0.1), name
    assert fitted["not_determined"] == []


@pytest.mark.parametrize(("name", "unit", "factor"), [("ttft", "ms", 1e3), ("ttft_s", "us", 1e6), ("ttft_ms", "s", 1)])
def test_the_unit_of_all_times_can_be_said(tmp_path, name, unit, factor):
    file = tmp_path / "served.csv"
    file.write_text(f"clients,prompt_tokens,output_tokens,{name}\n1,100,10,{0.25 * factor}\n2,100,10,{0.5 * factor}\n")
    rows = read_measurements(file, None, unit).rows
    assert isinstance(rows, ServedPoints)
    assert rows.readings["ttft_s"].tolist() == [0.25, 0.5]
    with pytest.raises(DataError, match="the times are durations; expected auto, s, ms, us, ns"):
        read_measurements(file, None, "iso")


SERVER = "request_id,clients,prompt_tokens,output_tokens,ttft_ms,tpot_ms\n"


@pytest.mark.parametrize("row", ["9,0,100,10,20,9", "9,8,100,0,20,9", "9,8,100,10,,9", "9,8,100,10,20,failed"])
def test_points_that_were_not_measured_are_left_out_and_counted(tmp_path, row):
    good = "1,1,100,10,20,8\n2,4,100,10,40,9\n"
    whole, failed = tmp_path / "whole.csv", tmp_path / "failed.csv"
    whole.write_text(SERVER + good)
    failed.write_text(SERVER + good + row + "\n")
    with pytest.raises(DataError):
        calibrate(failed, options=HELD)
    fitted = calibrate(failed, options=HELD, skip_failed=True)
    assert fitted["notes"] == ["rows without measurements are left out: 1"]
    assert fitted["rows"] == 2
    assert fitted["errors"] == calibrate(whole, options=HELD)["errors"]


def test_iterations_without_a_time_are_left_out_and_those_without_prompts_count(tmp_path):
    file = tmp_path / "m.csv"
    file.write_text("prompt_tokens,batch,cached_tokens,duration_s\n0,4,100,0.01\n64,0,0,0.02\n64,0,0,\n64,0,0,0\n")
    chooser = Chooser(tokens=("",))
    assert read_measurements(file, chooser).rows.seconds.tolist() == [0.01, 0.02]
    assert chooser.notes() == ["rows without tokens are left out: 2"]


def test_a_point_that_several_files_hold_counts_once(tmp_path):
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    paths[0].write_text(SERVER + "1,1,100,10,20,8\n1,1,100,10,20,8\n2,4,100,10,40,9\n")
    paths[1].write_text(SERVER + "2,4,100,10,40,9\n3,8,100,10,80,10\n")
    fitted = calibrate(paths, options=HELD, unique="request_id")
    assert fitted["rows"] == 3
    assert fitted["notes"] == ["rows whose request_id came before are left out: 2"]


def test_calibrate_takes_the_options_of_rows(tmp_path):
    file = tmp_path / "m.csv"
    file.write_text(SERVER + "1,1,100,10,20,8\n1,1,100,10,20,8\n2,4,100,10,40,9\n3,8,100,10,,\n")
    known = [word for given in HELD.given for word in ("--fix", given)]
    printed = here("calibrate", file, "--skip-failed", "--unique", "request_id", *known).stdout
    assert "note: rows without measurements are left out: 1" in printed
    assert "note: rows whose request_id came before are left out: 1" in printed


@pytest.mark.parametrize(
    ("text", "looks", "helps"),
    [
        ("Metric,avg,min,p50\nTime to First Token (ms),255.89,200,250\n", "AIPerf", "of a summary, its averages"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03,5,4\n", "Azure", "messsim import reads it"),
    ],
)
def test_a_file_of_another_kind_is_told_by_what_it_looks_like(tmp_path, text, looks, helps):
    file = tmp_path / "m.csv"
    file.write_text(text)
    done = here("calibrate", file)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"{file}: looks like {looks}" in done.stderr
    assert "expected a row for each concurrency, with clients, prompt_tokens, output_tokens, and ttft_ms" in done.stderr
    assert helps in done.stderr
