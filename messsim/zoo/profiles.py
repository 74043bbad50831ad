"""The built-in profiles: reading them and finding one."""

import json
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from messsim.errors import MesssimError
from messsim.zoo.facts import Gpu, Model, Source
from messsim.zoo.names import gpu_named, model_named, weights_named
from messsim.zoo.records import Duration, DurationError, Energy, Fp8Cache, Host, Memory, Profile

__all__ = [
    "UnknownProfile",
    "find_profile",
    "load_gpus",
    "load_host",
    "load_hosts",
    "load_models",
    "load_profiles",
    "load_sources",
    "select_profiles",
]


# What a kind of host is on one GPU, where that is another. SGLang hands the requests of each iteration to the processes
# of other GPUs through the CPU (scheduler.py: broadcast_pyobj where tp_size is not 1), which several take longer for.
ALONE = {"sglang-0.5": "sglang-0.5-alone"}

Key = tuple[str, str, int, str]  # model, GPU, tp, weights
Row = dict[str, Any]  # of profiles.json


class UnknownProfile(MesssimError, LookupError):
    """No built-in profile has this model, GPU and tp; the message says what there is."""


@cache
def _tables() -> Row:
    text = files("messsim.zoo").joinpath("profiles.json").read_text(encoding="utf-8")
    tables: Row = json.loads(text)
    return tables


@cache
def _rows() -> dict[Key, Row]:
    """Return the table's rows by model, GPU, tp and weights, those of models of one shape under each name."""
    models = _tables()["models"]
    rows: dict[Key, Row] = {}
    for row in _tables()["profiles"]:
        for name in (row["model"], *models[row["model"]]["alike"]):
            rows[name, row["gpu"], row["tp"], row["weights"]] = row
    return dict(sorted(rows.items()))


@cache
def _profile(model: str, gpu: str, tp: int, weights: str) -> Profile:
    row = _rows()[model, gpu, tp, weights]
    tables = _tables()
    return Profile(
        model=model,
        gpu=gpu,
        gpu_name=tables["gpus"][gpu]["name"],
        tp=tp,
        weights=weights,
        duration=Duration(
            knots=tuple(zip((row if "knots" in row else tables)["knots"], row["knots_s"], strict=True)),
            **dict(zip(tables["terms"], row["terms"], strict=True)),
            source=row["source"],
            assumed=(*tables["assumed_terms"].get(gpu, ()), *row.get("assumed", ())),
        ),
        duration_error=_error(row),
        host=load_hosts()[row["host"]],
        energy=_energy(row["energy"], tables["gpus"][gpu], tables["rules"][weights]),
        memory=Memory(
            gpu_memory_bytes=tables["gpus"][gpu]["memory_bytes"],
            **row["memory"],
            source="assumed",
            assumed=("kv_capacity_tokens",),
        ),
        fp8_cache=_fp8_cache(row["fp8_cache"]) if "fp8_cache" in row else None,
    )


def _error(row: Row) -> DurationError:
    decode, prefill, mixed, worst = row["error"]
    return DurationError(decode, prefill, mixed, worst, *_unseen(row["unseen"]))


def _fp8_cache(figures: list[Any]) -> Fp8Cache:
    return Fp8Cache(figures[0], figures[1], *_unseen(figures[2:]))


def _unseen(figures: list[Any]) -> tuple[str, float, float]:
    region, error, bias = figures
    return _tables()["regions"][region], error, bias


def _energy(figures: Mapping[str, Any], gpu: Mapping[str, Any], rule: str) -> Energy:
    """Return metered or assumed coefficients, with what is assumed of every GPU."""
    measured = "mape_percent" in figures
    always = ("p_cap_w_per_gpu", "p_idle_w_per_gpu")
    return Energy(
        **{"note": rule, "mape_percent": None, **figures},
        p_cap_w_per_gpu=max(gpu["tdp_w"], figures["p0_w_per_gpu"]),
        p_idle_w_per_gpu=gpu["idle_w"],
        measured=measured,
        source="mlenergy-v3" if measured else "assumed",
        assumed=always if measured else ("p0_w_per_gpu", "e_j_per_token", "ek_j_per_cached_token", *always),
    )


@cache
def load_profiles() -> tuple[Profile, ...]:
    """Return every built-in profile, sorted by model, GPU, tp and weights."""
    return tuple(_profile(*key) for key in _rows())


@cache
def load_models() -> Mapping[str, Model]:
    """Return the public facts of every built-in model by name."""
    models: dict[str, Model] = {}
    for name, row in _tables()["models"].items():
        for each in (name, *row["alike"]):
            models[each] = Model(**{**row, "alike": tuple(row["alike"])})
    return MappingProxyType(models)


@cache
def load_gpus() -> Mapping[str, Gpu]:
    """Return the public facts of every built-in GPU by short name."""
    return MappingProxyType({name: Gpu(**row) for name, row in _tables()["gpus"].items()})


@cache
def load_hosts() -> Mapping[str, Host]:
    """Return what the host of each kind of engine adds to an iteration, by the name of the kind."""
    return MappingProxyType(
        {name: Host(**{**row, "assumed": tuple(row["assumed"])}) for name, row in _tables()["hosts"].items()}
    )


def load_host(kind: str, gpus: int) -> Host:
    """Return what a kind of host adds to an iteration of a replica on so many GPUs."""
    return load_hosts()[kind if gpus > 1 else ALONE.get(kind, kind)]


@cache
def load_sources() -> Mapping[str, Source]:
    """Return where the figures come from by the key that the `source` of a block names."""
    return MappingProxyType({name: Source(**row) for name, row in _tables()["sources"].items()})


@lru_cache(maxsize=256)
def find_profile(model: str, gpu: str, tp: int, weights: str | None = None, kv_cache_dtype: str = "auto") -> Profile:
    """Return the profile of a model on `tp` GPUs of one kind.

    Parameters
    ----------
    model, gpu
        As people name them: "Llama-3.1-8B" or "meta-llama/Llama-3.1-8B-Instruct", "H100" or "H100-80GB-SXM5".
    weights
        Kind of the weights; none: what the name says ("Qwen/Qwen3-32B-FP8"), else as the model is published.
    kv_cache_dtype
        "fp8", or "auto": bf16.

    Raises
    ------
    UnknownProfile
        With the nearest models, or with the GPUs, tp and weights that the model has; if it has no times of a cache in
        fp8.
    """
    name = model_named(model, load_models())
    of_model = [key for key in _rows() if key[0] == name]
    if not of_model:
        raise UnknownProfile(_unknown_model(model))
    short = _gpu_named(gpu)
    alike = [key for key in of_model if key[1] == short and key[2] == tp]
    kinds = [key[3] for key in alike]
    published = next(w for w in ("bf16", "fp8", "mxfp4", "nvfp4") if any(key[3] == w for key in of_model))
    kind = weights or weights_named(model, {key[3] for key in of_model}) or published
    if kind in kinds:
        return _cached(_profile(*alike[kinds.index(kind)]), kv_cache_dtype)
    wanted = f"{of_model[0][0]} on {gpu} with tp {tp}" + (f" and {kind} weights" if kinds else "")
    raise UnknownProfile(f"no built-in profile of {wanted}; there are: {_combinations(of_model)}")


def _cached(profile: Profile, kv_cache_dtype: str) -> Profile:
    if kv_cache_dtype == "auto":
        return profile
    if profile.fp8_cache is not None:
        return profile.with_fp8_cache()
    others = [key for key, row in _rows().items() if key[0] == profile.model and "fp8_cache" in row]
    raise UnknownProfile(
        f'kv_cache_dtype = "{kv_cache_dtype}": {profile.name} has no times of a cache in fp8, as its kernels were not '
        'timed with one, or are too far from its form then; expected "auto", and kv_capacity_tokens as its engine says'
        + (f"; there are for: {_combinations(others)}" if others else "")
    )


def select_profiles(
    name: str | None = None, *, gpu: str | None = None, weights: str | None = None, tp: int | None = None
) -> list[Profile]:
    """Return the profiles that have all that is asked for; upper and lower case are the same.

    Parameters
    ----------
    name
        A model, its profile as "MODEL/GPU/tpN" or "MODEL/GPU/tpN/WEIGHTS", or a part of models' names.
    gpu, weights, tp
        Of the profile; none: any.

    Raises
    ------
    UnknownProfile
        As `find_profile`; if there is no such GPU or kind of weights.
    """
    gpu = gpu and (_gpu_named(gpu) or gpu)
    _known("GPU", gpu, [key[1] for key in _rows()])
    _known("weights", weights, [key[3] for key in _rows()])
    wanted = {1: gpu, 2: tp, 3: weights}
    of_name = _named(name)
    collected = [
        key for key in of_name if all(v is None or str(v).lower() == str(key[i]).lower() for i, v in wanted.items())
    ]
    if not collected:
        what = " ".join(str(v) for v in (name or "any model", gpu, tp and f"tp {tp}", weights) if v)
        raise UnknownProfile(f"no built-in profile of {what}; there are: {_combinations(of_name)}")
    return [_profile(*key) for key in collected]


@cache
def _gpu_named(name: str) -> str | None:
    return gpu_named(name, {short: gpu.name for short, gpu in load_gpus().items()})


def _named(name: str | None) -> list[Key]:
    if name is None:
        return list(_rows())
    parts = name.lower().split("/")
    of_model = [key for key in _rows() if key[0].lower() == parts[0]]
    if of_model:
        collected = [key for key in of_model if _parts(key)[: len(parts)] == parts]
        # the profile in bf16 has no kind of weights in its name
        collected = [k for k in collected if k[3] == "bf16" or len(parts) != 3] or collected
        if collected:
            return collected
        raise UnknownProfile(f"no built-in profile {name!r}; there are: {_combinations(of_model)}")
    collected = [key for key in _rows() if name.lower() in key[0].lower()]
    if collected:
        return collected
    if checkpoint := model_named(name, load_models()):
        of_name = [key for key in _rows() if key[0] == checkpoint]
        kind = weights_named(name, {key[3] for key in of_name})
        return [key for key in of_name if kind in (None, key[3])] or of_name
    is_checkpoint = len(parts) == 2 and not (_gpu_named(parts[1]) or parts[1].startswith("tp"))
    raise UnknownProfile(_unknown_model(name.split("/")[is_checkpoint]))


def _parts(key: Key) -> list[str]:
    model, gpu, tp, weights = key
    return [model.lower(), gpu.lower(), f"tp{tp}", weights]


def _known(what: str, asked: str | None, known: list[str]) -> None:
    if asked is not None and asked.lower() not in (k.lower() for k in known):
        raise UnknownProfile(f"no built-in profile of {what} {asked!r}; there are: {', '.join(dict.fromkeys(known))}")


def _unknown_model(model: str) -> str:
    if gpu := next((key[1] for key in _rows() if key[1].lower() == model.lower()), None):
        return f"no built-in profile of model {model!r}, which is a GPU; expected a model, or --gpu {gpu} alone"
    known = {key[0].lower(): key[0] for key in _rows()}
    nearest = [known[name] for name in get_close_matches(model.lower(), known, n=3)]
    offer = f"nearest: {', '.join(nearest)}" if nearest else f"there are: {', '.join(known.values())}"
    return f"no built-in profile of model {model!r}; {offer}"


def _combinations(keys: list[Key]) -> str:
    by_gpu: dict[str, list[str]] = {}
    for gpu, tp, weights in sorted({key[1:] for key in keys}):
        by_gpu.setdefault(gpu, []).append(str(tp) if weights == "bf16" else f"{tp} ({weights})")
    return "; ".join(f"{gpu} with tp {', '.join(degrees)}" for gpu, degrees in by_gpu.items())
