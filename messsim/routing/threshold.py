"""Threshold: the strong model for requests on which it probably beats the weak one.

RouteLLM (Ong et al., arXiv 2406.18665): two models, a predicted probability that the strong one wins, and a threshold
on it that sends a wanted share of the requests to the strong one. Here the probability is that of a Bradley-Terry pair
with the predictor's odds, s (1 - w) / (s (1 - w) + w (1 - s)), and the share is the one whose mix of mean satisfactions
is alpha. A first share of the requests calibrates it: half of them go to every model and train the predictor; on the
other half, routed at random by that share, win probabilities are gathered. After that nothing is learnt any more, and
the promise is kept only as well as the calibration was: nobody watches it. A stated threshold (``router.threshold``)
takes the place of the one that the second half finds, as RouteLLM's users state one, and is used from the training on.
"""

from messsim.errors import ScenarioError
from messsim.scenario.routing import Router

from .contract import PLAN_ALL, Knowledge, Policy
from .learning import predictor_of
from .plugin import compile_policy

__all__ = ["build"]

OPTIONS = frozenset({"calibration", "predictor", "reference", "threshold"})
BINS = 4096  # of win probabilities
WITHOUT_END = 2_000  # requests of calibration where nobody knows how many will come


def decide(step, tenant, scores, uniforms, params, state):  # type: ignore[no-untyped-def]
    """params: weak, strong, requests of training and of all calibration, the stated threshold or -1, shares by tenant.

    A share is of requests for the strong one.
    state[k]: calibration requests with a win probability in bin k; from then on, in bins above k.
    """
    weak, strong, training, calibration = int(params[0]), int(params[1]), params[2], params[3]
    if step <= training:
        return PLAN_ALL
    w, s = scores[weak], scores[strong]
    wins = s * (1.0 - w)
    odds = wins + w * (1.0 - s)
    probability = wins / odds if odds > 0.0 else 0.5
    if params[4] >= 0.0:
        return strong if probability >= params[4] else weak
    k = min(BINS - 1, int(BINS * probability))
    share = params[5 + tenant]
    if step > calibration:
        return strong if state[k] < share * (calibration - training) else weak
    state[k] += 1.0
    if step == calibration:
        above = 0.0
        for j in range(BINS - 1, -1, -1):
            here = state[j]
            state[j] = above
            above += here
    return strong if uniforms[1] < share else weak


def build(options: Router, models: int, features: int) -> Policy:
    """The threshold router for one run: weak is the cheapest model, strong the most satisfying."""

    def prepare(kernel, known: Knowledge) -> None:  # type: ignore[no-untyped-def]
        calibration = max(2, round(options.calibration * known.requests)) if known.requests else WITHOUT_END
        weak, strong = _pair(known)
        shares = [_share(known, weak, strong, alpha) for alpha in known.alphas]
        stated = -1.0 if options.threshold is None else options.threshold
        kernel.replace([weak, strong, calibration // 2, calibration, stated, *shares], [0.0] * BINS)

    if models < 2:
        raise ScenarioError("router.policy = 'threshold': chooses between two models; the scenario has one")
    return compile_policy(
        "threshold",
        decide,
        state=[0.0] * BINS,
        predictor=predictor_of(options, models, features),
        options=OPTIONS,
        needs=frozenset({"mean_satisfaction"}),
        prepare=prepare,
    )


def _pair(known: Knowledge) -> tuple[int, int]:
    assert known.mean_satisfaction is not None
    costs, satisfaction = known.mean_costs, known.mean_satisfaction
    strong = satisfaction.index(max(satisfaction))
    return min((m for m in range(len(costs)) if m != strong), key=lambda m: costs[m]), strong


def _share(known: Knowledge, weak: int, strong: int, alpha: float) -> float:
    assert known.mean_satisfaction is not None
    low, high = known.mean_satisfaction[weak], known.mean_satisfaction[strong]
    return min(1.0, max(0.0, (alpha - low) / (high - low))) if high > low else float(alpha > low)
