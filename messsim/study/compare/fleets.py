"""For each policy the cheapest fleet that keeps a set of requirements."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from messsim.scenario import Scenario
from messsim.shapes.studies import Fleets, PolicyPlan

from ..plan.candidates import Axis
from ..plan.cheapest import plan
from ..runs import OnProgress, Workers, local_workers
from ..runs.verdicts import KEPT_SHARE
from .policies import check_policies, with_policy

__all__ = ["fleets"]


def fleets(
    scenario: Scenario,
    policies: Sequence[str],
    axes: Sequence[Axis],
    requirements: Sequence[str],
    *,
    objective: str = "usd",
    seeds: int = 5,
    kept_share: float = KEPT_SHARE,
    workers: Callable[[], AbstractContextManager[Workers]] = local_workers,
    on_progress: OnProgress | None = None,
) -> Fleets:
    """Plans a fleet for each policy: see `messsim.study.plan.cheapest.plan`, whose parameters these are.

    All policies and all fleets face the same requests.

    Parameters
    ----------
    policies
        As in ``router.policy``.
    workers
        Makes who runs, once a policy.

    Returns
    -------
    Fleets
        `policies`: for each its `policy` and its `plan`; `best`: the policy whose fleet is cheapest, None where no
        fleet keeps all requirements.

    Raises
    ------
    ScenarioError
        If a policy is unknown or named twice, or as `plan` does.
    """
    check_policies(policies, seeds)
    found: list[PolicyPlan] = [
        {
            "policy": policy,
            "plan": plan(
                with_policy(scenario, policy),
                axes,
                requirements,
                objective=objective,
                seeds=seeds,
                kept_share=kept_share,
                workers=workers(),
                on_progress=on_progress,
            ),
        }
        for policy in policies
    ]
    prices = {f["policy"]: best["objective"] or 0.0 for f in found if (best := f["plan"]["best"]) is not None}
    return {
        "scenario": scenario.name,
        "alpha": scenario.sla.alpha,
        "cost_unit": scenario.cost.unit,
        "requirements": found[0]["plan"]["requirements"],
        "unit": found[0]["plan"]["unit"],
        "replications": seeds,
        "policies": found,
        "best": min(prices, key=prices.__getitem__, default=None),
    }
