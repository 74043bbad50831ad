"""Can a router pay here? Bounds on what routing can save, before anything is simulated."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from messsim.engines import Setup
from messsim.results.baselines import best_static
from messsim.results.oracle import oracle_of
from messsim.results.verdict import falls_short
from messsim.routing.oracle_dual import Frontier
from messsim.scenario import Scenario
from messsim.shapes.checks import Dominated, Worth

__all__ = ["FEW", "SAMPLE", "worth"]

SAMPLE = 6_000  # requests of the run that bounds are taken of
MOST_VALUES = 4_000_000  # features times requests that a fit takes a second or two for
FOLDS = 5
STEPS = 200  # of a fit, at most
PRECISION = 1e-3  # of a weight, where a fit ends: 3e-3 of a probability at worst
BLOCK = 65_536  # numbers that are compared at once
PRICES = 120  # at which choices by features are tried, evenly spaced in their logarithm
FEW = 8.0  # sequences: a replica that runs fewer at once pays mostly for its weights being read

Floats = NDArray[np.float64]


def worth(setup: Setup) -> Worth:
    """What keeping the promises costs at least, by how much whoever chooses knows of a request.

    All costs are expected ones, those that a router reckons with, of up to 6,000 requests of the run and in the
    scenario's unit: they compare with each other, not with what a cluster realises.

    Returns
    -------
    Worth
        `best_single`, `static_mix`: choices made beforehand. `own_cost`: knows each request's cost with each model, and
        the models' mean satisfactions. `features`: knows also what a logistic regression tells of satisfaction out of
        fold (five folds, equal features in one), and pays for what its choices then satisfied, not for what it had
        predicted; None without features, and `no_features` says why.
        `clairvoyant`: knows every outcome. Each None where the promises are out of reach.
        `can_save`, `features_save`, `own_cost_saves`: shares of the cheapest choice made beforehand.
        `dominated`: models that another beats in satisfaction at no more cost.
    """
    alphas = setup.scenario.alphas
    satisfied, costs, tenant, features = _sampled(setup)
    frontier = _frontier(satisfied, costs, tenant, len(alphas))
    model, single, mix = best_static(frontier, alphas)
    predicted, why = _predicted(satisfied, features)
    by_means = _points(_means(satisfied, tenant), satisfied, costs, tenant)
    own_cost = _least([by_means], tenant, alphas)
    by_features = None
    if predicted is not None:
        by_features = _least([_points(predicted, satisfied, costs, tenant), by_means], tenant, alphas)
    clairvoyant = oracle_of(frontier, alphas, [None] * len(alphas)).at_alpha
    beforehand = min((c for c in (single, mix) if c is not None), default=None)
    return {
        "unit": setup.scenario.cost.unit,
        "best_single": {"model": None if model is None else setup.scenario.model_names[model], "per_request": single},
        "static_mix": mix,
        "own_cost": own_cost,
        "features": by_features,
        "clairvoyant": clairvoyant,
        "no_features": why,
        "can_save": _saved(clairvoyant, beforehand),
        "features_save": _saved(by_features, beforehand),
        "own_cost_saves": _saved(own_cost, beforehand),
        "dominated": list(_dominated(setup.scenario, satisfied.mean(axis=1), costs.mean(axis=1))),
    }


def _sampled(setup: Setup) -> tuple[Floats, Floats, NDArray[np.int32], Floats]:
    """Outcomes and expected costs [models, n], tenants [n] and features [d, n]."""
    chunks = [chunk for _, chunk in setup.workload.sample(SAMPLE) if len(chunk)]
    return (
        np.concatenate([c.satisfied for c in chunks], axis=1),
        np.concatenate([setup.costs.of_chunk_when_available(c) for c in chunks], axis=1),
        np.concatenate([c.tenant for c in chunks]),
        np.concatenate([c.features for c in chunks], axis=1),
    )


def _frontier(satisfied: Floats, costs: Floats, tenant: NDArray[np.int32], tenants: int) -> Frontier:
    frontier = Frontier(len(satisfied), tenants)
    frontier.add(np.ascontiguousarray(satisfied), np.ascontiguousarray(costs), tenant)
    return frontier


def _points(predicted: Floats, satisfied: Floats, costs: Floats, tenant: NDArray[np.int32]) -> dict[int, Floats]:
    """Of each tenant [prices, 2]: what choices by predicted satisfaction really satisfy and cost, at many prices.

    A choice of the best prediction satisfies less than was predicted, since it is also the luckiest: taken at its
    word, the predictor would look better than it is.
    """
    points = {}
    for k in _present(tenant):
        mine = tenant == k
        points[k] = _at_prices(predicted[:, mine], satisfied[:, mine], costs[:, mine])
    return points


def _present(tenant: NDArray[np.int32]) -> list[int]:
    """The tenants that have a request."""
    return np.flatnonzero(np.bincount(tenant)).tolist()


def _at_prices(predicted: Floats, satisfied: Floats, costs: Floats) -> Floats:
    """Mean satisfaction and cost of ``argmin_m c_m - price s_m``, s_m predicted, from free to beyond any gap."""
    gap, dearest = float((costs.max(axis=0) - costs.min(axis=0)).max()), float(costs.max())
    widest = max(gap, 1e-9 * dearest, 1e-300)  # where all cost the same, a price that still changes a sum
    prices = np.concatenate([[0.0], np.geomspace(widest * 1e-3, widest * 1e3, PRICES)])
    cost_of, chance_of = np.ascontiguousarray(costs.T), np.ascontiguousarray(predicted.T)  # argmin is fastest so
    real, every = np.stack([satisfied.ravel(), costs.ravel()]), np.arange(costs.shape[1])
    points, at_once = [], max(1, BLOCK // costs.size)
    for i in range(0, len(prices), at_once):
        price = prices[i : i + at_once, np.newaxis, np.newaxis]
        chosen = (cost_of - price * chance_of).argmin(axis=2)
        points.append(real.take(chosen * len(every) + every, axis=1).mean(axis=2))
    return np.concatenate(points, axis=1).T


def _least(points: Sequence[dict[int, Floats]], tenant: NDArray[np.int32], alphas: list[float]) -> float | None:
    """Least cost at which all promises are kept, each at any mix of two of its tenant's points; None out of reach."""
    total = 0.0
    for k in points[0]:
        least = _cheapest_mix(np.vstack([of_tenant[k] for of_tenant in points]), alphas[k])
        if least is None:
            return None
        total += float((tenant == k).sum()) * least
    return total / len(tenant)


def _cheapest_mix(points: Floats, alpha: float) -> float | None:
    """Least cost of one point, or of two mixed, that satisfies alpha; None if no point does."""
    short = falls_short(points[:, 0], alpha)
    enough, below = points[~short], points[short]
    if not len(enough):
        return None
    part = (alpha - below[:, :1]) / (enough[:, 0] - below[:, :1])
    mixed = below[:, 1:] + part * (enough[:, 1] - below[:, 1:])
    return float(min([enough[:, 1].min(), *mixed.ravel()]))


def _means(satisfied: Floats, tenant: NDArray[np.int32]) -> Floats:
    """Each model's mean satisfaction of a request's tenant, for each request."""
    values = np.empty(satisfied.shape)
    for k in _present(tenant):
        mine = tenant == k
        values[:, mine] = satisfied[:, mine].mean(axis=1, keepdims=True)
    return values


def _predicted(satisfied: Floats, features: Floats) -> tuple[Floats | None, str | None]:
    """P(satisfied) of each model by a logistic regression on other requests; None, and why."""
    if not len(features):
        return None, "the router sees no features"
    if features.size > MOST_VALUES:
        return None, f"{len(features):,} features are too many to fit here"
    scaled = (features - features.mean(axis=1, keepdims=True)) / (features.std(axis=1, keepdims=True) + 1e-12)
    x = np.vstack([np.ones(features.shape[1]), scaled]).T
    kinds = np.unique(features.T, axis=0, return_inverse=True)[1].ravel()
    if kinds.max() + 1 < FOLDS:
        return None, f"fewer than {FOLDS} different requests"
    fold = np.random.default_rng(0).permutation(kinds.max() + 1)[kinds] % FOLDS
    predicted = np.empty(satisfied.shape)
    for k in range(FOLDS):
        rest = fold != k
        predicted[:, ~rest] = _chance(x[~rest] @ _fit(x[rest], satisfied[:, rest])).T
    return predicted, None


def _fit(x: Floats, outcomes: Floats) -> Floats:
    """Weights [1 + d, models] of logistic regressions of outcomes in [0, 1] on the same requests, x [n, 1 + d].

    Each maximises its log-likelihood less half the square of its weights, the bias free. A step solves with a bound of
    the curvature, X'X / 4, which all models and steps share and under which no step overshoots (Böhning and Lindsay,
    Monotonicity of quadratic-approximation algorithms, 1988, section 4).
    """
    penalty = np.append(1e-9, np.ones(x.shape[1] - 1))[:, np.newaxis]
    solve = np.linalg.inv(0.25 * x.T @ x + np.diag(penalty[:, 0]))
    weights = np.zeros((x.shape[1], len(outcomes)))
    for _ in range(STEPS):
        step = solve @ (x.T @ (outcomes.T - _chance(x @ weights)) - penalty * weights)
        weights += step
        if np.abs(step).max() < PRECISION:
            break
    return weights


def _chance(logit: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-np.clip(logit, -500.0, 500.0)))


def _saved(least: float | None, beforehand: float | None) -> float | None:
    """The share of a cost that is saved, at least 0: whoever knows more can do what was decided before."""
    if least is None or not beforehand:
        return None
    return max(0.0, 1.0 - least / beforehand)


def _dominated(scenario: Scenario, satisfaction: Floats, costs: Floats) -> Iterator[Dominated]:
    for m, name in enumerate(scenario.model_names):
        for k, other in enumerate(scenario.model_names):
            no_worse = satisfaction[k] >= satisfaction[m] and costs[k] <= costs[m]
            if no_worse and (satisfaction[k] > satisfaction[m] or costs[k] < costs[m]):
                yield {"model": name, "by": other}
                break
