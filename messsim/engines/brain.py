"""A router at work, or one instance of it: a policy, its predictor, its queues and its estimates of cost."""

from dataclasses import dataclass

import numpy as np

from messsim import _core
from messsim.routing import PLAN_ALL, PLAN_EXPLORE, PLAN_MODEL, Policy, ledger_of
from messsim.scenario import Scenario
from messsim.workload import Chunk
from messsim.workload.chunk import Floats

__all__ = ["Brain", "Columns", "Decision", "destined", "ledgers", "substitute"]


BLOCK = 512  # most requests scored at once: learning throws away what is left of a block
SHARING_MOST = 8  # instances that score blocks, of which each uses its own requests only; more score one by one


@dataclass(slots=True, repr=False)
class Decision:
    """What was decided for a request, and what it was decided by."""

    plan: int
    instance: int
    queue: float
    scores: Floats
    costs: Floats
    known: Floats
    uniforms: Floats
    facts: Floats | None

    @property
    def explores(self) -> bool:
        """Whether it is made to learn from."""
        return bool(self.plan & (PLAN_ALL | PLAN_EXPLORE))


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


def ledgers(scenario: Scenario) -> list[_core.Ledger]:
    """A virtual queue for each tenant, as it starts."""
    return [ledger_of(alpha, scenario.router) for alpha in scenario.alphas]


class Columns:
    """A chunk's columns as decisions read them, request by request; `scores` is room for them."""

    def __init__(self, chunk: Chunk, known_costs: Floats, tells_features: bool) -> None:
        self.chunk = chunk
        self.known = np.ascontiguousarray(known_costs.T)
        self.scores = np.empty_like(known_costs)
        self.facts = None if chunk.facts is None else np.ascontiguousarray(chunk.facts.T)
        self.features = np.ascontiguousarray(chunk.features.T) if tells_features else None


class Brain:
    """Everything a router knows; it never sees an outcome that nobody has rated.

    Attributes
    ----------
    tracked
        A ledger per tenant, of the rated answers to what it routed.
    step
        Its routing decisions so far.
    destinations
        Where the request to be decided would go if it went to a model, for each, if marginal costs are reckoned: fields
        of ms_destination (csrc/marginal.h).
    """

    def __init__(
        self,
        scenario: Scenario,
        policy: Policy,
        marginal: _core.MarginalCosts,
        instance: int = 0,
        instances: int = 1,
    ) -> None:
        self.policy = policy
        self._marginal = marginal
        self.instance = instance
        self._block = BLOCK if instances <= SHARING_MOST else 1
        router = scenario.router
        self.tracked = ledgers(scenario)
        self.alphas = [k.alpha for k in self.tracked]
        self.step = 0
        self.destinations: list[dict[str, float]] = []
        self._models = len(scenario.models)
        self._estimate = policy.cost_estimate(router)
        self._prior = router.cost_prior
        self._sums = [0.0] * self._models
        self._counts = [0] * self._models
        self._last: list[float | None] = [None] * self._models

    # ---- scoring: a block at a time -------------------------------------------------------------------

    def begin(self, columns: Columns) -> None:
        """The next chunk of requests is about to be decided."""
        self._columns = columns
        self.forget_scores()

    def forget_scores(self) -> None:
        """The predictor is another: nothing is scored."""
        self._scored_by, self._scored_from, self._scored_to = -1, 0, 0
        self._length = 0

    def decide(self, request: int, i: int, tenant: int, loads: Floats) -> Decision:
        """The decision on request `request`, the i-th of the chunk.

        Requests are scored a block at a time; when the predictor has learnt since, those from i on are scored again.
        """
        columns = self._columns
        return self._ask(columns, request, i, tenant, self._score(i), columns.chunk.policy_uniforms[i], loads)

    def decide_alone(self, columns: Columns, request: int, tenant: int, uniforms: Floats, loads: Floats) -> Decision:
        """A decision on a request of this chunk or an earlier one, with uniforms of its own."""
        i, scores = request - columns.chunk.first, np.full((self._models, 1), 0.5)
        if self.policy.predictor is not None:
            self.policy.predictor.score(np.ascontiguousarray(columns.chunk.features[:, i : i + 1]), scores, 0, 1)
        return self._ask(columns, request, i, tenant, scores[:, 0], uniforms, loads)

    def _ask(
        self, columns: Columns, request: int, i: int, tenant: int, scores: Floats, uniforms: Floats, loads: Floats
    ) -> Decision:
        self.step += 1
        queue = self.tracked[tenant].queue
        known = columns.known[i]
        costs = self._costs(known, int(columns.chunk.prompt_tokens[i]))
        facts = columns.facts[i] if columns.facts is not None else None
        features = columns.features[i] if columns.features is not None else None
        plan = self.policy.kernel.decide(
            request, self.step, self.alphas[tenant], queue, scores, costs, loads, uniforms, facts, features, tenant
        )
        return Decision(destined(plan, costs), self.instance, queue, scores, costs, known, uniforms, facts)

    def _score(self, i: int) -> Floats:
        predictor, columns = self.policy.predictor, self._columns
        if predictor is None:
            return np.full(self._models, 0.5)
        if predictor.version != self._scored_by or i >= self._scored_to:
            learnt = predictor.version != self._scored_by
            self._length = 1 if learnt else min(max(32, 2 * self._length), self._block)
            end = min(i + self._length, len(columns.chunk))
            predictor.score(columns.chunk.features, columns.scores, i, end)
            self._scores = columns.scores[:, i:end].T.copy()
            self._scored_by, self._scored_from, self._scored_to = predictor.version, i, end
        scores: Floats = self._scores[i - self._scored_from]
        return scores

    def _costs(self, known: Floats, prompt_tokens: int) -> Floats:
        if self._estimate == "known":
            return known
        if self._estimate == "marginal":
            return self._marginal.of(prompt_tokens, known, self.destinations)
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

    def rate(self, request: int, model: int, tenant: int, label: float) -> None:
        """A label of the user's answer is in, right or wrong, or the user says that there was none."""
        ledger = self.tracked[tenant]
        ledger.rate(label)
        if model < 0:  # given up before a model was chosen: no policy is told of none
            return
        self.policy.kernel.rated(request, model, ledger.alpha, label, ledger.queue, tenant)

    def learn(self, request: int, tenant: int, features: Floats, labels: Floats) -> None:
        """All labels of a request are in; NaN for models without one."""
        if self.policy.predictor is not None:
            self.policy.predictor.learn(features, labels)
        self.policy.kernel.learn(request, features, labels, tenant)
