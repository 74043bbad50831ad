"""MESS+ in shadow on a log of real decisions: what the log supports, and what it cannot, with the reason."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from messsim.results.histogram import ScoreHistogram
from messsim.results.running import Running
from messsim.results.verdict import verdict_of
from messsim.routing import MessPlus
from messsim.routing.mixing import best_single, cheapest_mix
from messsim.routing.oracle_dual import Frontier
from messsim.routing.tradeoff import automatic_v, check_costs
from messsim.shapes.logs import (
    Exactly,
    InversePropensity,
    LogHead,
    Refusal,
    Replay,
    ReplayFigures,
    RouterFigures,
    Shadow,
)

from .decisions import DecisionLog
from .names import alike

__all__ = ["replay"]

Floats = NDArray[np.float64]

ONE_OUTCOME = (
    "the log has the outcome of one model a request: where MESS+ would have asked another, nobody knows what the user "
    "would have said. The queue that decides what comes next depends on these answers too, so the error would not "
    "average out"
)
NOT_RANDOM = (
    "requests on which both agree are not a sample of all requests: the logging router chose them. A column "
    "propensity, from a router that chose at random with known probabilities, would make them one (Li et al., "
    "WSDM 2011)"
)
NO_COPIES = "asks every model, and the log has one answer; exploring steps ask one random model instead"


def replay(log: DecisionLog, alpha: float, *, seed: int = 0, **options: Any) -> Replay:
    """Runs MESS+ beside the router that wrote the log.

    - Outcomes of every model: MESS+ decides, explores and learns as it would have; `mess_plus` is exact for this log.
    - One outcome, but a router that chose uniformly at random: MESS+ decides every request, and only those on which
      the log agrees count and teach. Then `mess_plus` is what MESS+ would have met on so many requests drawn from the
      same traffic (Li, Chu, Langford and Wang, "Unbiased Offline Evaluation of Contextual-bandit-based News Article
      Recommendation Algorithms", WSDM 2011).
    - One outcome, with known probabilities: a row counts with probability min(propensity) / propensity (rejection
      sampling), after which every model is chosen equally often, and the same holds. `shadow` has the estimate by
      inverse propensities too, of all rows (Hajek's, weights normalised), with its effective sample size
      (sum w)^2 / sum w^2 (Kish, "Survey Sampling", 1965).
    - One outcome: MESS+ learns from the log's answers and says what it would have done at each; what that would have
      led to is refused.

    Parameters
    ----------
    log
        From `read_log`.
    alpha
        The promise.
    options
        Of `MessPlus`.

    Returns
    -------
    Replay
        `kind` (``"all outcomes"``, ``"random"``, ``"propensities"``, ``"one outcome"``), `logged` (the router that
        wrote it), `mess_plus`, `shadow` (what MESS+ would have decided), `refused` (what is asked in vain,
        and why), `unanswered` (rows without a model, left out), `notes`.
    """
    if options.get("V", "auto") == "auto":
        means = log.costs.mean(axis=1).tolist()
        check_costs(means)
        options |= {"V": automatic_v(means)}
    head: LogHead = {
        "requests": len(log),
        "alpha": alpha,
        "V": options["V"],
        "models": log.models,
        "logged": _logged(log, alpha),
        "unanswered": log.unanswered,
        "notes": _notes(log),
    }
    if log.outcomes is not None:
        router = MessPlus(log.models, len(log.features), alpha, seed=seed, **options)
        exact = _exactly(log, log.outcomes, router, alpha)
        return {**head, "kind": "all outcomes", "shadow": None, "refused": [], **exact}
    return _by_one_outcome(log, alpha, seed, options, head)


def _by_one_outcome(log: DecisionLog, alpha: float, seed: int, options: dict[str, Any], head: LogHead) -> Replay:
    """The same of a log with one outcome a request."""
    alone = options | {"explore": "chosen"}
    copies: Refusal = {"what": "explore = 'all'", "why": NO_COPIES}
    refused = [] if options.get("explore") == "chosen" else [copies]
    if log.is_random:
        router = MessPlus(log.models, len(log.features), alpha, seed=seed, **alone)
        matched = _matched(log, router, alpha)
        return {**head, "kind": "random", "shadow": None, "refused": refused, "mess_plus": matched}
    router = MessPlus(log.models, len(log.features), alpha, seed=seed, **(alone | {"c": 0.0}))
    if log.propensity is not None:
        accepted = np.random.default_rng(seed).random(len(log)) * log.propensity < log.propensity.min()
        fair = MessPlus(log.models, len(log.features), alpha, seed=seed, **alone)
        matched = _matched(log, fair, alpha, accepted)
        shadow = _shadow(log, router)
        return {**head, "kind": "propensities", "refused": refused, "mess_plus": matched, "shadow": shadow}
    refused += [
        {"what": "satisfaction, shortfall and time to compliance under MESS+", "why": ONE_OUTCOME},
        {"what": "satisfaction where both agree, as an estimate", "why": NOT_RANDOM},
    ]
    shadow = _shadow(log, router)
    return {**head, "kind": "one outcome", "mess_plus": None, "refused": refused, "shadow": shadow}


def _notes(log: DecisionLog) -> list[str]:
    notes = list(log.notes)
    if log.unanswered:
        notes.append(f"{log.unanswered:,} rows name no model, as of calls that failed: they are left out")
    if len(log.models) == 1:
        notes.append(f"the log knows one model, {log.models[0]}: there is nothing to decide")
    return notes + alike(log.models)


class _Tally:
    """Figures of one router over the log."""

    def __init__(self, models: int, alpha: float) -> None:
        self.running, self.alpha = Running(), alpha
        self.answers = np.zeros(models)
        self.exploration = 0.0
        self.rows: list[tuple[float, float]] = []

    def add(self, model: int, satisfied: float, cost: float, exploration: float = 0.0) -> None:
        self.answers[model] += 1
        self.exploration += exploration
        self.rows.append((satisfied, cost))

    def figures(self) -> ReplayFigures:
        n = len(self.rows)
        satisfied, costs = np.array(self.rows).reshape(-1, 2).T
        self.running.add(np.arange(n), satisfied, np.full(n, self.alpha), costs)
        mean = self.running.mean
        margin = verdict_of(mean, self.alpha).margin
        return {
            "requests": n,
            "rated": int((~np.isnan(satisfied)).sum()),
            "satisfaction": mean,
            "shortfall": None if margin is None else max(0.0, -margin),
            "time_to_compliance": self.running.compliant_from(n) if n else None,
            "cost": float(costs.sum()),
            "exploration_cost": self.exploration,
            "cost_per_request": float(costs.mean()) if n else None,
            "shares": (self.answers / n).tolist() if n else [0.0] * len(self.answers),
        }


def _logged(log: DecisionLog, alpha: float) -> ReplayFigures | None:
    if log.chosen is None:
        return None
    tally = _Tally(len(log.models), alpha)
    for t, m in enumerate(log.chosen.tolist()):
        if log.satisfied is not None:
            satisfied = float(log.satisfied[t])
        else:
            satisfied = float(log.outcomes[m, t]) if log.outcomes is not None else math.nan
        tally.add(m, satisfied, float(log.costs[m, t]))
    return tally.figures()


def _exactly(log: DecisionLog, outcomes: Floats, router: MessPlus, alpha: float) -> Exactly:
    tally, explored = _Tally(len(log.models), alpha), 0
    place = {m: i for i, m in enumerate(log.models)}
    for t in range(len(log)):
        route = router.route(log.features[:, t], log.costs[:, t].tolist())
        asked = [place[m] for m in route.models]
        seen, paid = place[route.answer_from], float(log.costs[asked, t].sum())
        tally.add(seen, float(outcomes[seen, t]), paid, paid - float(log.costs[seen, t]))
        explored += route.explores
        router.feedback(route.request, {log.models[m]: float(outcomes[m, t]) for m in asked})
    frontier = Frontier(len(log.models))
    frontier.add(np.ascontiguousarray(outcomes), np.ascontiguousarray(log.costs))
    means, costs = outcomes.mean(axis=1).tolist(), log.costs.mean(axis=1).tolist()
    single, mix = best_single(means, costs, alpha), cheapest_mix(means, costs, alpha)
    figures = tally.figures()
    satisfaction, paid_each = figures["satisfaction"], figures["cost_per_request"]
    oracle, own = frontier.optimum(alpha), None if satisfaction is None else frontier.optimum(satisfaction)
    return {
        "mess_plus": {**figures, "explored": explored, "certificate": router.certificate},
        "baselines": {
            "best_single": None if single is None else {"model": log.models[single], "cost_per_request": costs[single]},
            "static_mix_per_request": None if mix is None else mix[0],
            "oracle_per_request": None if oracle is None else oracle.per_request,
            "ratio_to_oracle": None
            if not own or not own.per_request or paid_each is None
            else paid_each / own.per_request,
        },
    }


def _matched(
    log: DecisionLog, router: MessPlus, alpha: float, accepted: NDArray[np.bool_] | None = None
) -> RouterFigures:
    """Of the rows that are accepted, those on which MESS+ agrees count and teach."""
    assert log.chosen is not None
    assert log.satisfied is not None
    tally, explored = _Tally(len(log.models), alpha), 0
    for t, m in enumerate(log.chosen.tolist()):
        if accepted is not None and not accepted[t]:
            continue
        x, costs = log.features[:, t], log.costs[:, t].tolist()
        if router.preview(x, costs).answer_from != log.models[m]:
            continue
        route, satisfied = router.route(x, costs), float(log.satisfied[t])
        tally.add(m, satisfied, float(costs[m]))
        explored += route.explores
        if math.isnan(satisfied):
            router.forget(route.request)
        else:
            router.feedback(route.request, satisfied)
    return {**tally.figures(), "explored": explored, "certificate": _known(router.certificate)}


def _shadow(log: DecisionLog, router: MessPlus) -> Shadow:
    assert log.chosen is not None
    assert log.satisfied is not None
    histogram, agreed, cost = ScoreHistogram(), 0, 0.0
    shares = np.zeros(len(log.models))
    place = {m: i for i, m in enumerate(log.models)}
    scores, labels = [], []
    agrees = np.zeros(len(log), bool)
    for t, m in enumerate(log.chosen.tolist()):
        route, satisfied = router.route(log.features[:, t], log.costs[:, t].tolist()), float(log.satisfied[t])
        router.forget(route.request)
        seen = place[route.answer_from]
        shares[seen] += 1
        agreed += seen == m
        agrees[t] = seen == m
        cost += float(log.costs[seen, t])
        if not math.isnan(satisfied):
            scores.append(route.scores[log.models[m]])
            labels.append(satisfied)
            router.observe(log.features[:, t], log.models[m], satisfied)
    histogram.add(np.array(scores), np.array(labels))
    return {
        "agreement": agreed / len(log),
        "shares": (shares / len(log)).tolist(),
        "cost_per_request": cost / len(log),
        "queue_final": router.queue,
        "certificate_of_logged": _known(router.certificate),
        "log_loss": histogram.log_loss,
        "auc": histogram.auc,
        "ips": _by_inverse_propensity(log, agrees),
    }


def _by_inverse_propensity(log: DecisionLog, agrees: NDArray[np.bool_]) -> InversePropensity | None:
    """Satisfaction of the decisions in shadow, by rated rows on which both agree, each weighted by 1 / propensity."""
    if log.propensity is None or log.satisfied is None:
        return None
    rated = agrees & ~np.isnan(log.satisfied)
    if not rated.any():
        return None
    weights, satisfied = 1.0 / log.propensity[rated], log.satisfied[rated]
    mean = float((weights * satisfied).sum() / weights.sum())
    error = float(np.sqrt((weights**2 * (satisfied - mean) ** 2).sum()) / weights.sum())
    effective = float(weights.sum() ** 2 / (weights**2).sum())
    return {"satisfaction": mean, "standard_error": error, "effective_sample_size": effective}


def _known(x: float) -> float | None:
    return None if math.isnan(x) else x
