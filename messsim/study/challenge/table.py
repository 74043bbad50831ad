"""What the runs of a challenge say: a cell for each condition and policy, and where each policy stands."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from messsim.files import sha256
from messsim.results.intervals import paired_difference, replication_interval
from messsim.scenario import Scenario
from messsim.shapes.challenge import Cell, Challenge, Standing
from messsim.version import __version__
from messsim.zoo import find_profile

from ..compare.policies import with_policy
from ..runs.identity import hashed
from ..runs.rows import Row

__all__ = ["table_of"]

Cells = Mapping[tuple[str, str], Sequence[Row]]  # rows of a condition and a policy, by replication


def table_of(scenarios: Mapping[str, Scenario], policies: Sequence[str], seeds: int, rows: Sequence[Row]) -> Challenge:
    """What the rows of all runs say, in the order of `runs_of`."""
    order = iter(rows)
    by: Cells = {(c, p): [next(order) for _ in range(seeds)] for c in scenarios for p in policies}
    ranks = {(c, r): _ranks([by[c, p][r] for p in policies]) for c in scenarios for r in range(seeds)}
    cells = [
        _cell(c, p, by[c, p], [ranks[c, r][k] for r in range(seeds)]) for c in scenarios for k, p in enumerate(policies)
    ]
    means = {
        p: [math.fsum(ranks[c, r][k] for c in scenarios) / len(scenarios) for r in range(seeds)]
        for k, p in enumerate(policies)
    }
    standings = [_standing(p, [x for x in cells if x.policy == p], means[p], means[policies[0]]) for p in policies]
    first = standings[0]
    standings = [first if s is first else s for s in sorted(standings, key=lambda s: s.rank)]
    bare = [with_policy(s, "mess+").changed(replication=0) for s in scenarios.values()]
    own_seeds = {s.seed for s in scenarios.values()}
    return Challenge(
        version=__version__,
        scenarios_sha256=hashed([_content(s) for s in bare]),
        policies_sha256={Path(p).name: sha256(Path(p)) for p in policies if p.endswith(".py")},
        seed=own_seeds.pop() if len(own_seeds) == 1 else None,
        replications=seeds,
        conditions=list(scenarios),
        requests={c: s.requests for c, s in scenarios.items()},
        alphas={c: s.sla.alpha for c, s in scenarios.items()},
        cost_units={c: s.cost.unit for c, s in scenarios.items()},
        policies=[_name(p) for p in policies],
        standings=standings,
        cells=cells,
    )


def _content(scenario: Scenario) -> list[object]:
    """What a scenario says beside the defaults, and the figures of the built-in profiles that it names."""
    named = [p for p in scenario.fleet if p.profile is not None and p.gpu is not None]
    profiles = [find_profile(str(p.profile), str(p.gpu), p.tp, p.weights, p.kv_cache_dtype) for p in named]
    figures = [[asdict(part) for part in (p.duration, p.host, p.energy, p.memory)] for p in profiles]
    return [scenario.model_dump(mode="json", by_alias=True, exclude_defaults=True), figures]


def _name(policy: str) -> str:
    return Path(policy).name if policy.endswith(".py") else policy


def _ranks(rows: Sequence[Row]) -> list[float]:
    """Ranks of the policies in one replication of a condition; who are alike share the mean of their ranks."""
    keys = [_key(row) for row in rows]
    return [1.0 + sum(k < key for k in keys) + (sum(k == key for k in keys) - 1) / 2.0 for key in keys]


def _key(row: Row) -> tuple[int, float]:
    """Kept before missed before failed; then by the cost of an answer, or by what is missing."""
    cost, margin = row.get("cost_per_request"), row.get("sla_margin")
    if row["error"] is not None or cost is None or margin is None:
        return 2, 0.0
    return (0, float(cost)) if row["sla_kept"] else (1, -float(margin))


def _cell(condition: str, policy: str, rows: Sequence[Row], ranks: Sequence[float]) -> Cell:
    ended = [row for row in rows if row["error"] is None]
    compliant = _known(ended, "sla_time_to_compliance")
    errors = [str(row["error"]) for row in rows if row["error"] is not None]
    return Cell(
        condition=condition,
        policy=_name(policy),
        kept=sum(bool(row["sla_kept"]) for row in ended),
        runs=len(rows),
        compliant_from=_mean(compliant),
        compliant=len(compliant),
        satisfaction=_mean(_known(ended, "sla_satisfaction")),
        answered=_mean([float(row["requests_completed"]) / float(row["requests_arrived"]) for row in ended]),  # type: ignore[arg-type]
        cost=_mean(_known(ended, "cost_per_request")),
        x_oracle=_mean(_known(ended, "cost_ratio_to_simulated_oracle")),
        e2e_p95_s=_mean(_known(ended, "latency_s_e2e_p95")),
        rank=math.fsum(ranks) / len(ranks),
        error=errors[0] if errors else "",
    )


def _known(rows: Sequence[Row], column: str) -> list[float]:
    return [float(value) for row in rows if (value := row.get(column)) is not None]


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _standing(policy: str, cells: Sequence[Cell], ranks: Sequence[float], first: Sequence[float]) -> Standing:
    """Replications are the independent values: a rank is the mean over the conditions of one."""
    own = replication_interval(ranks)
    against = None if ranks is first else paired_difference(ranks, first)
    logs = [math.log(c.x_oracle) for c in cells if c.x_oracle]
    return Standing(
        policy=_name(policy),
        kept=sum(c.kept for c in cells),
        runs=sum(c.runs for c in cells),
        x_oracle=math.exp(math.fsum(logs) / len(logs)) if logs else None,
        rank=own.mean,
        rank_low=own.low,
        rank_high=own.high,
        difference=None if against is None else against.mean,
        low=None if against is None else against.low,
        high=None if against is None else against.high,
    )
