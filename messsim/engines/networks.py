"""What a shared network lets through where prefill and decode are split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from messsim.scenario.transfer import Transfer

from .cluster import PoolPlan

__all__ = ["SharedLinks", "shared_links"]

GB = 1e9


@dataclass(frozen=True)
class SharedLinks:
    """Links that the transfers of some models share, taken as one.

    Attributes
    ----------
    request_bytes
        What the KV of a request's prompt takes in the mean, bytes, by the model's index.
    bytes_per_s
        What crosses all of them at most.
    """

    request_bytes: Mapping[int, float]
    bytes_per_s: float


def shared_links(
    transfer: Transfer, pools: Sequence[PoolPlan], prompt_tokens: float, replicas: Mapping[str, int] | None = None
) -> list[SharedLinks]:
    """The links of a cluster; none where transfers do not slow each other down.

    Parameters
    ----------
    prompt_tokens
        Mean of all prompts, tokens.
    replicas
        Of each pool, by its name; none: as planned.
    """
    if transfer.bandwidth_of == "transfer":
        return []
    per_token: dict[int, float] = {}  # the least of the pools that prefill for a model
    for p in pools:
        if p.role == "prefill":
            per_token[p.model] = min(p.kv_bytes_per_token, per_token.get(p.model, p.kv_bytes_per_token))
    sizes = {model: prompt_tokens * each for model, each in per_token.items()}
    bandwidth = transfer.bandwidth_gb_per_s * GB
    if transfer.bandwidth_of == "cluster":
        return [SharedLinks(sizes, bandwidth)] if sizes else []
    ends = {
        model: sum(
            p.replicas if replicas is None else replicas[p.name]
            for p in pools
            if p.model == model and p.role == transfer.bandwidth_of
        )
        for model in sizes
    }
    return [SharedLinks({model: size}, bandwidth * ends[model]) for model, size in sizes.items()]
