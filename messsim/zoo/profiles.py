"""The built-in profiles: reading them and finding one."""

import json
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from messsim.errors import MesssimError
from messsim.zoo.facts import Gpu, Model, Source
from messsim.zoo.records import Duration, DurationError, Energy, Memory, Profile

__all__ = [
    "UnknownProfile",
    "find_profile",
    "load_gpus",
    "load_models",
    "load_profiles",
    "load_sources",
    "select_profiles",
]


class UnknownProfile(MesssimError, LookupError):
    """No built-in profile has this model, GPU and tp; the message says what there is."""


@cache
def _tables() -> dict[str, Any]:
    text = files("messsim.zoo").joinpath("profiles.json").read_text(encoding="utf-8")
    tables: dict[str, Any] = json.loads(text)
    return tables


def _block(block: Mapping[str, Any]) -> dict[str, Any]:
    """Return a block's fields with its lists as tuples: a frozen record holds nothing that can change."""
    return {**block, "assumed": tuple(block["assumed"])}


@cache
def _rows() -> dict[tuple[str, str, int, str], dict[str, Any]]:
    """Return the table's rows by model, GPU, tp and weights, those of models of one shape under each name."""
    rows: dict[tuple[str, str, int, str], dict[str, Any]] = {}
    for row in _tables()["profiles"]:
        for name in (row["model"], *_tables()["models"][row["model"]]["alike"]):
            rows[name, row["gpu"], row["tp"], row["weights"]] = {**row, "model": name}
    return dict(sorted(rows.items()))


@cache
def _profile(model: str, gpu: str, tp: int, weights: str) -> Profile:
    row = _rows()[model, gpu, tp, weights]
    tables = _tables()
    duration = _block(row["duration"])
    knots = tuple(zip(tables["knots"], duration.pop("knots_s"), strict=True))
    return Profile(
        model=model,
        gpu=gpu,
        gpu_name=tables["gpus"][gpu]["name"],
        tp=tp,
        weights=weights,
        duration=Duration(knots=knots, **duration),
        duration_error=DurationError(**row["duration_error"]),
        host=Host(**_block(tables["hosts"][row["host"]])),
        energy=Energy(**_block(row["energy"])),
        memory=Memory(**_block(row["memory"])),
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
def load_sources() -> Mapping[str, Source]:
    """Return where the figures come from by the key that the `source` of a block names."""
    return MappingProxyType({name: Source(**row) for name, row in _tables()["sources"].items()})


def find_profile(model: str, gpu: str, tp: int, weights: str | None = None) -> Profile:
    """Return the profile of a model on `tp` GPUs of one kind; upper and lower case are the same.

    Parameters
    ----------
    weights
        Kind of the weights; none: bf16, or the only kind that there is.

    Raises
    ------
    UnknownProfile
        With the nearest models, or with the GPUs, tp and weights that the model has.
    """
    of_model = [key for key in _rows() if key[0].lower() == model.lower()]
    if not of_model:
        raise UnknownProfile(_unknown_model(model))
    alike = [key for key in of_model if key[1].lower() == gpu.lower() and key[2] == tp]
    kinds = [key[3] for key in alike]
    kind = weights or ("bf16" if "bf16" in kinds or len(kinds) != 1 else kinds[0])
    if kind in kinds:
        return _profile(*alike[kinds.index(kind)])
    wanted = f"{of_model[0][0]} on {gpu} with tp {tp}" + (f" and {kind} weights" if kinds else "")
    raise UnknownProfile(f"no built-in profile of {wanted}; there are: {_combinations(of_model)}")


def select_profiles(name: str | None) -> list[Profile]:
    """Return the profiles of a model, the one named "MODEL/GPU/tpN", or all without a name.

    A part of a name selects all whose model has it.

    Raises
    ------
    UnknownProfile
        As `find_profile`.
    """
    if name is None:
        return list(load_profiles())
    parts = name.lower().split("/")
    found = [p for p in load_profiles() if p.name.lower().split("/")[: len(parts)] == parts]
    found = found or [p for p in load_profiles() if name.lower() in p.model.lower()]
    if found:
        return found
    of_model = [key for key in _rows() if key[0].lower() == parts[0]]
    if of_model:
        raise UnknownProfile(f"no built-in profile {name!r}; there are: {_combinations(of_model)}")
    raise UnknownProfile(_unknown_model(parts[0]))


def _unknown_model(model: str) -> str:
    known = {key[0].lower(): key[0] for key in _rows()}
    nearest = [known[name] for name in get_close_matches(model.lower(), known, n=3)]
    offer = f"nearest: {', '.join(nearest)}" if nearest else f"there are: {', '.join(known.values())}"
    return f"no built-in profile of model {model!r}; {offer}"


def _combinations(keys: list[tuple[str, str, int, str]]) -> str:
    by_gpu: dict[str, list[str]] = {}
    for _, gpu, tp, weights in keys:
        by_gpu.setdefault(gpu, []).append(str(tp) if weights == "bf16" else f"{tp} ({weights})")
    return "; ".join(f"{gpu} with tp {', '.join(degrees)}" for gpu, degrees in by_gpu.items())
