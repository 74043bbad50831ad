"""The router at work: a policy, its predictor, its queues and its estimates of cost."""

from dataclasses import dataclass, field

import numpy as np

from messsim import _core
from messsim.routing import PLAN_ALL, PLAN_MODEL, Policy
from messsim.scenario import Scenario
from messsim.workload import Chunk
from messsim.workload.chunk import Floats

from .outcome import assert_certified

__all__ = ["Brain", "Decision", "destined", "substitute"]


BLOCK = 512  # requests scored at once: learning throws away what is left of a block, so it must not be long


@dataclass(slots=True)
class Decision:
    """What was decided for a request, and what it was decided by."""

    plan: int
    queue: float
    scores: Floats = field(repr=False)
    costs: Floats = field(repr=False)
    known: Floats = field(repr=False)
    uniforms: Floats = field(repr=False)
    facts: Floats | None = field(repr=False)


def substitute(model: int, costs: Floats | list[float]) -> int:
    """The model that takes a request in the place of one that cannot be had, whose cost is infinite.

    It is the next more capable one that can be had; the number of models if there is none.
    """
    return next((m for m in range(model, len(costs)) if costs[m] < np.inf), len(costs))


def destined(plan: int, costs: Floats | list[float]) -> int:
    """A plan with another model where its own cannot be had: a more capable one, or else the next less capable."""
    if plan == PLAN_ALL or costs[plan & PLAN_MODEL] < np.inf:
        return plan
    model = substitute(plan & PLAN_MODEL, costs)
    if model == len(costs):
        model = max(m for m, cost in enumerate(costs) if cost < np.inf)
    return plan & ~PLAN_MODEL | model


class Brain:
    """Everything a router knows; it never sees an outcome that nobody has rated.

    Attributes
    ----------
    delivered, tracked
        A ledger per tenant: of all answers, as if all were rated, and of those that were.
    step
        Routing decisions so far.
    """

    def __init__(self, scenario: Scenario, policy: Policy) -> None:
        self.policy = policy
        said = scenario.router
        alphas = [t.alpha or 0.0 for t in scenario.promises]
        window = said.window or 0
        self.delivered = [_core.Ledger(a, discount=said.discount, window=window) for a in alphas]
        self.tracked = [_core.Ledger(a, discount=said.discount, window=window) for a in alphas]
        self.alphas = alphas
        self.step = 0
        self._models = len(scenario.models)
        self._estimate = policy.cost_estimate(said)
        self._prior = said.cost_prior
        self._sums = [0.0] * self._models
        self._counts = [0] * self._models
        self._last: list[float | None] = [None] * self._models
        self._tells_features = "features" in policy.needs

    @property
    def updates(self) -> int:
        """Steps that the predictor has taken."""
        return self.policy.predictor.version if self.policy.predictor else 0

    # ---- scoring: a block at a time -------------------------------------------------------------------

    def begin(self, chunk: Chunk, known_costs: Floats) -> None:
        """The next chunk of requests is about to be decided."""
        self._chunk = chunk
        self._known = np.ascontiguousarray(known_costs.T)
        self._scores = np.full((self._models, len(chunk)), 0.5)
        self._columns = self._scores.T
        self._scored_by, self._scored_to = -1, 0
        facts = chunk.facts
        self._facts = None if facts is None else np.ascontiguousarray(facts.T)
        self._features = np.ascontiguousarray(chunk.features.T) if self._tells_features else None

    def decide(self, request: int, i: int, tenant: int, loads: Floats) -> Decision:
        """The decision on request `request`, the i-th of the chunk.

        Requests are scored a block at a time; when the predictor has learnt since, those from i on are scored again.
        """
        predictor = self.policy.predictor
        if predictor is not None and (predictor.version != self._scored_by or i >= self._scored_to):
            self._scored_by, self._scored_to = predictor.version, min(i + BLOCK, len(self._chunk))
            predictor.score(self._chunk.features, self._scores, i, self._scored_to)
        self.step += 1
        queue = self.tracked[tenant].queue
        scores = self._columns[i].copy()
        costs = self._costs(i)
        uniforms = self._chunk.policy_uniforms[i]
        facts = self._facts[i] if self._facts is not None else None
        features = self._features[i] if self._features is not None else None
        plan = self.policy.kernel.decide(
            request, self.step, self.alphas[tenant], queue, scores, costs, loads, uniforms, facts, features, tenant
        )
        return Decision(destined(plan, costs), queue, scores, costs, self._known[i], uniforms, facts)

    def _costs(self, i: int) -> Floats:
        known: Floats = self._known[i]
        if self._estimate == "known":
            return known
        costs = known.copy() if self._prior is None else np.full(self._models, self._prior)
        for m in range(self._models):
            if known[m] == np.inf:
                costs[m] = np.inf
            elif self._estimate == "mean" and self._counts[m]:
                costs[m] = self._sums[m] / self._counts[m]
            elif self._estimate == "last_explored" and self._last[m] is not None:
                costs[m] = self._last[m]
        return costs

    # ---- learning ---------------------------------------------------------------------------------------

    def learn_cost(self, model: int, cost: float, explored: bool) -> None:
        """A copy is complete, and what it has cost is known."""
        self._sums[model] += cost
        self._counts[model] += 1
        if explored:
            self._last[model] = cost

    def rate(self, request: int, model: int, tenant: int, satisfaction: float, label: float, rated: bool) -> None:
        """The label of the answer that the user saw is in, right or wrong; if not `rated`, only the simulator knows."""
        self.delivered[tenant].rate(satisfaction)
        if rated:
            ledger = self.tracked[tenant]
            ledger.rate(label)
            self.policy.kernel.rated(request, model, ledger.alpha, label, ledger.queue, tenant)

    def learn(self, request: int, tenant: int, features: Floats, labels: Floats) -> None:
        """All labels of a request are in; NaN for models without one."""
        if self.policy.predictor is not None:
            self.policy.predictor.learn(features, labels)
        self.policy.kernel.learn(request, features, labels, tenant)

    # ---- the promise --------------------------------------------------------------------------------------

    def certificate(self) -> float:
        """Lower bound on the mean satisfaction of rated answers, over all tenants; NaN before any."""
        rated = sum(k.rated for k in self.tracked)
        if rated == 0:
            return float("nan")
        return sum(k.alpha * k.rated - k.plain for k in self.tracked) / rated

    def check(self) -> None:
        """Asserts every certificate."""
        for ledger in (*self.delivered, *self.tracked):
            assert_certified(ledger.holds)
