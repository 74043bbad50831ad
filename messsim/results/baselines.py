"""What needs no router: the cheapest single model that keeps the promise, and the cheapest fixed mix."""

from itertools import combinations

from messsim.routing.oracle_dual import Frontier

__all__ = ["best_single", "best_static", "static_mix"]


def best_single(satisfaction: list[float], costs: list[float], alpha: float) -> int | None:
    """The cheapest model whose mean satisfaction is at least alpha; ties to the first; None without one."""
    able = [m for m, s in enumerate(satisfaction) if s >= alpha]
    return min(able, key=lambda m: costs[m]) if able else None


def static_mix(satisfaction: list[float], costs: list[float], alpha: float) -> float | None:
    """Least mean cost of choosing models at random with fixed probabilities whose mix reaches alpha.

    A linear program with one coupling constraint: its optimum mixes at most two models, so all pairs are
    tried. None if even the best model does not reach alpha.
    """
    alone = [c for s, c in zip(satisfaction, costs, strict=True) if s >= alpha]
    pairs = []
    for a, b in combinations(range(len(costs)), 2):
        low, high = sorted((a, b), key=lambda m: satisfaction[m])
        if satisfaction[low] < alpha <= satisfaction[high]:
            share = (alpha - satisfaction[low]) / (satisfaction[high] - satisfaction[low])
            pairs.append(share * costs[high] + (1.0 - share) * costs[low])
    return min(alone + pairs, default=None)


def best_static(frontier: Frontier, alphas: list[float]) -> tuple[int | None, float | None, float | None]:
    """What choices made beforehand cost, per request over all tenants, with every tenant's promise kept.

    Returns
    -------
    tuple
        The cheapest single model for everybody and its cost, and the cost of each tenant's own best mix; None
        where there is none.
    """
    counts = frontier.requests
    total, shown = float(counts.sum()), counts > 0
    if total == 0:
        return None, None, None
    means = frontier.satisfied[shown] / counts[shown, None]
    costs = frontier.costs[shown] / counts[shown, None]
    promised = [alpha for alpha, some in zip(alphas, shown, strict=True) if some]
    # a model keeps every promise if its least margin is not negative
    margins = [min(s - a for s, a in zip(column, promised, strict=True)) for column in means.T.tolist()]
    overall = (frontier.costs.sum(axis=0) / total).tolist()
    single = best_single(margins, overall, 0.0)
    mixes = [static_mix(s, c, a) for s, c, a in zip(means.tolist(), costs.tolist(), promised, strict=True)]
    shares = (counts[shown] / total).tolist()
    mix = sum(w * m for w, m in zip(shares, mixes, strict=True) if m is not None) if None not in mixes else None
    return single, None if single is None else overall[single], mix
