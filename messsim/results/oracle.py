"""What keeping the promises costs at least, one constraint per tenant."""

from dataclasses import dataclass

from messsim.routing.oracle_dual import Frontier
from messsim.summary import OracleCosts

__all__ = ["Oracle", "oracle_of"]


@dataclass(frozen=True)
class Oracle:
    """Least known cost per request, over all arrivals: None where the promise is out of reach.

    Attributes
    ----------
    at_alpha
        With every tenant's promise kept.
    at_own
        With every tenant as satisfied as by the policy.
    relative_error
        By how much the true least costs may be lower than these: that of steps which share a bin.
    """

    at_alpha: float | None
    at_own: float | None
    relative_error: float

    @property
    def costs(self) -> OracleCosts:
        """As ``cost.oracle`` shows them."""
        return {"at_alpha": self.at_alpha, "at_own": self.at_own}


def oracle_of(frontier: Frontier, alphas: list[float], own: list[float | None]) -> Oracle:
    """The oracle on the requests of a frontier.

    Parameters
    ----------
    frontier
        Of all arrivals.
    alphas, own
        Each tenant's promise, and the satisfaction of their answered requests; None if nobody was answered.
    """
    at_alpha, at_own = _least(frontier, [*alphas]), _least(frontier, own)
    errors = [error / cost for cost, error in (at_alpha, at_own) if cost]
    return Oracle(at_alpha[0], at_own[0], max(errors, default=0.0))


def _least(frontier: Frontier, satisfaction: list[float | None]) -> tuple[float | None, float]:
    """Cost per request and its error."""
    cost = error = 0.0
    for tenant, (count, wanted) in enumerate(zip(frontier.requests.tolist(), satisfaction, strict=True)):
        if count == 0:
            continue
        optimum = None if wanted is None else frontier.optimum(wanted, tenant)
        if optimum is None:
            return None, 0.0
        cost += count * optimum.per_request
        error += count * optimum.error
    total = float(frontier.requests.sum())
    return (cost / total, error / total) if total else (None, 0.0)
