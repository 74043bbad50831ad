"""Checks of APIs: their keys, what turns requests away, and prices that change."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from .autoscale import Autoscale
from .clients import Clients
from .fleet import Cluster, Pool, Serving
from .phases import Phase

__all__ = ["API_KEYS", "LIMITS", "api_problems", "autoscale_problems", "never_up", "what_refuses"]

LIMITS = ("requests_per_minute", "tokens_per_minute", "max_concurrent_requests")
CACHE_KEYS = ("prompt_cache_s", "prompt_cache_least_tokens", "prompt_cache_step_tokens")
TOGETHER = ("period_s", "saturated_usage", "saturated_waiting", "spare_usage", "spare_waiting")  # of a model's pools
API_KEYS = (
    "latency_s",
    "tpot_s",
    "usd_per_million_prompt_tokens",
    "usd_per_million_output_tokens",
    "usd_per_million_cached_prompt_tokens",
    *CACHE_KEYS,
    *LIMITS,
    "burst_s",
)


class Parts(Protocol):
    """The parts of a scenario that say something of APIs."""

    @property
    def models(self) -> Sequence[Serving]: ...
    @property
    def pools(self) -> Sequence[Pool]: ...
    @property
    def fleet(self) -> list[Pool]: ...
    @property
    def model_names(self) -> list[str]: ...
    @property
    def cluster(self) -> Cluster: ...
    @property
    def clients(self) -> Clients: ...
    @property
    def phases(self) -> list[Phase]: ...


def api_problems(s: Parts) -> Iterator[str]:
    """One line for each key that does not fit."""
    for table, servings in (("models", s.models), ("pools", s.pools)):
        for i, serving in enumerate(servings):
            if serving.kind == "api":
                yield from _limits(s, f"{table}.{i}", serving)
                yield from _prompt_cache(f"{table}.{i}", serving)
    if s.cluster.when_full == "next_model" and what_refuses(s) is None:
        yield (
            "cluster.when_full = 'next_model': no model ever takes no more; expected cluster.admission, "
            f"{' or '.join(LIMITS)} of an API, or cluster.failures of a model that APIs alone serve"
        )
    after_s, limits = s.clients.retry_after_max_s, LIMITS[:2]
    if after_s and not any(getattr(p, name) is not None for p in (*s.models, *s.pools) for name in limits):
        yield f"clients.retry_after_max_s = {after_s:g}: nobody says when; expected {' or '.join(limits)} of an API"
    for i, phase in enumerate(s.phases):
        for name in phase.price_factor:
            if name not in s.model_names:
                yield f"phases.{i}.price_factor.{name}: unknown model; expected one of {', '.join(s.model_names)}"
            elif name not in _by_apis_alone(s):
                yield f"phases.{i}.price_factor.{name}: is not served by APIs alone; expected a model that is"


def _limits(s: Parts, key: str, serving: Serving) -> Iterator[str]:
    limits = [name for name in LIMITS if getattr(serving, name) is not None]
    if limits and s.cluster.mode == "none":
        yield f"{key}.{limits[0]}: expected cluster.mode = 'servers': without servers nothing is under way or refused"
    if serving.is_chosen("burst_s") and serving.requests_per_minute is None and serving.tokens_per_minute is None:
        yield f"{key}.burst_s = {serving.burst_s:g}: expected requests_per_minute or tokens_per_minute with it"


def _prompt_cache(key: str, serving: Serving) -> Iterator[str]:
    if serving.usd_per_million_cached_prompt_tokens is not None:
        return
    for name in CACHE_KEYS:
        if serving.is_chosen(name):
            yield f"{key}.{name} = {getattr(serving, name):g}: expected usd_per_million_cached_prompt_tokens with it"


def autoscale_problems(s: Parts) -> Iterator[str]:
    """Pools that change their size do so among servers, and do not fail."""
    for table, servings in (("models", s.models), ("pools", s.pools)):
        for i, serving in enumerate(servings):
            if serving.autoscale is None:
                continue
            if s.cluster.mode == "none":
                yield f"{table}.{i}.autoscale: expected cluster.mode = 'servers', since mode 'none' has no servers"
            elif s.cluster.failures is not None and s.cluster.failures.mtbf_s is not None:
                yield (
                    f"{table}.{i}.autoscale: with cluster.failures.mtbf_s; expected only one of them: replicas that "
                    "come and go do not fail at random (cluster.failures.schedule may hit other pools)"
                )
    yield from _saturation_together(s)
    if all(p.serves in s.model_names for p in s.pools):
        yield from never_up(s.fleet, _least_weights_gb)
    if s.cluster.failures is not None:
        scaled = {p.name for p in s.fleet if p.autoscale is not None} if s.pools or s.models else set()
        for i, outage in enumerate(s.cluster.failures.schedule):
            if outage.pool in scaled:
                yield (
                    f"cluster.failures.schedule.{i}.pool = {outage.pool!r}: has autoscale; expected a pool whose "
                    "replicas do not come and go"
                )


def _least_weights_gb(pool: Pool) -> float:
    """What a replica loads at least: what a profile says is not known here."""
    assert pool.autoscale is not None
    return pool.autoscale.cold_start.weights(None if pool.profile is None else 0.0)[0]


def never_up(fleet: Sequence[Pool], weights_gb: Callable[[Pool], float]) -> Iterator[str]:
    """Of what only such pools serve everything would wait for ever, and the run would not end.

    `weights_gb` tells what a replica of a pool loads.
    """
    least_s = {str(p.name): p.autoscale.cold_start.least_s(weights_gb(p)) for p in fleet if p.autoscale is not None}
    sleeping = {
        str(p.name): p.autoscale
        for p in fleet
        if p.autoscale is not None and _sleeps(p.autoscale, least_s[str(p.name)])
    }
    awake = {(p.serves, role) for p in fleet if p.name not in sleeping for role in (p.role, "both")}
    for pool in fleet:
        autoscale = sleeping.get(str(pool.name))
        if autoscale is not None and (pool.serves, pool.role) not in awake:
            yield (
                f"pool {pool.name}: autoscale.schedule: replicas have {autoscale.longest_s:g} s at most and a start "
                f"takes {least_s[str(pool.name)]:g} s; expected longer steps: nobody would ever be served"
            )


def _sleeps(autoscale: Autoscale, least_s: float) -> bool:
    """Whether no replica is ever up: none is as the run begins, and none has the time to start."""
    if autoscale.rule != "schedule" or autoscale.min_replicas or autoscale.first:
        return False
    return autoscale.longest_s < least_s


def _saturation_together(s: Parts) -> Iterator[str]:
    """Pools of a model that scale by saturation are one to that rule."""
    first: dict[tuple[str, str], tuple[int, Autoscale]] = {}
    for i, pool in enumerate(s.pools):
        if pool.autoscale is None or pool.autoscale.rule != "saturation":
            continue
        k, other = first.setdefault((pool.serves, pool.role), (i, pool.autoscale))
        for name in TOGETHER:
            value, expected = getattr(pool.autoscale, name), getattr(other, name)
            if value != expected:
                yield (
                    f"pools.{i}.autoscale.{name} = {value:g}: pools of one model are looked at together under rule = "
                    f"'saturation'; expected {expected:g}, as in pools.{k}"
                )


def what_refuses(s: Parts) -> str | None:
    """What may turn requests away that a client could send again; None: nothing does."""
    if s.cluster.admission is not None:
        return "cluster.admission"
    alone = _by_apis_alone(s)
    if s.cluster.mode == "none" or not alone:
        return None
    if s.cluster.failures is not None:
        return "outages of an API"
    limited = any(p.serves in alone and getattr(p, name) is not None for p in s.fleet for name in LIMITS)
    return "limits of an API" if limited else None


def _by_apis_alone(s: Parts) -> set[str]:
    """Models that no GPUs of this scenario serve."""
    if any(p.serves not in s.model_names for p in s.pools):
        return set()
    fleet = s.fleet
    return {p.serves for p in fleet if p.kind == "api"} - {p.serves for p in fleet if p.kind == "gpu"}
