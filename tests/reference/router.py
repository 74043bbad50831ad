"""The slow truth: MESS+ in plain Python, request by request, by the words of docs/model.md, The router.

It shares nothing with the engines but the predictor's kernel, which has a NumPy twin of its own
(tests/test_predictor.py). Labels, queues, V, estimates of cost and the argmin are written out here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from builders import Run

from messsim import _core


class Queue:
    """The virtual queue, by its definition: plain, discounted or windowed."""

    def __init__(self, alpha: float, router: Any) -> None:
        self.alpha, self.discount, self.window = alpha, router.discount, router.window
        self.recent: list[float] = []
        self.q = self.plain = self.plain_max = self.initial = router.initial_queue
        self.rated, self.satisfied = 0, 0.0

    def rate(self, s: float) -> None:
        short = self.alpha - s
        self.rated, self.satisfied = self.rated + 1, self.satisfied + s
        self.plain = max(0.0, self.plain + short)
        self.plain_max = max(self.plain_max, self.plain)
        if self.window is not None:
            self.recent = [*self.recent, short][-self.window :]
            self.q = max(0.0, sum(self.recent))
        else:
            self.q = max(0.0, self.discount * self.q + short)


@dataclass
class Decided:
    """What the router did with a request."""

    queue: float
    model: int
    explored: bool
    score: float
    v: float


class Router:
    """MESS+ over given requests.

    Parameters
    ----------
    router
        The ``[router]`` table as parsed.
    alphas
        Of the tenants.
    features, satisfied, labels, known, uniforms
        [d, n], [models, n] three times, and [n, 2].
    rated
        [n], whether users rate.
    label_s
        (request, model) -> when the label of that copy is in; None: before the next request is routed.
    """

    def __init__(
        self,
        router: Any,
        alphas: list[float],
        reference: int,
        features: np.ndarray,
        satisfied: np.ndarray,
        labels: np.ndarray,
        known: np.ndarray,
        uniforms: np.ndarray,
        rated: np.ndarray,
        label_s: Callable[[int, int], float] | None,
    ) -> None:
        self.options, self.reference = router, reference
        self.features, self.satisfied, self.labels, self.known = features, satisfied, labels, known
        self.uniforms, self.rated, self.label_s = uniforms, rated, label_s
        self.models = len(satisfied)
        self.tracked = [Queue(a, router) for a in alphas]
        self.delivered = [Queue(a, router) for a in alphas]
        self.v = [router.V] * len(alphas)
        self.step = 0
        predictor = router.predictor
        self.predictor = _core.Predictor(
            self.models,
            len(features),
            learning_rate=predictor.learning_rate,
            momentum=predictor.momentum,
            weight_decay=predictor.weight_decay,
            clip=predictor.clip,
            optimizer=predictor.optimizer,
            standardize=predictor.standardize,
            bias={"even": [0.0] * self.models, "optimistic": [np.log(0.95 / (1 - 0.95))] * self.models}[
                predictor.start
            ],
        )
        self.coming: list[tuple[float, int, int]] = []
        self.plans: dict[int, tuple[int, int, list[int]]] = {}  # tenant, seen, models still to be labelled
        self.lessons: dict[int, np.ndarray] = {}
        self.spent: list[list[float]] = [[] for _ in range(self.models)]
        self.last: list[float | None] = [None] * self.models

    def estimates(self, i: int) -> list[float]:
        costs = []
        for m in range(self.models):
            before = self.known[m, i] if self.options.cost_prior is None else self.options.cost_prior
            if self.options.cost_estimate == "known":
                costs.append(self.known[m, i])
            elif self.options.cost_estimate == "mean":
                costs.append(sum(self.spent[m]) / len(self.spent[m]) if self.spent[m] else before)
            else:
                costs.append(before if self.last[m] is None else self.last[m])
        return costs

    def decide(self, i: int, tenant: int, now: float) -> Decided:
        """Request i, at a time when all labels until then are in."""
        self.deliver(now)
        queue, alpha = self.tracked[tenant].q, self.tracked[tenant].alpha
        scores = np.empty((self.models, 1))
        self.predictor.score(np.ascontiguousarray(self.features[:, i : i + 1]), scores)
        u, choice = self.uniforms[i]
        self.step += 1
        explored = u < self.options.c / self.step**self.options.kappa
        everyone = explored and self.options.explore == "all"
        if everyone:
            model = self.reference
        elif explored:
            model = int(choice * self.models)
        else:
            costs = self.estimates(i)
            value = [self.v[tenant] * e + queue * (alpha - s) for e, s in zip(costs, scores[:, 0], strict=True)]
            model = value.index(min(value))
        decided = Decided(queue, model, explored, scores[model, 0], self.v[tenant])
        copies = list(range(self.models)) if everyone else [model]
        if self.rated[i] and (explored or self.options.learn == "every"):
            self.lessons[i] = np.full(self.models, np.nan)
        self.plans[i] = (tenant, model, copies.copy())
        self.coming += [(now if self.label_s is None else self.label_s(i, m), i, m) for m in copies]
        if self.label_s is None:
            self.deliver(now)
        return decided

    def learn_cost(self, i: int, explored: bool, copies: list[int]) -> None:
        """What the copies of a request have cost is known: here what was expected."""
        for m in copies:
            self.spent[m].append(self.known[m, i])
            if explored:
                self.last[m] = self.known[m, i]

    def deliver(self, until_s: float) -> None:
        self.coming.sort()
        while self.coming and self.coming[0][0] <= until_s:
            _, i, m = self.coming.pop(0)
            self.label(i, m)

    def label(self, i: int, m: int) -> None:
        tenant, seen, waited_for = self.plans[i]
        s = self.labels[m, i]
        if m == seen:
            self.delivered[tenant].rate(self.satisfied[m, i])
            if self.rated[i]:
                self.tracked[tenant].rate(s)
                target = self.options.target_queue
                if target is not None:
                    self.v[tenant] *= 1 + self.options.gain * max(-1.0, (target - self.tracked[tenant].q) / target)
        if i in self.lessons:
            self.lessons[i][m] = s
        waited_for.remove(m)
        if not waited_for and i in self.lessons:
            self.predictor.learn(np.ascontiguousarray(self.features[:, i]), self.lessons.pop(i))


def twin_of(r: Run) -> Router:
    """The plain router for the requests of a run."""
    s = r.setup.scenario
    return Router(
        s.router,
        [t.alpha for t in s.promises],
        s.reference,
        r.features,
        r.satisfied,
        r.labels,
        r.known,
        r.uniforms,
        r.feedback < s.feedback.probability,
        None if r.delays is None else lambda i, m: r.records.arrival_s[i] + r.delays[m, i],
    )
