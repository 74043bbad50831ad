"""Whether a cluster can carry its traffic: a bound from utilisation that spares a plan hopeless runs."""

from collections.abc import Sequence

from messsim.engines import prepare
from messsim.engines.networks import shared_links
from messsim.results.figures import Requirement
from messsim.scenario import Scenario

from ..runs.rows import Row, column_of
from ..simulation.check import sustained_rps

__all__ = ["Carrying", "quantiles_of"]

TRUST = 1.25  # a pool is taken to sustain so many times what the closed form says before it is called too small
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
WAITED = ("ttft", "e2e", "queueing")  # latencies that contain the wait


def quantiles_of(requirements: Sequence[Requirement]) -> list[tuple[float, float]]:
    """Share of requests, and the seconds that they may take, of every bound from above on a latency with its wait."""
    collected = []
    for r in requirements:
        keys = r.path.split(".")
        if r.from_above and keys[0] == "latency_s" and keys[1] in WAITED and keys[2] in QUANTILES:
            collected.append((QUANTILES[keys[2]], r.bound))
    return collected


class Carrying:
    """What pools sustain, and what they get, as one run of a cluster with many replicas showed.

    In a run of N requests at the rate r, those that take at most x seconds are done by N / r + x. If a pool is offered
    more than it sustains, the rest waits: where the share that all pools together can complete by then, and those
    that still run, are fewer than the quantile asks for, the requirement fails.

    Taken for granted, and checked by the plan: that shares of traffic do not depend on numbers of replicas, and that
    no pool sustains more than 1.25 times what the closed form says. Where prefill and decode are split, a model
    sustains what the least of both and of the network between them does. It says nothing (everything carries) in closed
    loops, with phases, failures, a limit on waiting, or a horizon.
    """

    def __init__(self, scenario: Scenario, rows: Sequence[Row], requirements: Sequence[Requirement]) -> None:
        setup = prepare(scenario)
        s = setup.scenario
        rate, length = setup.workload.mean_rate_rps(), setup.workload.length
        plain = not (s.phases or s.cluster.failures or s.cluster.admission or s.horizon_s)
        self._bounds = quantiles_of(requirements) if plain and rate and length else []
        self._rate, self._length = rate or 0.0, length or 0
        self._sustained = {p.name: (p.model, p.role, sustained_rps(setup, p)) for p in setup.pools if not p.is_api}
        self._pools, self._transfer = setup.pools, s.cluster.transfer
        self._prompt_tokens = setup.workload.mean_prompt_tokens()
        self._places = {p.name: p.serving.max_num_seqs for p in setup.pools}
        shares = [[float(row.get(column_of(f"models.{n}.share")) or 0.0) for n in s.model_names] for row in rows]
        self._shares = [sum(column) / len(rows) for column in zip(*shares, strict=True)]

    def enough(self, replicas: dict[str, int]) -> bool:
        """Whether so many replicas of each pool may carry the traffic."""
        by_role: dict[tuple[int, str], float] = {}
        for name, (model, role, rps) in self._sustained.items():
            by_role[model, role] = by_role.get((model, role), 0.0) + TRUST * rps * replicas[name]
        capacity = {m: min(rps for (of, _), rps in by_role.items() if of == m) for m, _ in by_role}
        for links in shared_links(self._transfer, self._pools, self._prompt_tokens, replicas):
            for m, size in links.request_bytes.items():
                capacity[m] = min(capacity[m], TRUST * links.bytes_per_s / size)
        running = sum(self._places[name] * replicas[name] for name in self._sustained)
        for quantile, seconds in self._bounds:
            stretch = 1.0 + seconds * self._rate / self._length
            served = sum(
                min(share, stretch * capacity[m] / self._rate) if m in capacity else share
                for m, share in enumerate(self._shares)
            )
            if served + running / self._length < quantile:
                return False
        return True
