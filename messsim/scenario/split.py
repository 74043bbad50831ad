"""Checks of pools that prefill for others, or decode what others have prefilled."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from .fleet import Cluster, Model, Pool
from .routing import Router

__all__ = ["split_notes", "split_problems"]


class Parts(Protocol):
    """The parts of a scenario that say something of roles."""

    @property
    def models(self) -> Sequence[Model]: ...
    @property
    def pools(self) -> Sequence[Pool]: ...
    @property
    def model_names(self) -> list[str]: ...
    @property
    def cluster(self) -> Cluster: ...
    @property
    def router(self) -> Router: ...


def _with_roles(s: Parts) -> list[tuple[str, Pool]]:
    return [(f"pools.{i}", pool) for i, pool in enumerate(s.pools) if pool.role != "both"]


def split_problems(s: Parts) -> Iterator[str]:
    """One line for each key that does not go with roles."""
    for key, pool in _with_roles(s):
        yield from _pool(s, key, pool)
    split = dict.fromkeys(pool.serves for _, pool in _with_roles(s))
    for model in split:
        roles = [pool.role for pool in s.pools if pool.serves == model]
        for role in ("prefill", "decode"):
            if role not in roles:
                yield f"pools: model {model!r} has no pool with role = {role!r}; expected one of each role"
        schedules = dict.fromkeys(pool.schedule for pool in s.pools if pool.serves == model)
        if len(schedules) > 1:
            yield (
                f"pools: model {model!r} has pools with schedule = {' and '.join(map(repr, schedules))}; expected one, "
                "since engines hand over KV to their own kind"
            )
        if "both" in roles:
            yield (
                f"pools: model {model!r} has pools of its own kind beside those with role = 'prefill' and 'decode'; "
                "expected a role in each of its pools"
            )
    if split and s.cluster.dispatch == "shared_queue":
        yield (
            "cluster.dispatch = 'shared_queue': what is prefilled has its place at one replica; expected another rule, "
            "such as 'least_loaded'"
        )
    if split and s.router.cost_estimate == "marginal":
        yield (
            "router.cost_estimate = 'marginal': prices a prompt by the batch of those who decode beside it, and with "
            "split prefill and decode nobody does; expected another, such as 'known' or 'mean'"
        )


def _pool(s: Parts, key: str, pool: Pool) -> Iterator[str]:
    role = f"role = {pool.role!r}"
    if s.cluster.mode == "none":
        yield f"{key}.{role}: expected cluster.mode = 'servers', since mode 'none' has no servers"
    if pool.kind == "api":
        yield f"{key}.kind = 'api': an API serves whole requests; expected no role"
        return
    if pool.drafts is not None:
        yield f"{key}.drafts: speculative decoding is not modelled with {role}; expected none"
    if pool.lookahead and "lookahead" in pool.model_fields_set:
        yield f"{key}.lookahead = {pool.lookahead}: is not modelled with {role}; expected 0"
    if pool.scheduler_recv_interval > 1:
        yield f"{key}.scheduler_recv_interval = {pool.scheduler_recv_interval}: is not modelled with {role}; expected 1"
    if pool.role == "decode" and pool.prefix_cache and pool.schedule != "vllm":
        yield (
            f"{key}.prefix_cache = true: with {role} and schedule = {pool.schedule!r}, whose engine keeps none where "
            "others prefill; expected it in pools that prefill"
        )
    if pool.role == "prefill" and pool.profile is None and pool.kv_bytes_per_token is None:
        yield (
            f"{key}.kv_bytes_per_token: missing; expected what its transfers carry for each token of a prompt, bytes, "
            "where no profile says it"
        )


def split_notes(s: Parts) -> Iterator[str]:
    """Keys of dispatch and transfers that nothing heeds, front ends that nobody passes, caches of different kinds."""
    roles = _with_roles(s)
    rules = {s.cluster.dispatch} | ({s.cluster.decode_dispatch} if roles else set())
    if s.cluster.ties == "random" and not {"least_loaded", "session"} & rules:
        yield f"cluster.ties: ignored with dispatch = {s.cluster.dispatch!r}"
    if not roles and s.cluster.is_chosen("transfer"):
        yield "cluster.transfer: ignored without pools of role = 'prefill' and 'decode'"
    for i, pool in enumerate(s.pools):
        if pool.role == "decode" and pool.front_end_s is not None:
            yield f"pools.{i}.front_end_s: ignored with role = 'decode': requests pass that of where they are prefilled"
        if pool.kind == "gpu" and pool.role != "prefill" and pool.kv_bytes_per_token is not None:
            yield f"pools.{i}.kv_bytes_per_token: ignored with role = {pool.role!r}; it counts in a pool that prefills"
    for model in dict.fromkeys(pool.serves for _, pool in roles):
        by_profile = [pool for _, pool in roles if pool.serves == model and pool.profile is not None]
        kinds = {r: sorted({p.kv_cache_dtype for p in by_profile if p.role == r}) for r in ("prefill", "decode")}
        prefilled, decoded = (" and ".join(map(repr, kinds[role])) for role in ("prefill", "decode"))
        if prefilled and decoded and prefilled != decoded:
            yield (
                f"pools: model {model!r} has kv_cache_dtype = {prefilled} where it prefills and {decoded} where it "
                "decodes: a transfer carries what the pool holds that prefills"
            )
