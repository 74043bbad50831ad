"""What needs no router: the cheapest single model that keeps the promise, and the cheapest fixed mix."""

import numpy as np

from messsim.routing.mixing import best_single, cheapest_mix
from messsim.routing.oracle_dual import Frontier

__all__ = ["best_static"]


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
    lasting = np.isfinite(costs).all(axis=0)  # a model that cannot be had at times is no choice made beforehand
    if not lasting.any():
        return None, None, None
    means, costs, models = means[:, lasting], costs[:, lasting], np.flatnonzero(lasting).tolist()
    promised = [alpha for alpha, some in zip(alphas, shown, strict=True) if some]
    # a model keeps every promise if its least margin is not negative
    margins = [min(s - a for s, a in zip(column, promised, strict=True)) for column in means.T.tolist()]
    overall = (frontier.costs[:, lasting].sum(axis=0) / total).tolist()
    single = best_single(margins, overall, 0.0)
    mixes = [cheapest_mix(s, c, a) for s, c, a in zip(means.tolist(), costs.tolist(), promised, strict=True)]
    shares = (counts[shown] / total).tolist()
    mix = sum(w * m[0] for w, m in zip(shares, mixes, strict=True) if m is not None) if None not in mixes else None
    return None if single is None else models[single], None if single is None else overall[single], mix
