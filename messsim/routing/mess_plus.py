"""MESS+: least cost while a virtual queue keeps the promise (arXiv 2505.19947, Algorithm 1).

Explore with probability min(1, c / t^kappa): every model answers, and the predictor takes one step on
all their labels. Otherwise argmin_m V E_m + Q (alpha - s_m), ties to the lowest m. V large: cheap, and slow to
keep the promise; V small: dear, and quick.

Every rated answer is a step on the model that gave it; ``learn = "explored"`` is the paper's, as is ``c = 0.1``.
Departures, each off by default: ``explore = "chosen"`` asks one model, not all, while exploring; a discounted
or windowed queue, or one that starts above 0; a V for each tenant, steered so that its queue hovers about a target.
"""

from messsim import _core
from messsim.scenario.routing import Router

from .contract import OF_QUEUE, Knowledge, Policy
from .learning import predictor_of

__all__ = ["build"]

OPTIONS = OF_QUEUE | {
    *("V", "explore", "learn", "c", "kappa", "cost_estimate", "cost_prior", "reference", "predictor"),
    *("target_queue", "gain"),
}
EXPLORE = {"all": 0.0, "chosen": 1.0}


def build(options: Router, models: int, features: int) -> Policy:
    """MESS+ for one run."""
    explore, target = EXPLORE[options.explore], options.target_queue or 0.0
    params = [options.weight, options.c, options.kappa, explore, target, options.gain]

    def prepare(kernel: _core.Policy, known: Knowledge) -> None:
        """A V for each tenant's queue, which steers it."""
        kernel.replace(params, [options.weight] * len(known.alphas))

    return Policy(
        name="mess+",
        kernel=_core.Policy("mess+", params=params, state=[options.weight]),
        prepare=prepare if target else None,
        predictor=predictor_of(options, models, features),
        learns_every_answer=options.learn == "every",
        options=OPTIONS,
    )
