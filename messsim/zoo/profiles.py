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
    """Return a block's fields with its list as a tuple: a frozen record holds nothing that can change."""
    return {**block, "assumed": tuple(block["assumed"])}


@cache
def load_profiles() -> tuple[Profile, ...]:
    """Return every built-in profile, sorted by model, GPU and tp."""
    return tuple(
        Profile(
            model=row["model"],
            gpu=row["gpu"],
            gpu_name=row["gpu_name"],
            tp=row["tp"],
            duration=Duration(**_block(row["duration"])),
            duration_error=DurationError(**row["duration_error"]),
            energy=Energy(**_block(row["energy"])),
            memory=Memory(**_block(row["memory"])),
        )
        for row in _tables()["profiles"]
    )


@cache
def load_models() -> Mapping[str, Model]:
    """Return the public facts of every built-in model by name."""
    return MappingProxyType({name: Model(**row) for name, row in _tables()["models"].items()})


@cache
def load_gpus() -> Mapping[str, Gpu]:
    """Return the public facts of every built-in GPU by short name."""
    return MappingProxyType({name: Gpu(**row) for name, row in _tables()["gpus"].items()})


@cache
def load_sources() -> Mapping[str, Source]:
    """Return where the figures come from by the key that the `source` of a block names."""
    return MappingProxyType({name: Source(**row) for name, row in _tables()["sources"].items()})


def find_profile(model: str, gpu: str, tp: int) -> Profile:
    """Return the profile of a model on `tp` GPUs of one kind; upper and lower case are the same.

    Raises
    ------
    UnknownProfile
        With the nearest models, or with the GPUs and tp that the model has.
    """
    of_model = [profile for profile in load_profiles() if profile.model.lower() == model.lower()]
    if not of_model:
        raise UnknownProfile(_unknown_model(model))
    for profile in of_model:
        if profile.gpu.lower() == gpu.lower() and profile.tp == tp:
            return profile
    wanted = f"{of_model[0].model} on {gpu} with tp {tp}"
    raise UnknownProfile(f"no built-in profile of {wanted}; there are: {_combinations(of_model)}")


def select_profiles(name: str | None) -> list[Profile]:
    """Return the profiles of a model, the one named "MODEL/GPU/tpN", or all without a name.

    Raises
    ------
    UnknownProfile
        As `find_profile`.
    """
    if name is None:
        return list(load_profiles())
    model, *rest = name.split("/")
    found = [p for p in load_profiles() if p.name.lower().split("/")[: 1 + len(rest)] == name.lower().split("/")]
    if found:
        return found
    of_model = [p for p in load_profiles() if p.model.lower() == model.lower()]
    if of_model:
        raise UnknownProfile(f"no built-in profile {name!r}; there are: {', '.join(p.name for p in of_model)}")
    raise UnknownProfile(_unknown_model(model))


def _unknown_model(model: str) -> str:
    known = {profile.model.lower(): profile.model for profile in load_profiles()}
    nearest = [known[name] for name in get_close_matches(model.lower(), known, n=3)]
    offer = f"nearest: {', '.join(nearest)}" if nearest else f"there are: {', '.join(known.values())}"
    return f"no built-in profile of model {model!r}; {offer}"


def _combinations(profiles: list[Profile]) -> str:
    by_gpu: dict[str, list[str]] = {}
    for profile in profiles:
        by_gpu.setdefault(profile.gpu, []).append(str(profile.tp))
    return "; ".join(f"{gpu} with tp {', '.join(degrees)}" for gpu, degrees in by_gpu.items())
