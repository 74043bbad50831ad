"""Fixed mixes of models that keep a promise, from mean satisfactions and mean costs alone."""

from itertools import combinations

from messsim import _core

__all__ = ["best_single", "cheapest_able", "cheapest_mix", "educated_guess", "mix_params", "scale"]

NEARLY_NONE = 1e-9

Mix = tuple[float, int, int, float]  # mean cost, two models, probability of the second


def best_single(satisfaction: list[float], costs: list[float], alpha: float) -> int | None:
    """The cheapest model whose mean satisfaction is at least alpha; ties to the first; None without one."""
    able = [m for m, s in enumerate(satisfaction) if s >= alpha - _core.KEPT_TOLERANCE]
    return min(able, key=lambda m: costs[m]) if able else None


def cheapest_able(satisfaction: list[float], costs: list[float], alpha: float) -> int:
    """The same; the most satisfying model where none reaches alpha."""
    result = best_single(satisfaction, costs, alpha)
    return satisfaction.index(max(satisfaction)) if result is None else result


def cheapest_mix(satisfaction: list[float], costs: list[float], alpha: float) -> Mix | None:
    """Least mean cost of choosing models at random with fixed probabilities whose mix reaches alpha.

    A linear program with one coupling constraint: its optimum mixes at most two models, so all pairs are
    tried. None if even the best model does not reach alpha.
    """
    least = alpha - _core.KEPT_TOLERANCE
    mixes = [(c, m, m, 0.0) for m, (s, c) in enumerate(zip(satisfaction, costs, strict=True)) if s >= least]
    for a, b in combinations(range(len(costs)), 2):
        low, high = sorted((a, b), key=lambda m: satisfaction[m])
        if satisfaction[low] < least and alpha <= satisfaction[high]:
            share = (alpha - satisfaction[low]) / (satisfaction[high] - satisfaction[low])
            mixes.append((share * costs[high] + (1.0 - share) * costs[low], low, high, share))
    return min(mixes, default=None)


def educated_guess(satisfaction: list[float], alpha: float) -> list[float]:
    """Probabilities of the MESS+ paper's "random with constraint" (arXiv 2505.19947).

    From equal ones, while their mix satisfies less than alpha, those of models above the mean satisfaction grow by
    1 % and the others shrink by 1 %. Where that leads nowhere, since the models above the mean together satisfy less
    than alpha, the best model alone is left.
    """
    mean = sum(satisfaction) / len(satisfaction)
    p = [1.0 / len(satisfaction)] * len(satisfaction)
    while sum(x * s for x, s in zip(p, satisfaction, strict=True)) < alpha - _core.KEPT_TOLERANCE:
        if sum(x for x, s in zip(p, satisfaction, strict=True) if s <= mean) < NEARLY_NONE or mean == max(satisfaction):
            best = satisfaction.index(max(satisfaction))
            return [float(m == best) for m in range(len(satisfaction))]
        grown = [x * (1.01 if s > mean else 0.99) for x, s in zip(p, satisfaction, strict=True)]
        p = [x / sum(grown) for x in grown]
    return p


def mix_params(mix: list[tuple[int, float]], models: int) -> list[float]:
    """A tenant's part of the parameters of `ms_policy_mix` (csrc/policy.h).

    Models with a share, the last one repeated, and their cumulative probabilities.
    """
    chosen = [(m, share) for m, share in mix if share > 0]
    total = sum(share for _, share in chosen)
    order = [float(m) for m, _ in chosen]
    edges = [sum(share for _, share in chosen[: k + 1]) / total for k in range(len(chosen))]
    missing = models - len(chosen)
    return [*order, *[order[-1]] * missing, *edges, *[1.0] * missing]


def scale(costs: list[float]) -> float:
    """The zoo's mean cost of a request, in the scenario's unit; 1 where all is free."""
    return sum(costs) / len(costs) or 1.0
