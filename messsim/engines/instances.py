"""The instances of a router, as one: who decides what, what they know together, and how they are reconciled."""

import math
from collections.abc import Generator
from typing import Any

from messsim import _core
from messsim.routing import Policy
from messsim.scenario import Scenario
from messsim.workload import Chunk
from messsim.workload.chunk import Floats

from .brain import Brain, Columns, Decision, ledgers, substitute
from .calendar import RECONCILES, Calendar
from .open_request import OpenRequest
from .outcome import TenantOutcome, assert_certified
from .sums import in_order

__all__ = ["Instances", "certificate"]


class Instances:
    """Routers side by side, each of which owns what it knows; and what was delivered, which only the simulator knows.

    Attributes
    ----------
    brains
        One an instance.
    delivered
        A ledger per tenant of all answers, as if all were rated.
    """

    def __init__(self, scenario: Scenario, policy: Policy, marginal: _core.MarginalCosts) -> None:
        count = scenario.router.instances
        self.brains = [Brain(scenario, p, marginal, i, count) for i, p in enumerate(policy.copies(count))]
        self.delivered = ledgers(scenario)
        self._tells_features = "features" in policy.needs

    def begin(self, chunk: Chunk, known_costs: Floats) -> Columns:
        """The next chunk of requests is about to be decided."""
        columns = Columns(chunk, known_costs, self._tells_features)
        for brain in self.brains:
            brain.begin(columns)
        return columns

    def of(self, columns: Columns, i: int) -> int:
        """The instance that the i-th request of a chunk comes to."""
        who = columns.chunk.instance
        return 0 if who is None else int(who[i])

    def decide(self, opened: OpenRequest, i: int, loads: Floats) -> Decision:
        """The decision on the i-th request of the chunk, by the instance that it comes to."""
        return self.brains[opened.instance].decide(opened.request, i, opened.tenant, loads)

    def decide_alone(self, opened: OpenRequest, uniforms: Floats, loads: Floats) -> Decision:
        """A decision on a request of this chunk or an earlier one, by the same instance."""
        brain = self.brains[opened.instance]
        return brain.decide_alone(opened.columns, opened.request, opened.tenant, uniforms, loads)

    def following(self, opened: OpenRequest, model: int) -> int:
        """The model that a chain asks next, after this one's answer; the number of models if there is none."""
        d = opened.decision
        kernel, tenant = self.brains[d.instance].policy.kernel, opened.tenant
        plan = kernel.finish(opened.request, opened.stage, model, d.scores, d.costs, d.uniforms, d.facts, tenant)
        return substitute(plan, d.costs)

    # ---- reconciliation -----------------------------------------------------------------------------------

    def reconcile_every(self, calendar: Calendar, period_s: float) -> Generator[Any, Any, None]:
        """SimPy process: the k-th reconciliation is at k times the period.

        With nothing learnt since the last one, those that would come before anything else happens are left out.
        """
        k, reconciled = 1, 0
        while True:
            yield calendar.at(k * period_s, (RECONCILES, 0, 0))
            learnt = self._learnt()
            if learnt != reconciled:
                self._reconcile()
                reconciled = learnt
            elif (next_s := calendar.peek()) < math.inf:
                k = max(k, int(next_s / period_s) - 2)  # never too many: the quotient is rounded
            k += 1

    def _learnt(self) -> int:
        """Ratings and steps of predictors: unless it has risen, to reconcile again would only round."""
        return sum(ledger.rated for brain in self.brains for ledger in brain.tracked) + self.updates

    def _reconcile(self) -> None:
        """Virtual queues, tenant by tenant, and predictors become the means over the instances."""
        for tenant in range(len(self.delivered)):
            _core.reconcile([b.tracked[tenant] for b in self.brains])
        predictors = [b.policy.predictor for b in self.brains if b.policy.predictor is not None]
        if predictors:
            _core.average(predictors)
            for brain in self.brains:
                brain.forget_scores()

    # ---- together -----------------------------------------------------------------------------------------

    def tracked(self, tenant: int) -> _core.Ledger:
        """One ledger of all that a tenant's users have rated: its queue is the sum over the instances."""
        return _core.total([b.tracked[tenant] for b in self.brains])

    def totals(self) -> list[_core.Ledger]:
        """The same for every tenant."""
        return [self.tracked(k) for k in range(len(self.delivered))]

    def queues(self) -> tuple[float, float, float]:
        """Over all tenants the queue of what was delivered, that of what the routers know, and the certificate."""
        totals = self.totals()
        return in_order(k.queue for k in self.delivered), in_order(k.queue for k in totals), certificate(totals)

    def standing(self) -> tuple[float, float]:
        """Mean satisfaction of what was delivered, and the queue of what the routers know."""
        rated, satisfied = (sum(getattr(k, name) for k in self.delivered) for name in ("rated", "satisfied"))
        return satisfied / rated if rated else math.nan, sum(k.queue for k in self.totals())

    def outcome(self, tenant: int, name: str) -> TenantOutcome:
        """The promise to a tenant at the end."""
        return TenantOutcome.of(name, self.delivered[tenant], self.tracked(tenant))

    @property
    def updates(self) -> int:
        """Steps that all predictors have taken."""
        return sum(b.policy.predictor.version for b in self.brains if b.policy.predictor is not None)

    def check(self) -> None:
        """Asserts every certificate; the totals', since an instance's own need not hold once queues were averaged."""
        for ledger in (*self.delivered, *self.totals()):
            assert_certified(ledger.holds)


def certificate(totals: list[_core.Ledger]) -> float:
    """Lower bound on the mean satisfaction of rated answers, over all tenants; NaN before any."""
    rated = sum(k.rated for k in totals)
    if rated == 0:
        return float("nan")
    return in_order(k.alpha * k.rated - (k.plain - k.initial) for k in totals) / rated
