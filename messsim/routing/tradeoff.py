"""V in the scale of what the models cost: what "auto" stands for, and when a stated V does nothing."""

from collections.abc import Sequence

from messsim.errors import ScenarioError
from messsim.scenario.base import LARGEST, SMALLEST

__all__ = ["automatic_v", "check_costs", "notes_on_v"]

DIGITS = 3  # of an automatic V, so that it can be stated as it was printed
NEVER = 0.02  # of the rise of the queue after one unsatisfying answer: cost is outweighed by less


def automatic_v(costs: Sequence[float]) -> float:
    """1 / the gap between the dearest and the cheapest model, so that joules, dollars and tokens behave alike.

    With it the step from the cheapest to the dearest costs 1, about as much as one unsatisfying answer moves the
    queue: the queue at which it is worth its cost is 1 / (how much more often it satisfies), whatever the unit. Models
    that cost the same, but for rounding, have no gap: then 1 / their cost, or 1 where it is next to nothing.
    """
    finite = [c for c in costs if 0.0 <= c < float("inf")]
    dearest = max(finite, default=0.0)
    if dearest < SMALLEST:
        return 1.0
    gap = dearest - min(finite)
    scale = gap if gap > max(1e-9 * dearest, SMALLEST) else dearest
    return float(f"{1.0 / scale:.{DIGITS}g}")


def check_costs(costs: Sequence[float]) -> None:
    """Raises a ScenarioError for mean costs so small or large that 1 over them is no V that may be stated."""
    dearest = max((c for c in costs if c < float("inf")), default=0.0)
    if dearest > 0.0 and not SMALLEST <= dearest <= LARGEST:
        raise ScenarioError(
            f"costs: the dearest model costs {dearest:g} a request on average; expected 0, or from {SMALLEST:g} to "
            f"{LARGEST:g}, or V, which is 1 / the gap between models where none is given"
        )


def notes_on_v(
    v: float, costs: Sequence[float], satisfaction: Sequence[float] | None, alpha: float, requests: float, unit: str
) -> list[str]:
    """Whether V cost never matters beside Q satisfaction, or always does; nothing where it is neither.

    The queue at which the most satisfying model is worth its cost is V (its cost - the cheapest's) / (its satisfaction
    - the cheapest's). One unsatisfying answer lets the queue rise by alpha: where that is far beyond, cost decides
    nothing. All requests together can let it rise by requests (alpha - the cheapest's satisfaction), where only the
    cheapest answers: where that is not enough, satisfaction decides nothing.
    """
    if satisfaction is None or len(costs) < 2 or alpha <= 0.0:
        return []
    cheap = min(range(len(costs)), key=lambda m: costs[m])
    best = max(range(len(costs)), key=lambda m: satisfaction[m])
    dearer, better = costs[best] - costs[cheap], satisfaction[best] - satisfaction[cheap]
    if dearer <= 0.0 or better <= 0.0:
        return []
    worth = v * dearer / better
    instead = f'"auto" would take {automatic_v(costs):g}'
    if worth < NEVER * alpha:
        return [
            f"router.V = {v:g} 1/{unit}: cost never matters: any dearer model is worth it once the queue is above "
            f"{worth:.2g}, and one unsatisfying answer adds {alpha:g}; {instead}"
        ]
    short = alpha - satisfaction[cheap]
    if short > 0.0 and worth > short * requests:
        return [
            f"router.V = {v:g} 1/{unit}: cost always decides: the most satisfying model is worth its cost from a queue "
            f"of {worth:.3g} on, and {requests:.0f} requests add at most {short * requests:.3g}; {instead}"
        ]
    return []
