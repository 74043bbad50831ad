"""Clusters that a plan may choose from: numbers of replicas, and kinds of GPU, for some pools of a scenario."""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import prod

from messsim.errors import ScenarioError
from messsim.results.rent import rent_usd_per_hour
from messsim.scenario import Scenario
from messsim.scenario.fleet import Pool
from messsim.zoo import UnknownProfile, find_profile

from ..runs.points import Point

__all__ = ["Axis", "Candidate", "Kind", "axes_of", "candidates_of", "usd_per_hour"]

MOST = 100_000  # candidates

_RANGE = re.compile(r"(\d+)(?:\.\.(\d+))?")
_KIND = re.compile(r"([^/\s]+)(?:/tp(\d+))?")


@dataclass(frozen=True)
class Kind:
    """A GPU by name, and how many of them one replica has."""

    gpu: str | None
    tp: int


@dataclass(frozen=True)
class Axis:
    """What may be chosen for a pool.

    Attributes
    ----------
    pool
        Its name.
    path
        Key path of its table in the scenario.
    kinds
        The GPUs that it may have.
    least, most
        Replicas; 0 leaves the pool out, and the model whose only pool it is. Of a pool with `autoscale` these are the
        replicas that it keeps at least.
    ceiling
        The most that a pool with `autoscale` ever has; None of another.
    """

    pool: str
    path: str
    kinds: tuple[Kind, ...]
    least: int
    most: int
    ceiling: int | None = None

    @property
    def counts(self) -> str:
        """Key path of the number that is chosen."""
        return f"{self.path}.replicas" if self.ceiling is None else f"{self.path}.autoscale.min_replicas"

    def gpus(self, kind: Kind, replicas: int) -> int:
        """GPUs that it may ever have."""
        return kind.tp * (replicas if self.ceiling is None else self.ceiling)


@dataclass(frozen=True)
class Candidate:
    """A choice for each axis, in the order of the axes."""

    kinds: tuple[Kind, ...]
    replicas: tuple[int, ...]

    def within(self, other: "Candidate") -> bool:
        """Whether it has the same GPUs as another, the same models, and nowhere more replicas."""
        pairs = list(zip(self.replicas, other.replicas, strict=True))
        return self.kinds == other.kinds and all(a <= b and (a > 0) == (b > 0) for a, b in pairs)

    @property
    def gpus(self) -> int:
        """GPUs of all axes together."""
        return sum(k.tp * r for k, r in zip(self.kinds, self.replicas, strict=True))

    def values(self, axes: Sequence[Axis]) -> Point:
        """What it changes of the scenario: values by key path."""
        point: Point = {}
        for axis, kind, replicas in zip(axes, self.kinds, self.replicas, strict=True):
            point[axis.counts] = replicas
            if len(axis.kinds) > 1 and (replicas or axis.ceiling is not None):
                point |= {f"{axis.path}.gpu": kind.gpu, f"{axis.path}.tp": kind.tp}
        return point


def axes_of(scenario: Scenario, replicas: Sequence[str], gpus: Sequence[str]) -> list[Axis]:
    """What is to be chosen: each ``POOL=1..8`` and ``POOL=H100,A100/tp2``.

    A pool goes by its name, or by its model's where the model has only one.

    Raises
    ------
    ScenarioError
        If a pool is unknown, given twice or an API, or a profile has no such GPU.
    """
    if not replicas:
        raise ScenarioError("nothing to choose; expected --replicas POOL=1..8, for one pool or more")
    ranges = _by_pool(scenario, replicas, "--replicas", "POOL=LEAST..MOST")
    kinds = _by_pool(scenario, gpus, "--gpus", "POOL=GPU,GPU/tpN")
    names = [str(p.name) for p in scenario.fleet]
    return [
        _axis(scenario, k, ranges.get(name), kinds.get(name))
        for k, name in enumerate(names)
        if name in ranges or name in kinds
    ]


def _by_pool(scenario: Scenario, texts: Sequence[str], option: str, form: str) -> dict[str, str]:
    collected: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.rpartition("=")  # names may have one too, ranges and GPUs have none
        if not equals or not value.strip():
            raise ScenarioError(f"{option} {text}: expected {form}")
        pool = _pool_named(scenario, name.strip(), f"{option} {text}")
        if pool in collected:
            raise ScenarioError(f"{option} {text}: {pool} is given twice; expected each pool once")
        collected[pool] = value.strip()
    return collected


def _pool_named(scenario: Scenario, name: str, where: str) -> str:
    pools = {str(p.name): p.serves for p in scenario.fleet}
    known = {*pools, *pools.values()}
    name = name if name in known else name.strip('"')
    if name in pools:
        return name
    of_model = [pool for pool, model in pools.items() if model == name]
    if len(of_model) == 1:
        return of_model[0]
    if of_model:
        raise ScenarioError(f"{where}: {name} has several pools; expected one of {', '.join(of_model)}")
    if not pools:
        raise ScenarioError(f"{where}: the scenario has no servers; expected cluster.mode = 'servers'")
    near = get_close_matches(name, pools, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(pools)}"
    raise ScenarioError(f"{where}: unknown pool {name!r}; {hint}")


def _axis(scenario: Scenario, k: int, replicas: str | None, gpus: str | None) -> Axis:
    pool = scenario.fleet[k]
    name = str(pool.name)
    if pool.kind == "api":
        raise ScenarioError(f"pool {name}: is an API, which has no replicas; expected pools of your own GPUs")
    shorthand = len(scenario.fleet) - len(scenario.pools)
    path = _path_of_model(scenario, pool.serves) if k < shorthand else f"pools.{k - shorthand}"
    floor = pool.replicas if pool.autoscale is None else pool.autoscale.min_replicas
    least, most = (floor, floor) if replicas is None else _range(name, replicas)
    ceiling = None if pool.autoscale is None else pool.replicas
    if ceiling is not None and most > ceiling:
        raise ScenarioError(
            f"--replicas {name}={replicas}: replicas that the pool keeps at least, since it has autoscale, and {path}."
            f"replicas = {ceiling} is the most that it ever has; expected no more, or a higher most"
        )
    kinds = (Kind(pool.gpu, pool.tp),) if gpus is None else tuple(_kind(pool, text) for text in gpus.split(","))
    if len(set(kinds)) < len(kinds):
        raise ScenarioError(f"--gpus {name}={gpus}: a kind is given twice; expected each once")
    if len(kinds) == 1 and kinds[0] != Kind(pool.gpu, pool.tp):
        raise ScenarioError(f"--gpus {name}={gpus}: only one kind; expected several, or it in the scenario")
    return Axis(name, path, kinds, least, most, ceiling)


def _path_of_model(scenario: Scenario, name: str) -> str:
    """Where it stands in the scenario: by its name, or by its number, as nothing in a path stands for a quote."""
    number = next(i for i, m in enumerate(scenario.models) if m.name == name)
    return f"models.{number}" if '"' in name else f'models."{name}"'


def _range(pool: str, text: str) -> tuple[int, int]:
    match = _RANGE.fullmatch(text)
    least, most = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not match or not 0 <= least <= most or most == 0:
        raise ScenarioError(
            f"--replicas {pool}={text}: expected LEAST..MOST with LEAST <= MOST, such as 1..8, or 0..8 where the model "
            "may be left out"
        )
    return least, most


def _kind(pool: Pool, text: str) -> Kind:
    match = _KIND.fullmatch(text.strip())
    where = f"--gpus {pool.name}={text}"
    if not match:
        raise ScenarioError(f"{where}: expected a GPU such as H100, or H100/tp2")
    if pool.profile is None:
        raise ScenarioError(f"{where}: {pool.name} has figures of its own; expected a pool with a profile")
    try:
        profile = find_profile(pool.profile, match[1], int(match[2] or pool.tp), pool.weights, pool.kv_cache_dtype)
    except UnknownProfile as error:
        raise ScenarioError(f"{where}: {error}") from None
    return Kind(profile.gpu, profile.tp)


def candidates_of(axes: Sequence[Axis]) -> list[Candidate]:
    """Every choice.

    Raises
    ------
    ScenarioError
        If there are more than 100,000.
    """
    count = prod(len(a.kinds) * (a.most - a.least + 1) for a in axes)
    if count > MOST:
        raise ScenarioError(f"--replicas: {count:,} clusters to choose from; expected at most {MOST:,}")
    return list(_all(axes))


def _all(axes: Sequence[Axis]) -> Iterator[Candidate]:
    for kinds in itertools.product(*(a.kinds for a in axes)):
        for replicas in itertools.product(*(range(a.least, a.most + 1) for a in axes)):
            yield Candidate(kinds, replicas)


def usd_per_hour(scenario: Scenario) -> float | None:
    """Price of all GPUs of a cluster, USD per hour; None where a pool has autoscale, whose rent a run has to tell.

    Raises
    ------
    ScenarioError
        If the price of a GPU is missing, or a pool is an API.
    """
    prices = scenario.cost.usd_per_gpu_hour
    for pool in scenario.fleet:
        gpu = pool.gpu or "GPU"
        if pool.kind == "api":
            raise ScenarioError(f"pool {pool.name}: is an API, paid by the token; a plan prices GPUs by the hour")
        if gpu not in prices:
            raise ScenarioError(
                f"cost.usd_per_gpu_hour.{gpu}: missing; expected the price of the GPUs of pool {pool.name}, "
                f"such as --set cost.usd_per_gpu_hour.{gpu}=2.5, or --objective energy"
            )
    if any(pool.autoscale is not None for pool in scenario.fleet):
        return None
    return rent_usd_per_hour(scenario) or 0.0
