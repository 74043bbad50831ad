"""MESS+: least cost while a virtual queue keeps the promise (arXiv 2505.19947, Algorithm 1).

Explore with probability min(1, c / t^kappa): every model answers, and the predictor takes one step on
all their labels. Otherwise argmin_m V E_m + Q (alpha - s_m), ties to the lowest m. V large: cheap, and slow to
keep the promise; V small: dear, and quick.

Departures, each off by default: ``explore = "chosen"`` learns from one model's answer at a time; a
discounted or windowed queue; V steered towards a target queue.
"""

from messsim import _core
from messsim.scenario.routing import Router

from .contract import Policy
from .learning import predictor_of

__all__ = ["build"]

OPTIONS = frozenset(
    [
        "V",
        "explore",
        "learn",
        "c",
        "kappa",
        "cost_estimate",
        "cost_prior",
        "reference",
        "predictor",
        "discount",
        "window",
        "target_queue",
        "gain",
    ]
)
EXPLORE = {"all": 0.0, "chosen": 1.0}


def build(options: Router, models: int, features: int) -> Policy:
    """MESS+ for one run."""
    return Policy(
        name="mess+",
        kernel=_core.Policy(
            "mess+",
            params=[
                options.weight,
                options.c,
                options.kappa,
                EXPLORE[options.explore],
                options.target_queue or 0.0,
                options.gain,
            ],
            state=[options.weight],
        ),
        predictor=predictor_of(options, models, features),
        learns_every_answer=options.learn == "every",
        options=OPTIONS,
    )
