"""The zoo: the shipped file against its tables, the formulas by hand, finding a profile."""

import ast
import csv
import re
import runpy
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import FrozenInstanceError, astuple, replace
from pathlib import Path
from statistics import mean, median
from typing import Any

import pytest

from messsim.study.calibrate.metered import PROMPT_TOKENS
from messsim.zoo import (
    Profile,
    UnknownProfile,
    find_profile,
    gpu_seconds,
    iteration_joules,
    iteration_seconds,
    load_gpus,
    load_hosts,
    load_models,
    load_profiles,
    load_sources,
    select_profiles,
)
from messsim.zoo.names import model_named

REPOSITORY = Path(__file__).resolve().parents[1]
DATA = REPOSITORY.parent / "shared" / "data" / "profiles"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"needs the measured tables in {DATA}")

ALL = load_profiles()
BY_NAME = {profile.name: profile for profile in ALL}


def read(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# What is in the file


def test_profiles_have_names_of_their_own_and_are_sorted() -> None:
    assert len(BY_NAME) == len(ALL) > 1000
    order = [(profile.model, profile.gpu, profile.tp, profile.weights) for profile in ALL]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("gpu", "kinds"),
    [
        ("A100", {"bf16", "mxfp4"}),
        ("H100", {"bf16", "fp8", "fp8_block", "mxfp4"}),
        ("H200", {"bf16", "fp8", "fp8_block", "mxfp4"}),
        ("B200", {"bf16", "fp8", "fp8_block", "nvfp4", "mxfp4"}),
        ("B300", {"bf16", "fp8", "fp8_block", "nvfp4", "mxfp4"}),
        ("GB200", {"bf16", "fp8", "fp8_block", "nvfp4", "mxfp4"}),
        ("L40S", {"bf16", "fp8", "fp8_block"}),
        ("RTX-PRO-6000", {"bf16", "fp8", "fp8_block", "nvfp4", "mxfp4"}),
    ],
)
def test_each_gpu_has_the_weights_that_it_computes(gpu: str, kinds: set[str]) -> None:
    there = {profile.weights for profile in ALL if profile.gpu == gpu}
    assert there <= kinds
    assert there >= kinds - {"mxfp4"}


def test_the_models_in_use_are_there() -> None:
    families = (
        "Llama-3.1-",
        "Llama-3.2-",
        "Llama-3.3-70B",
        "Llama-4-Scout",
        "Qwen2.5-",
        "Qwen3-",
        "Gemma-2-",
        "Gemma-3-",
    )
    families += ("Mistral-7B", "Mistral-Small", "Mixtral-", "gpt-oss-20b", "gpt-oss-120b", "DeepSeek-V3", "DeepSeek-R1")
    for family in families:
        for gpu in ("H100", "H200", "B200"):
            if not (family.startswith("DeepSeek") and gpu == "H100"):  # eight have 640 GiB: its weights do not fit
                assert any(p.model.startswith(family) and p.gpu == gpu for p in ALL), (family, gpu)


def test_profiles_are_read_once_and_cannot_be_changed() -> None:
    assert load_profiles() is ALL
    with pytest.raises(FrozenInstanceError):
        ALL[0].tp = 3  # type: ignore[misc]
    hash(ALL[0])


def test_coefficients_make_sense() -> None:
    for profile in ALL:
        d, e, h = profile.duration, profile.energy, profile.host
        tokens, seconds = zip(*d.knots, strict=True)
        assert list(tokens) == sorted(set(tokens)), profile.name
        assert (tokens[0], tokens[-1]) == (1, 8192)
        assert min(seconds) > 0, profile.name
        assert seconds[-1] > seconds[-2], profile.name
        assert min(value for value in astuple(d) if isinstance(value, float)) >= 0, profile.name
        assert min(h.h0_s, h.h1_s_per_sequence, h.after_s) >= 0
        assert 0 < e.p_idle_w_per_gpu <= e.p_cap_w_per_gpu, profile.name
        assert 0 < e.p0_w_per_gpu <= e.p_cap_w_per_gpu, profile.name
        assert e.e_j_per_token > 0, profile.name
        assert e.ek_j_per_cached_token >= 0, profile.name
        error = profile.duration_error
        assert max(error.decode, error.prefill, error.mixed) < 6, profile.name


def test_more_gpus_smaller_weights_and_newer_gpus_are_quicker() -> None:
    def prompt_s(name: str) -> float:
        return gpu_seconds(BY_NAME[name], 2048, 0, 0, 0)

    assert prompt_s("Llama-3.1-70B/H100/tp4") > prompt_s("Llama-3.1-70B/H100/tp8")
    assert prompt_s("Llama-3.1-8B/H100/tp1") > 1.2 * prompt_s("Llama-3.1-8B/H100/tp1/fp8")
    assert prompt_s("Llama-3.1-8B/A100/tp1") > 2 * prompt_s("Llama-3.1-8B/H100/tp1")
    assert prompt_s("Llama-3.1-8B/H100/tp1") > 1.5 * prompt_s("Llama-3.1-8B/B200/tp1")


@pytest.mark.parametrize(
    ("gpu", "older", "weights"),
    [
        ("GB200", "B200", "bf16"),
        ("GB200", "B200", "fp8"),
        ("GB200", "B200", "nvfp4"),
        ("B300", "B200", "bf16"),
        ("B300", "B200", "fp8"),
        ("B300", "B200", "nvfp4"),
        ("H200", "H100", "bf16"),
        ("H200", "H100", "fp8"),
    ],
)
def test_a_like_chip_with_no_less_power_takes_no_longer_for_prompts(gpu: str, older: str, weights: str) -> None:
    """Dense models, whose parts are products, attention and all-reduces; a tenth is noise of the tables."""
    pairs = [
        (profile, BY_NAME[old])
        for profile in ALL
        if (profile.gpu, profile.weights) == (gpu, weights)
        and not load_models()[profile.model].experts
        and (old := profile.name.replace(gpu, older)) in BY_NAME
    ]
    assert len(pairs) > 30
    for tokens in (1000, 8000):
        times = {new.name: gpu_seconds(new, tokens, 0, 0, 0) / gpu_seconds(old, tokens, 0, 0, 0) for new, old in pairs}
        assert not {name: ratio for name, ratio in times.items() if ratio > 1.1}


# Bytes a second by the makers' data sheets and aiconfigurator-core.
BANDWIDTHS = {
    "A100": 2.04e12,
    "H100": 3.35e12,
    "H200": 4.8e12,
    "B200": 7.7e12,
    "B300": 8e12,
    "GB200": 8e12,
    "L40S": 0.864e12,
    "RTX-PRO-6000": 1.6e12,
}


@pytest.mark.parametrize("batch", [1, 8, 32, 128])
def test_no_iteration_is_shorter_than_memory_takes_to_hand_over_the_weights(batch: int) -> None:
    """Of experts those that so many tokens choose, if each chooses evenly; a fiftieth is how even they are."""
    times = {}
    for profile in ALL:
        model = load_models()[profile.model]
        chosen = model.top_k / model.experts if model.experts else 0.0
        experts = (model.parameters - model.active_parameters) / (1.0 - chosen)  # parameters of all of them
        read = 1.0 - experts / model.parameters * (1.0 - chosen) ** batch
        memory_s = read * profile.memory.weights_bytes / (profile.tp * BANDWIDTHS[profile.gpu])
        times[profile.name] = memory_s / gpu_seconds(profile, 0, 0, batch, 0)
    assert not {name: ratio for name, ratio in times.items() if ratio > 1.02}


@pytest.mark.parametrize("batch", [8, 32])
def test_no_iteration_is_shorter_than_memory_takes_to_hand_over_weights_and_a_full_cache(batch: int) -> None:
    """Experts as above; models whose layers do not all read the whole cache are left out."""
    times = {}
    for whole in ALL:
        model = load_models()[whole.model]
        if whole.model.startswith(("Gemma-2", "Gemma-3", "gpt-oss")):
            continue
        chosen = model.top_k / model.experts if model.experts else 0.0
        experts = (model.parameters - model.active_parameters) / (1.0 - chosen)
        read = 1.0 - experts / model.parameters * (1.0 - chosen) ** batch
        for profile in (whole, whole.with_fp8_cache()) if whole.fp8_cache else (whole,):
            memory = profile.memory
            cached = min(memory.kv_capacity_tokens, 32_000 * batch)
            handed_over = read * memory.weights_bytes + cached * memory.kv_bytes_per_token
            memory_s = handed_over / (profile.tp * BANDWIDTHS[profile.gpu])
            times[profile.name, profile is whole] = memory_s / gpu_seconds(profile, 0, 0, batch, cached)
    assert not {name: ratio for name, ratio in times.items() if ratio > 1.02}


def test_cards_without_a_bridge_are_no_slower_for_being_many() -> None:
    """Eight L40S that reach one another over PCIe: all-reduces cost a prompt less than its products save."""

    def prompt_s(tp: int) -> float:
        return gpu_seconds(BY_NAME[f"Qwen3-32B/L40S/tp{tp}"], 2048, 0, 0, 0)

    assert prompt_s(8) < prompt_s(4) < prompt_s(2)


BYTES = {"bf16": 2.0, "fp8": 1.0, "fp8_block": 1.0, "nvfp4": 0.5625, "mxfp4": 0.53125}


def test_memory_follows_from_the_model_and_the_gpu() -> None:
    for profile in ALL:
        model, gpu, memory = load_models()[profile.model], load_gpus()[profile.gpu], profile.memory
        assert profile.gpu_name == gpu.name
        assert memory.gpu_memory_bytes == gpu.memory_bytes
        # embeddings, and with mxfp4 all but the experts, stay in bf16
        assert BYTES[profile.weights] * model.parameters <= memory.weights_bytes <= 2 * model.parameters, profile.name
        if profile.weights == "bf16":
            assert memory.weights_bytes == 2 * model.parameters
        used = memory.weights_bytes + memory.kv_capacity_tokens * memory.kv_bytes_per_token + 4.5e9 * profile.tp
        assert abs(0.9 * gpu.memory_bytes * profile.tp - used) <= memory.kv_bytes_per_token + 1, profile.name


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        # Tokens that vLLM holds by aiconfigurator-core 0.12.0 (estimate_kv_cache).
        ("Llama-3.1-8B/H100/tp1", 432_992),
        ("Llama-3.1-70B/H200/tp2/fp8", 579_479),
    ],
)
def test_capacity_is_near_what_an_engine_holds(name: str, tokens: int) -> None:
    assert BY_NAME[name].memory.kv_capacity_tokens == pytest.approx(tokens, rel=0.03)


@pytest.mark.parametrize(
    ("name", "kv_bytes", "capacity"),
    [
        # 2 bytes a number: keys and values of 32 layers, 8 heads of 128; (0.9 x 80 GiB - weights - 4.5 GB) / that
        ("Llama-3.1-8B/H100/tp1", 131_072, 433_031),
        # 61 layers of 576 numbers, on each of 8 GPUs
        ("DeepSeek-V3/H200/tp8/fp8", 8 * 61 * 576 * 2, None),
        # 4 heads on 8 GPUs: each head stands on two
        ("Qwen3-235B-A22B/H200/tp8", 94 * 2 * 4 * 128 * 2 * 2, None),
    ],
)
def test_bytes_of_named_profiles(name: str, kv_bytes: int, capacity: int | None) -> None:
    memory = BY_NAME[name].memory
    assert memory.kv_bytes_per_token == kv_bytes
    if capacity is not None:
        assert memory.kv_capacity_tokens == pytest.approx(capacity, rel=1e-3)


def test_every_figure_has_a_source_and_every_assumption_says_so() -> None:
    sources = load_sources()
    by_rule = ("p0_w_per_gpu", "e_j_per_token", "ek_j_per_cached_token")
    always = ("p_cap_w_per_gpu", "p_idle_w_per_gpu")
    for profile in ALL:
        measured = profile.energy.measured
        assert profile.energy.source == ("mlenergy-v3" if measured else "assumed")
        assert (profile.energy.mape_percent is not None) is measured
        assert profile.energy.note.startswith("metered: " if measured else "assumed: ")
        assert profile.energy.assumed == (always if measured else by_rule + always)
        one_call = profile.gpu in ("A100", "L40S", "RTX-PRO-6000")
        mixed = {"akm_s_per_token", "abk_s_per_token", "akx_s_per_token", "ac_s_per_token"}
        several = profile.model == "gpt-oss-120b" and profile.tp > 1 and profile.gpu in ("B200", "B300", "GB200")
        assert set(profile.duration.assumed) == (mixed if one_call else {"knots"} if several else set())
        assert profile.host.assumed == ("h0_s", "h1_s_per_sequence", "after_s")
        assert profile.memory.assumed == ("kv_capacity_tokens",)
        blocks = (profile.duration, profile.host, profile.energy, profile.memory)
        assert {block.source for block in blocks} <= sources.keys(), profile.name


def test_where_mixed_attention_is_not_measured_it_is_that_of_a_gpu_alike() -> None:
    rtx_4090 = [0.65, 0.0138, 3.2]
    for gpu, expected in (("A100", rtx_4090), ("L40S", rtx_4090), ("RTX-PRO-6000", [0.15, 0.009, 3.1])):
        d = BY_NAME[f"Llama-3.1-8B/{gpu}/tp1"].duration
        ratios = [value / d.ak_s_per_token for value in (d.akm_s_per_token, d.abk_s_per_token, d.akx_s_per_token)]
        assert ratios == pytest.approx(expected, rel=1e-4)


def test_a_cache_in_fp8_halves_bytes_and_takes_what_kernels_take() -> None:
    auto = find_profile("Llama-3.1-70B", "H200", 4, "fp8")
    fp8 = find_profile("Llama-3.1-70B", "H200", 4, "fp8", "fp8")
    shares = auto.fp8_cache
    assert shares is not None
    assert 0.5 < shares.decode < 1.0
    assert find_profile("Llama-3.1-70B", "H200", 4, "fp8", "auto") == auto
    assert 2 * fp8.memory.kv_bytes_per_token == auto.memory.kv_bytes_per_token
    assert fp8.memory.kv_capacity_tokens == 2 * auto.memory.kv_capacity_tokens
    assert 2 * fp8.energy.ek_j_per_cached_token == auto.energy.ek_j_per_cached_token
    assert "ek_j_per_cached_token" in fp8.energy.assumed
    for name, of_tokens in (("Llama-3.1-8B/H100/tp1", 0.0), ("Qwen3-32B/H100/tp2", 1.0)):
        metered = BY_NAME[name]
        assert (metered.energy.ek_j_per_cached_token > 0) == (of_tokens > 0)
        assert metered.energy.measured
        energy = metered.with_fp8_cache().energy
        assert energy.measured is (of_tokens == 0), "half of what a cached token takes is assumed"
        assert (energy.mape_percent is None) is (of_tokens > 0)
    # what decoding sequences' cached tokens, and prompts' attention, take; all else is as it was
    for iteration, share in (((0, 0, 64, 4096), shares.decode), ((2048, 4096, 0, 0), shares.prompts)):
        p, _, batch, _ = iteration
        rest = gpu_seconds(auto, p, 0, batch, 0)
        if p:
            d = auto.duration
            rest -= d.aq_s_per_token2 * p * p / 2
        took, takes = (gpu_seconds(each, *iteration) - rest for each in (auto, fp8))
        assert takes == pytest.approx(share * took, rel=1e-9)


def test_every_cache_in_fp8_is_within_what_it_may_be_off() -> None:
    caches = [p.fp8_cache for p in load_profiles() if p.fp8_cache is not None]
    assert len(caches) > 0.85 * len([p for p in load_profiles() if p.gpu != "A100"])
    assert max(max(c.unseen_error / 5.0, abs(c.unseen_bias) / 4.0) for c in caches) <= 2.0
    assert all(0.0 < c.decode < 1.5 and 0.0 < c.prompts < 2.5 for c in caches)


def test_a_cache_in_fp8_without_kernels_says_where_there_are_some() -> None:
    with pytest.raises(
        UnknownProfile, match=r'kv_cache_dtype = "fp8": Qwen3-8B/A100/tp1 has no times .*"auto"'
    ) as error:
        find_profile("Qwen3-8B", "A100", 1, "bf16", "fp8")
    assert "there are for: " in str(error.value)
    assert "H100 with tp 1" in str(error.value)


def test_combinations_of_several_models_are_told_once() -> None:
    with pytest.raises(UnknownProfile) as error:
        select_profiles("qwen3", tp=3)
    degrees = str(error.value).split("H100 with tp ")[1].split(";")[0].split(", ")
    assert degrees == [f"{tp}{kind}" for tp in (1, 2, 4, 8) for kind in ("", " (fp8)", " (fp8_block)")]


def test_iterations_that_no_fit_has_seen_are_within_the_goals() -> None:
    errors = {p.name: p.duration_error for p in ALL}
    assert not {name: e for name, e in errors.items() if e.unseen_error > 5.0 or abs(e.unseen_bias) > 4.0}
    assert {e.unseen_region for e in errors.values()} >= {"decode, up to 32 sequences", "prefill, nothing cached"}


def test_products_that_jump_have_more_knots() -> None:
    plain, fine = (BY_NAME[f"{name}"].duration.knots for name in ("Llama-3.1-70B/H100/tp4", "Qwen3-32B/H100/tp2/fp8"))
    assert {n for n, _ in plain} < {n for n, _ in fine}
    assert len(fine) == 32
    assert all(
        abs(gpu_seconds(BY_NAME["Qwen3-32B/H100/tp2/fp8"], n, 0, 0, 0) - s) < 0.2 * s for n, s in fine if n > 512
    )


def test_energies_that_were_metered() -> None:
    metered = {(p.model, p.gpu, p.weights) for p in ALL if p.energy.measured}
    assert {(m, "H100", "bf16") for m in ("Llama-3.1-8B", "Llama-3.1-70B", "Qwen3-8B", "Qwen3-32B")} <= metered
    assert {("gpt-oss-120b", gpu, "mxfp4") for gpu in ("H100", "B200")} <= metered
    assert ("Llama-3.1-405B", "B200", "fp8") in metered
    assert len(metered) >= 20


def test_sources_name_repository_and_licence() -> None:
    sources = load_sources()
    aic = {f"aic-{name}" for name in ("vllm", "sglang", "trtllm", "least", "served")}
    assert aic | {"mlenergy-v3", "assumed"} == set(sources)
    for key, source in sources.items():
        if key == "assumed":
            assert source.repository is None
            continue
        assert source.repository
        assert source.path
        assert source.licence
        assert source.licence.startswith("Apache-2.0")
        # a wheel has a version, a repository a commit
        assert "aiconfigurator-core 0.12.0" in source.repository or len(source.commit or "") == 40


def at_measured_times(gpu: str) -> list[Profile]:
    """Profiles in bf16 whose energy was fitted at the measured times, one of models alike."""
    plain = [p for p in ALL if p.energy.measured and (p.gpu, p.weights) == (gpu, "bf16")]
    return list({p.energy.note: p for p in plain if "its own durations" not in p.energy.note}.values())


def test_assumed_energy_is_the_medians_of_the_fits_that_tell_all_three_apart() -> None:
    apart = [p for p in at_measured_times("H100") if p.energy.ek_j_per_cached_token]
    assert len(apart) >= 3
    share = median(p.energy.p0_w_per_gpu for p in apart) / 700
    more = median(p.energy.p0_w_per_gpu for p in at_measured_times("B200")) / 1000
    assert 0.5 < share < more < 0.8
    e = median(p.energy.e_j_per_token / load_models()[p.model].active_parameters for p in apart)
    by_rule = [p for p in ALL if p.energy.note.startswith("assumed: P0") and p.weights == "bf16"]
    assert {"A100", "H200", "B200", "GB200"} <= {p.gpu for p in by_rule}
    for profile in by_rule:
        tdp, active = load_gpus()[profile.gpu].tdp_w, load_models()[profile.model].active_parameters
        # Six significant digits are kept.
        p0 = more if profile.gpu in ("B200", "B300", "GB200") else share
        assert profile.energy.p0_w_per_gpu == pytest.approx(p0 * tdp, rel=1e-5)
        assert profile.energy.e_j_per_token == pytest.approx(e * active, rel=1e-5)


def test_what_was_metered_on_another_number_of_gpus_stands_in() -> None:
    beside = [p for p in ALL if p.energy.note.startswith("assumed: as metered on ")]
    assert {("Qwen3-32B", "H100", 1), ("gpt-oss-120b", "H100", 1)} <= {(p.model, p.gpu, p.tp) for p in beside}
    for profile in beside:
        tp = int(profile.energy.note.split()[4])
        metered = find_profile(profile.model, profile.gpu, tp, profile.weights).energy
        assert metered.measured
        assert not profile.energy.measured
        assert "its own durations" not in metered.note
        names = ("p0_w_per_gpu", "e_j_per_token", "ek_j_per_cached_token")
        assert [getattr(profile.energy, n) for n in names] == [getattr(metered, n) for n in names]


def test_hosts_by_engine() -> None:
    hosts = load_hosts()
    assert hosts["vllm-0.12"].kind == "sum"
    assert {name: host.kind for name, host in hosts.items()}["overlap"] == "overlap"
    assert {profile.host for profile in ALL} == {hosts["overlap"]}


# The file against the tables


def tool(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    folder = REPOSITORY / "tools" / "profiles"
    monkeypatch.syspath_prepend(str(folder))
    return runpy.run_path(str(folder / name))


@needs_data
def test_the_shipped_file_is_what_the_script_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    script = tool("build.py", monkeypatch)
    assert script["TARGET"].read_text(encoding="utf-8") == script["render"](DATA.parent)


def test_the_page_of_profiles_says_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    script = tool("page.py", monkeypatch)
    text = script["PAGE"].read_text(encoding="utf-8")
    assert script["spliced"](text) == text, "docs/profiles.md is out of date: python tools/profiles/page.py"


# Iterations that were composed with other scripts, of another grid, of the same kernels. Mean error by kind, percent.
COMPOSED = {
    "llama31-8b-bf16-h100-vllm": "Llama-3.1-8B/H100/tp1",
    "llama31-8b-bf16-b200-vllm": "Llama-3.1-8B/B200/tp1",
    "gpt-oss-120b-w4a8-b200-trtllm": "gpt-oss-120b/B200/tp1/mxfp4",
    "deepseek-r1-fp8block-h200-tp8-sglang": "DeepSeek-R1/H200/tp8/fp8",
    "llama31-8b-fp8-h100-vllm": "Llama-3.1-8B/H100/tp1/fp8",
    "llama33-70b-fp8-h200-tp2-vllm": "Llama-3.3-70B/H200/tp2/fp8",
    "qwen3-30b-a3b-bf16-h100-vllm": "Qwen3-30B-A3B/H100/tp1",
    "qwen3-32b-bf16-h100-tp2-vllm": "Qwen3-32B/H100/tp2",
}


@needs_data
@pytest.mark.parametrize("table", COMPOSED)
def test_profiles_reproduce_iterations_composed_elsewhere(table: str) -> None:
    profile = BY_NAME[COMPOSED[table]]
    errors: dict[str, list[float]] = defaultdict(list)
    for row in read(f"composed2/{table}.csv"):
        prompt, prior, batch, cached = (
            int(row[name]) for name in ("prompt_tokens", "prompt_prior", "batch", "cached_tokens")
        )
        kind = "decode" if not prompt else "mixed" if batch else "prefill"
        errors[kind].append(gpu_seconds(profile, prompt, prior, batch, cached) / float(row["duration_s"]) - 1)
    for kind, values in errors.items():
        assert mean(abs(value) for value in values) < 0.07, (kind, mean(values))
        assert abs(mean(values)) < 0.065, kind


CHECKPOINTS = {
    "Llama-3.1-8B": "meta-llama/Llama-3.1-8B-Instruct",
    "Llama-3.1-70B": "meta-llama/Llama-3.1-70B-Instruct",
    "Qwen3-8B": "Qwen/Qwen3-8B",
    "Qwen3-14B": "Qwen/Qwen3-14B",
    "Qwen3-32B": "Qwen/Qwen3-32B",
    "Qwen3-30B-A3B": "Qwen/Qwen3-30B-A3B-Instruct-2507",
}


def metered_errors(profile: Profile) -> list[float]:
    """Return formula / meter - 1, percent, of a profile's readings, at the measured duration."""
    errors = []
    for row in read("energy_iterations_v3_h100.csv"):
        if (row["model"], row["gpus"]) == (CHECKPOINTS[profile.model], str(profile.tp)):
            batch, output, seconds = float(row["batch"]), float(row["output_len"]), float(row["duration_s"])
            prompt = PROMPT_TOKENS[row["task"]]
            joules = (
                profile.energy.p0_w_per_gpu * profile.tp * seconds
                + profile.energy.e_j_per_token * batch * (1 + prompt / output)
                + profile.energy.ek_j_per_cached_token * batch * (prompt + output / 2)
            )
            errors.append((joules / float(row["energy_j"]) - 1) * 100)
    return errors


@needs_data
@pytest.mark.parametrize(
    "name", [f"{model}/H100/tp{2 if '32B' in model else 4 if '70B' in model else 1}" for model in CHECKPOINTS]
)
def test_measured_energy_reproduces_its_readings(name: str) -> None:
    profile = BY_NAME[name]
    # The fit counts what a simulation of each row does; here it is worked out from the row's means.
    error = mean(abs(error) for error in metered_errors(profile))
    assert error == pytest.approx(profile.energy.mape_percent, abs=3.0)


@needs_data
@pytest.mark.parametrize(
    ("model", "tp", "low", "high"),
    [
        # Mean error, percent, of models which did not set the rule.
        ("Llama-3.1-8B", 1, -13, -12),
        ("Llama-3.1-70B", 4, -1.5, 0),
    ],
)
def test_the_rule_for_assumed_energy_is_as_good_as_it_says(model: str, tp: int, low: float, high: float) -> None:
    profile = find_profile(model, "H100", tp)
    # The rule gives the same for a GPU of the same power that was not metered.
    other = find_profile(model, "H200", tp)
    assert other.energy.note.startswith("assumed: P0")
    assert low < mean(metered_errors(replace(profile, energy=other.energy))) < high


# The formulas, by hand


def simple(tp: int = 2, kind: str = "sum", h0_s: float = 0.0) -> Profile:
    """Return a profile in round numbers."""
    profile = find_profile("Mistral-7B", "H100", 1)
    duration = replace(
        profile.duration,
        knots=((1, 1.0), (100, 1.0), (200, 2.0)),
        ab_s_per_sequence=0.1,
        ak_s_per_token=0.001,
        aq_s_per_token2=1e-4,
        a1_s=0.25,
        ac_s_per_token=0.003,
        akm_s_per_token=0.002,
        akx_s_per_token=0.004,
        abk_s_per_token=0.0005,
    )
    energy = replace(
        profile.energy,
        p0_w_per_gpu=100.0,
        e_j_per_token=3.0,
        ek_j_per_cached_token=0.5,
        p_cap_w_per_gpu=400.0,
        p_idle_w_per_gpu=50.0,
    )
    host = replace(profile.host, kind=kind, h0_s=h0_s, h1_s_per_sequence=0.01 if h0_s else 0.0, after_s=0.5)
    return replace(profile, tp=tp, duration=duration, energy=energy, host=host)


@pytest.mark.parametrize(
    ("iteration", "seconds"),
    [
        pytest.param((0, 0, 0, 0), 0.0, id="empty"),
        pytest.param((0, 0, 4, 1000), 1 + 0.1 * 4 + 0.001 * 1000, id="decode"),
        pytest.param((150, 0, 0, 0), 1.5 + 0.25 + 1e-4 * 150 * 75, id="between knots"),
        pytest.param((300, 0, 0, 0), 3 + 0.25 + 1e-4 * 300 * 150, id="prefill beyond the last knot"),
        pytest.param((300, 700, 0, 0), 3 + 0.25 + 0.003 * 700 + 1e-4 * 300 * (700 + 150), id="second chunk"),
        pytest.param((300, 700, 0, 9), 3 + 0.25 + 0.003 * 700 + 1e-4 * 300 * 850, id="nobody decodes: no K"),
        pytest.param(
            (300, 700, 4, 1000),
            3.04
            + 0.25
            + 0.003 * 700
            + 0.1 * 4
            + (0.001 + 0.002) * 1000
            + 0.004 * 1000 / 4
            + 0.0005 * 4 * 1000
            + 1e-4 * 300 * 850,
            id="mixed",
        ),
    ],
)
def test_iteration_seconds_by_hand(iteration: tuple[int, int, int, int], seconds: float) -> None:
    assert iteration_seconds(simple(), *iteration) == pytest.approx(seconds, rel=1e-14)


@pytest.mark.parametrize(
    ("kind", "h0_s", "seconds"),
    [
        # 4 sequences with 1,000 cached tokens take the GPU 2.4 s; the host takes h0 + 0.04 s
        ("sum", 1.0, 2.4 + 1.04),
        ("overlap", 1.0, 0.5 + 2.4),
        ("overlap", 3.0, 0.5 + 3.04),
    ],
)
def test_a_host_adds_or_hides(kind: str, h0_s: float, seconds: float) -> None:
    profile = simple(kind=kind, h0_s=h0_s)
    assert gpu_seconds(profile, 0, 0, 4, 1000) == pytest.approx(2.4)
    assert iteration_seconds(profile, 0, 0, 4, 1000) == pytest.approx(seconds)
    # 100 W on two GPUs, while they wait too
    joules = 200 * seconds + 3 * 4 + 0.5 * 1000
    assert iteration_joules(profile, 0, 0, 4, 1000) == pytest.approx(joules)


@pytest.mark.parametrize(
    ("iteration", "joules"),
    [
        pytest.param((0, 0, 0, 0), 0.0, id="empty"),
        # decode takes 2.4 s
        pytest.param((0, 0, 4, 1000), 100 * 2 * 2.4 + 3 * 4 + 0.5 * 1000, id="decode"),
        # prefill takes 7.75 s
        pytest.param((300, 0, 0, 0), 100 * 2 * 7.75 + 3 * 300, id="prefill"),
        pytest.param((300, 0, 0, 9), 100 * 2 * 7.75 + 3 * 300, id="nobody decodes: K counts nothing"),
        # 4 sequences with 3000 cached tokens take 4.4 s: (880 + 12 + 1500) / 4.4 / 2 = 272 W a GPU, of 400
        pytest.param((0, 0, 4, 3000), 100 * 2 * 4.4 + 3 * 4 + 0.5 * 3000, id="below the cap"),
    ],
)
def test_iteration_joules_by_hand(iteration: tuple[int, int, int, int], joules: float) -> None:
    assert iteration_joules(simple(), *iteration) == pytest.approx(joules, rel=1e-14)


def test_power_is_capped() -> None:
    # 100 tokens take 1 + 0.25 + 1e-4 * 100 * 50 = 1.75 s. At 20 J a token that is 350 + 2000 J; two GPUs give 1400.
    profile = simple()
    hungry = replace(profile, energy=replace(profile.energy, e_j_per_token=20.0))
    assert iteration_joules(hungry, 100, 0, 0, 0) == pytest.approx(400 * 2 * 1.75, rel=1e-14)


# Finding a profile


@pytest.mark.parametrize("change", [str, str.lower, str.upper])
def test_find_profile_ignores_case(change: Callable[[str], str]) -> None:
    for profile in ALL[::7]:
        assert find_profile(change(profile.model), change(profile.gpu), profile.tp, profile.weights) is profile


@pytest.mark.parametrize(
    ("model", "gpu", "tp", "fits"),
    [
        ("Llama-3.1-70B", "H100", 2, "2 (fp8)"),
        ("Llama-3.1-405B", "H100", 8, "8 (fp8)"),
        ("DeepSeek-R1", "B200", 4, "4 (nvfp4)"),
    ],
)
def test_lighter_weights_are_not_taken_unasked_where_the_published_do_not_fit(
    model: str, gpu: str, tp: int, fits: str
) -> None:
    with pytest.raises(UnknownProfile, match=re.escape(f"{gpu} with tp {fits}") + "|" + re.escape(f", {fits}")):
        find_profile(model, gpu, tp)
    weights = fits.split("(")[1].strip(")")
    assert find_profile(model, gpu, tp, weights).weights == weights


def test_weights_are_those_that_are_published() -> None:
    assert find_profile("DeepSeek-V3", "B200", 8).weights == "fp8"
    assert find_profile("Llama-3.1-8B", "H100", 1).weights == "bf16"
    assert find_profile("Llama-3.1-8B", "H100", 1, "fp8").weights == "fp8"
    assert find_profile("gpt-oss-20b", "H100", 1).weights == "mxfp4"


def test_models_of_one_shape_share_profiles() -> None:
    for name, alike in (("Llama-3.3-70B", "Llama-3.1-70B"), ("DeepSeek-R1", "DeepSeek-V3")):
        pairs = [
            (p, q)
            for p in ALL
            for q in ALL
            if (p.model, q.model) == (name, alike) and p.name.split("/")[1:] == q.name.split("/")[1:]
        ]
        assert pairs
        for one, other in pairs:
            assert replace(one, model=alike) == other
        assert load_models()[name] == load_models()[alike]


@pytest.mark.parametrize(
    ("model", "gpu", "tp", "weights", "message"),
    [
        (
            "llama-3.1-80b",
            "H100",
            1,
            None,
            "no built-in profile of model 'llama-3.1-80b'; nearest: Llama-3.1-8B, Llama-3.1-70B, Llama-3.",
        ),
        (
            "gpt",
            "H100",
            1,
            None,
            "no built-in profile of model 'gpt'; there are: CodeLlama-34B, DeepSeek-R1, DeepSeek-R1-Distill-",
        ),
        (
            "llama-3.1-70b",
            "H100",
            1,
            None,
            "no built-in profile of Llama-3.1-70B on H100 with tp 1; there are: A100 with tp 4, 8; B200 with tp 1",
        ),
        (
            "llama-3.1-8b",
            "A100",
            1,
            "fp8",
            "no built-in profile of Llama-3.1-8B on A100 with tp 1 and fp8 weights; there are: A100 with tp 1, 2",
        ),
    ],
)
def test_find_profile_says_what_there_is(model: str, gpu: str, tp: int, weights: str | None, message: str) -> None:
    with pytest.raises(UnknownProfile) as caught:
        find_profile(model, gpu, tp, weights)
    assert str(caught.value).startswith(message)
    assert isinstance(caught.value, LookupError)


def test_profiles_are_selected_by_parts_of_a_name_and_by_filters() -> None:
    assert select_profiles() == list(ALL)
    assert {p.model.lower()[:4] for p in select_profiles("qwen")} == {"qwen"}
    assert [p.name for p in select_profiles("qwen3-8b/h100/tp1")] == ["Qwen3-8B/H100/tp1"]
    assert [p.name for p in select_profiles("Qwen3-8B/H100/tp1/fp8")] == ["Qwen3-8B/H100/tp1/fp8"]
    some = select_profiles("qwen3", gpu="h200", weights="FP8", tp=1)
    assert some
    assert {(p.gpu, p.weights, p.tp) for p in some} == {("H200", "fp8", 1)}
    for wanted, message in (
        ({"gpu": "H800"}, "no built-in profile of GPU 'H800'; there are: "),
        ({"weights": "int4"}, "no built-in profile of weights 'int4'; there are: "),
        (
            {"name": "Llama-3.1-8B", "gpu": "A100", "weights": "fp8"},
            "no built-in profile of Llama-3.1-8B A100 fp8; there",
        ),
        ({"name": "Llama-3.1-8B/A30"}, "no built-in profile 'Llama-3.1-8B/A30'; there are: A100 with tp 1"),
    ):
        with pytest.raises(UnknownProfile) as caught:
            select_profiles(**wanted)  # type: ignore[arg-type]
        assert str(caught.value).startswith(message)


# The house


def test_the_zoo_imports_nothing_but_the_standard_library_and_the_errors() -> None:
    zoo = REPOSITORY / "messsim" / "zoo"
    imported = set()
    for path in zoo.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module or "")
    foreign = {name for name in imported if name.split(".")[0] not in sys.stdlib_module_names}
    assert foreign
    assert all(name.startswith("messsim.zoo.") or name == "messsim.errors" for name in foreign)


# Names as people write them


@pytest.mark.parametrize(
    ("model", "gpu", "tp", "name"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "H100-SXM", 1, "Llama-3.1-8B/H100/tp1"),
        ("meta-llama/Meta-Llama-3-70B-Instruct", "NVIDIA A100-SXM4-80GB", 4, "Llama-3-70B/A100/tp4"),
        ("Qwen/Qwen3-32B-FP8", "NVIDIA H200 141GB HBM3e", 2, "Qwen3-32B/H200/tp2/fp8_block"),
        ("RedHatAI/Qwen3-32B-FP8-block", "H200", 2, "Qwen3-32B/H200/tp2/fp8_block"),
        ("RedHatAI/Qwen3-32B-FP8-dynamic", "H200", 2, "Qwen3-32B/H200/tp2/fp8"),
        ("Qwen/Qwen3-30B-A3B-Instruct-2507-FP8", "H200", 1, "Qwen3-30B-A3B/H200/tp1/fp8"),
        ("RedHatAI/Llama-4-Scout-17B-16E-Instruct-FP8-dynamic", "h100_sxm", 2, "Llama-4-Scout/H100/tp2/fp8"),
        ("nvidia/Llama-3.3-70B-Instruct-FP4", "B200-180GB-SXM", 2, "Llama-3.3-70B/B200/tp2/nvfp4"),
        ("openai/gpt-oss-120b", "b200_sxm", 1, "gpt-oss-120b/B200/tp1/mxfp4"),
        ("deepseek-ai/DeepSeek-R1-0528", "B200", 8, "DeepSeek-R1/B200/tp8/fp8"),
        ("google/gemma-3-27b-it", "NVIDIA H100 80GB HBM3", 2, "Gemma-3-27B/H100/tp2"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "A100-80GB", 2, "Mixtral-8x7B/A100/tp2"),
        (
            "Qwen/Qwen3-30B-A3B-Instruct-2507",
            "RTX PRO 6000 Blackwell Server Edition",
            1,
            "Qwen3-30B-A3B/RTX-PRO-6000/tp1",
        ),
    ],
)
def test_checkpoints_and_gpus_by_the_names_that_people_write(model: str, gpu: str, tp: int, name: str) -> None:
    assert find_profile(model, gpu, tp).name == name


@pytest.mark.parametrize("gpu", ["H100-PCIe", "H100 NVL", "A100-40GB", "H20", "B100"])
def test_other_cards_are_not_taken_for_those_that_were_measured(gpu: str) -> None:
    with pytest.raises(UnknownProfile, match=f"on {gpu}"):
        find_profile("Llama-3.1-8B", gpu, 1)


@pytest.mark.parametrize("model", ["Qwen/Qwen2.5-7B-Instruct-AWQ", "Llama-3.1-9B", "Qwen/Qwen3-Coder-480B-A35B"])
def test_other_shapes_and_kinds_of_weights_are_not_taken_for_those_that_there_are(model: str) -> None:
    with pytest.raises(UnknownProfile, match="no built-in profile of model"):
        find_profile(model, "H100", 1)


def test_every_model_is_found_by_its_own_checkpoint() -> None:
    for name, model in load_models().items():
        checkpoint = model.source.removeprefix("config.json and model card of huggingface.co/")
        result = model_named(checkpoint, load_models())
        assert result is not None, checkpoint
        assert load_models()[result].source == model.source, (name, result)


@pytest.mark.parametrize(
    ("checkpoint", "model"),
    [
        # config.json of each: layers, hidden size, heads and experts are those of the other
        ("mistralai/Mistral-Small-3.2-24B-Instruct-2506", "Mistral-Small-24B"),
        ("mistralai/Magistral-Small-2509", "Mistral-Small-24B"),
        ("Qwen/QwQ-32B", "Qwen2.5-32B"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-14B", "Qwen2.5-14B"),
        ("deepseek-ai/DeepSeek-V3.1-Terminus", "DeepSeek-V3.1"),
        ("amd/Llama-3.1-70B-Instruct-FP8-KV", "Llama-3.1-70B"),
    ],
)
def test_models_of_one_shape_under_names_of_their_own(checkpoint: str, model: str) -> None:
    assert model_named(checkpoint, load_models()) == model


@pytest.mark.parametrize(
    ("asked", "unknown"),
    [
        ("microsoft/phi-4", "phi-4"),
        ("phi-4", "phi-4"),
        ("phi-4/H100", "phi-4"),
        ("phi-4/tp2", "phi-4"),
        ("phi-4/H100/tp2/fp8", "phi-4"),
        ("H100/tp2", "H100"),
    ],
)
def test_an_unknown_model_is_told_by_its_own_name_not_its_owners(asked: str, unknown: str) -> None:
    with pytest.raises(UnknownProfile, match=f"no built-in profile of model '{unknown}'"):
        select_profiles(asked)


def test_selecting_by_a_checkpoint_is_selecting_by_its_model_and_weights() -> None:
    profiles = select_profiles("Qwen/Qwen3-32B-FP8", gpu="H100-SXM")
    assert {(p.model, p.gpu, p.weights) for p in profiles} == {("Qwen3-32B", "H100", "fp8_block")}
