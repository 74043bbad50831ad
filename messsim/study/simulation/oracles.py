"""The three oracles of a scenario: what its promises cost at least, for whoever knows how much."""

from itertools import islice
from typing import cast

import numpy as np

from messsim.engines import prepare
from messsim.results.oracle import oracle_of
from messsim.routing.oracle_dual import Frontier
from messsim.scenario import Scenario
from messsim.summary import CostOracles
from messsim.workload.knowledge import Knowledge, probabilities

__all__ = ["Oracles", "oracles", "oracles_beside"]

KNOWLEDGE: dict[str, Knowledge | None] = {"clairvoyant": None, "statistical": "difficulty", "feature": "features"}


class CostOraclesWithError(CostOracles):
    """``cost.oracle``, and by how much the true least may be lower."""

    relative_error: float


class Oracles:
    """Draws a scenario's requests once more, without simulating them, and keeps three frontiers of cost.

    Chance is drawn before routing: these are the requests that every policy meets, and their known costs are those
    that every policy sees. Memory is that of a chunk and of the frontiers, 1.5 MB a tenant.

    - *clairvoyant* knows every outcome;
    - *statistical* knows each request's difficulty, and keeps its promises in expectation;
    - *feature* knows what the features tell of it, likewise.

    Parameters
    ----------
    scenario
        Its router takes no part.
    arrived
        How many requests arrived in the run to compare with: needed where that depends on the run, in a closed loop
        with ``horizon_s``.

    Attributes
    ----------
    frontiers
        By name; None for what a table cannot know.
    """

    def __init__(self, scenario: Scenario, arrived: int | None = None) -> None:
        router = scenario.router.model_copy(update={"policy": "random"})  # none has to be built for this
        setup = prepare(scenario.changed(router=router))
        if arrived is None and scenario.arrivals.kind == "closed" and scenario.horizon_s is not None:
            raise ValueError("a closed loop with horizon_s: expected `arrived`, how many requests the run had")
        self._alphas = scenario.alphas
        models, tenants = len(scenario.models), len(self._alphas)
        has_difficulty = scenario.satisfaction.kind == "irt"
        self.frontiers = {
            name: Frontier(models, tenants) if knows is None or has_difficulty else None
            for name, knows in KNOWLEDGE.items()
        }
        size = setup.workload.chunk_size
        draws = setup.draws() if arrived is None else islice(setup.draws(), -(-arrived // size))
        for chunk, costs in draws:
            n = len(chunk) if arrived is None else min(len(chunk), arrived - chunk.first)
            costs = np.ascontiguousarray(costs[:, :n])
            for name, knows in KNOWLEDGE.items():
                frontier = self.frontiers[name]
                satisfied = chunk.satisfied if knows is None else probabilities(setup.workload, chunk, knows)
                if frontier is not None and satisfied is not None:
                    frontier.add(np.ascontiguousarray(satisfied[:, :n]), costs, chunk.tenant[:n])

    def costs(self, own: list[float | None]) -> CostOraclesWithError:
        """Least known cost per request, over all arrivals.

        Parameters
        ----------
        own
            Satisfaction of each tenant's answered requests under the policy to compare with (``satisfaction`` of
            ``tenants`` in a summary); None if nobody was answered.

        Returns
        -------
        CostOraclesWithError
            As ``cost.oracle`` of ``--json``; the statistical and the feature oracle are None with a table, which has
            no law to know.
        """
        collected = {name: f and oracle_of(f, self._alphas, own) for name, f in self.frontiers.items()}
        errors = [oracle.relative_error for oracle in collected.values() if oracle]
        costs = {name: oracle and oracle.costs for name, oracle in collected.items()}
        return cast("CostOraclesWithError", costs | {"relative_error": max(errors)})


def oracles(scenario: Scenario, own: list[float | None], arrived: int | None = None) -> CostOraclesWithError:
    """The three oracles beside one policy: see `Oracles`, which serves many policies with one pass."""
    return Oracles(scenario, arrived).costs(own)


def oracles_beside(task: tuple[Scenario, int, list[list[float | None]]]) -> list[CostOraclesWithError]:
    """The three oracles beside several policies: of a scenario, how many requests arrived, and each policy's own."""
    scenario, arrived, policies = task
    passed = Oracles(scenario, arrived)
    return [passed.costs(own) for own in policies]
