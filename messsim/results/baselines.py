"""What needs no router: the cheapest single model that keeps the promise, and the cheapest fixed mix."""

from itertools import combinations

__all__ = ["best_single", "static_mix"]


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
