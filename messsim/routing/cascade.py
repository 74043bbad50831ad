"""Cascade: ask a cheap model, and go on to a dearer one where a scorer doubts its answer.

FrugalGPT (Chen, Zaharia and Zou, arXiv 2305.05176): a list of up to three models and a threshold for each but the last,
chosen on labelled examples to keep the promise at the least cost. Models are asked one after the other, so a doubted
answer costs its time, its energy and its place on the servers. The user sees the last answer only.

The paper's scorer is a small language model that reads question and answer; here it is a reader of known quality, who
sees the truth through logistic noise. With k = scorer, the logit for an answer of satisfaction s is
k (s - 1/2) + log(u / (1 - u)); it orders a good and a bad answer rightly with probability
e^k (e^k - k - 1) / (e^k - 1)^2: 0.89 at k = 3, 1/2 at 0.
"""

import math
from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from messsim import _core
from messsim.errors import ScenarioError
from messsim.scenario.routing import Router

from .contract import PLAN_CHAIN, Facts, Knowledge, Policy
from .plugin import compile_policy

__all__ = ["build", "cheapest_chain"]

Floats = NDArray[np.float64]
Chain = tuple[list[int], list[float]]  # models in the order they are asked, thresholds of all but the last

LONGEST = 3  # models of a chain, as in the paper
MOST_MODELS = 64  # every chain of them is tried: 41,664 of three models take some 10 s
THRESHOLDS = 16  # tried at each stage
ROW = 2 * LONGEST  # params of a tenant: length, models, thresholds


def decide(tenant, params):  # type: ignore[no-untyped-def]
    """params[1 + ROW * tenant]: length of the chain, its models, its thresholds; params[0] is the scorer's quality."""
    return PLAN_CHAIN | int(params[2 + ROW * tenant])


def finish(stage, tenant, model, models, facts, uniforms, params):  # type: ignore[no-untyped-def]
    """The next of the chain, or `models` where this was the last or the scorer trusts the answer."""
    row = 1 + ROW * tenant
    if stage + 1 == int(params[row]):
        return models
    u = uniforms[model]
    doubt = params[0] * (facts[model] - 0.5) + math.log(u / (1.0 - u)) < params[row + 1 + LONGEST + stage]
    return int(params[row + 2 + stage]) if doubt else models


def build(options: Router, models: int, features: int) -> Policy:
    """The cascade for one run.

    Raises
    ------
    ScenarioError
        If there are more models than it can try all chains of.
    """
    if models > MOST_MODELS:
        raise ScenarioError(
            f"router.policy = 'cascade' with {models} models: expected at most {MOST_MODELS}, of which it tries every "
            f"chain of up to {LONGEST}"
        )

    def prepare(kernel, known: Knowledge) -> None:  # type: ignore[no-untyped-def]
        assert known.sample is not None
        examples = known.sample(options.training)
        logits = _logits(examples.satisfaction, options.scorer)
        rows = [_row(*cheapest_chain(examples, logits, alpha)) for alpha in known.alphas]
        kernel.replace([options.scorer, *np.concatenate(rows)])

    return compile_policy(
        "cascade",
        decide,
        finish=finish,
        uniforms=models + models % 2,
        options=frozenset({"scorer", "training"}),
        needs=frozenset({"outcomes", "training"}),
        prepare=prepare,
    )


def _logits(satisfaction: Floats, scorer: float) -> Floats:
    """The scorer's verdicts on the examples [models, n]; its noise is evenly spread over them in a fixed shuffle."""
    models, n = satisfaction.shape
    u = (np.arange(n) + 0.5) / n
    shuffled = np.stack([np.random.default_rng(m).permutation(u) for m in range(models)])
    return scorer * (satisfaction - 0.5) + np.log(shuffled / (1.0 - shuffled))


def _row(models: list[int], thresholds: list[float]) -> Floats:
    row = np.zeros(ROW)
    row[0] = len(models)
    row[1 : 1 + len(models)] = models
    row[1 + LONGEST : 1 + LONGEST + len(thresholds)] = thresholds
    return row


def cheapest_chain(examples: Facts, logits: Floats, alpha: float) -> Chain:
    """The chain that satisfies at least alpha of the examples at the least cost; the most satisfying if none does.

    Of equals the one that is tried first, as `_chains` goes through them.
    """
    levels = np.quantile(logits, (np.arange(THRESHOLDS) + 0.5) / THRESHOLDS)
    chains = list(_chains(examples.costs, examples.satisfaction, logits, levels))
    satisfied = np.concatenate([s.ravel() for _, s, _ in chains])
    costs = np.concatenate([e.ravel() for _, _, e in chains])
    able = satisfied >= alpha - _core.KEPT_TOLERANCE
    best = int(np.where(able if able.any() else satisfied == satisfied.max(), costs, np.inf).argmin())
    for models, s, _ in chains:
        if best < s.size:
            return models, [float(levels[i]) for i in np.unravel_index(best, s.shape)]
        best -= s.size
    raise AssertionError("the best chain is one of them")


def _chains(
    costs: Floats, satisfied: Floats, logits: Floats, levels: Floats
) -> Iterator[tuple[list[int], Floats, Floats]]:
    """Mean satisfaction and cost of every chain of models in rising cost, by the threshold of each but the last."""
    n = costs.shape[1]
    order = np.argsort(costs.mean(axis=1), kind="stable").tolist()
    doubted = (logits[:, None, :] < levels[:, None]).astype(np.float64)  # [models, thresholds, n]
    for a in order:
        yield [a], np.array(satisfied[a].mean()), np.array(costs[a].mean())
    for a, b in combinations(order, 2):
        s = satisfied[a].mean() + doubted[a] @ (satisfied[b] - satisfied[a]) / n
        e = costs[a].mean() + doubted[a] @ costs[b] / n
        yield [a, b], s, e
        for c in order[order.index(b) + 1 :]:
            more = s[:, None] + (doubted[a] * (satisfied[c] - satisfied[b])) @ doubted[b].T / n
            yield [a, b, c], more, e[:, None] + (doubted[a] * costs[c]) @ doubted[b].T / n
