"""The zoo: built-in profiles of models on GPUs, each figure with its source; standard library only."""

from messsim.zoo.facts import Gpu, Model, Source
from messsim.zoo.iteration import gpu_seconds, iteration_joules, iteration_seconds
from messsim.zoo.profiles import (
    UnknownProfile,
    find_profile,
    load_gpus,
    load_host,
    load_hosts,
    load_models,
    load_profiles,
    load_sources,
    select_profiles,
)
from messsim.zoo.records import Duration, DurationError, Energy, Fp8Cache, Host, Memory, Profile

__all__ = [
    "Duration",
    "DurationError",
    "Energy",
    "Fp8Cache",
    "Gpu",
    "Host",
    "Memory",
    "Model",
    "Profile",
    "Source",
    "UnknownProfile",
    "find_profile",
    "gpu_seconds",
    "iteration_joules",
    "iteration_seconds",
    "load_gpus",
    "load_host",
    "load_hosts",
    "load_models",
    "load_profiles",
    "load_sources",
    "select_profiles",
]
