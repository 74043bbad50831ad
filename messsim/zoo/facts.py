"""The public facts behind the profiles: models, GPUs and where figures come from."""

from dataclasses import dataclass

__all__ = ["Gpu", "Model", "Source"]


@dataclass(frozen=True, slots=True)
class Model:
    """The public facts of a model; the weights themselves are under `licence` and no part of messsim.

    `alike` names models of the same shape, which share its profiles.
    """

    parameters: int
    active_parameters: int
    experts: int
    top_k: int
    source: str
    licence: str
    alike: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gpu:
    """The public facts of a GPU: memory in bytes, TDP and idle power in W."""

    name: str
    memory_bytes: int
    tdp_w: float
    idle_w: float
    source: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where figures come from; an assumption has no repository, commit or licence."""

    what: str
    repository: str | None
    path: str
    commit: str | None
    licence: str | None
