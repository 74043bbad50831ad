"""Profiles of one's own: files that `messsim calibrate` writes and a scenario names as ``profile = "FILE.toml"``."""

from pathlib import Path
from typing import Any

from pydantic import Field

from messsim.errors import ScenarioError

from .base import Count, NonNegative, Part
from .engines import Engine
from .fleet import MOST_REPLICAS, Coefficients
from .laws import WaitLaw
from .problems import checked
from .toml import Table, read_toml

__all__ = ["OwnProfile", "read_own_profile", "with_own_profiles"]

SUFFIX = ".toml"


class OwnProfile(Part):
    """A model on a GPU as it was measured: what stands in the file, and where the figures come from."""

    model: str | None = Field(None, description="the model, for people to read")
    gpu: str | None = Field(None, description="name of the GPU")
    tp: Count = Field(1, description="GPUs of one replica (tensor parallel)")
    kv_capacity_tokens: Count | None = Field(None, description="cached tokens that a replica holds; none: no limit")
    engine: Engine | None = Field(None, description="the serving engine that was measured; its defaults then hold")
    front_end_s: WaitLaw | None = Field(None, description="time of its front end, seconds or a law")
    front_end_workers: int = Field(
        0, ge=0, le=MOST_REPLICAS, description="requests that its front end works on at once"
    )
    detokenize_s: NonNegative = Field(0.0, le=1e6, description="time between the last token and the answer's end, s")
    coefficients: Coefficients = Field(description="duration and energy of an iteration, the host's time included")
    fit: Table = Field(default_factory=dict, description="how it was fitted, and how well")


def read_own_profile(file: Path) -> OwnProfile:
    """Reads a profile file.

    Raises
    ------
    ScenarioError
        With one line a problem.
    """
    data = read_toml(file, "a profile that `messsim calibrate` wrote,")
    return checked(OwnProfile, data, str(file))


def with_own_profiles(data: Table, folder: Path, file: str | None) -> Table:
    """What a scenario file holds, each profile file replaced by what stands in it.

    A key that stands in the scenario too goes before the file's, except for the GPUs that the figures hold of.

    Raises
    ------
    ScenarioError
        If a profile file cannot be used, or is of other GPUs than the scenario says.
    """
    filled = dict(data)
    for table in ("models", "pools"):
        entries = data.get(table)
        if isinstance(entries, list):
            filled[table] = [_filled(f"{table}.{i}", entry, folder, file) for i, entry in enumerate(entries)]
    return filled


def _filled(key: str, entry: Any, folder: Path, file: str | None) -> Any:
    if not isinstance(entry, dict) or not str(entry.get("profile", "")).endswith(SUFFIX):
        return entry
    name = entry["profile"]
    profile = read_own_profile(folder / name)
    for gpus, measured in (("gpu", profile.gpu), ("tp", profile.tp)):
        if measured is not None and entry.get(gpus, measured) != measured:
            raise ScenarioError(f"{key}.{gpus} = {entry[gpus]!r}: expected {measured!r}, which {name} is of", file)
    figures = profile.coefficients.model_dump(exclude_none=True)
    own = entry.get("coefficients")
    about_file = {"model", "coefficients", "fit"}
    taken = profile.model_dump(exclude=about_file, exclude_none=True, exclude_unset=True) | {"tp": profile.tp}
    rest = {k: v for k, v in entry.items() if k != "profile"}
    return (
        taken | rest | {"coefficients": own if own is not None and not isinstance(own, dict) else figures | (own or {})}
    )
