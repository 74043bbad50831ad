"""For each policy the cheapest fleet that keeps a set of requirements."""

import csv
import io
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from messsim.errors import OutputError
from messsim.files import json_text
from messsim.results import write_file
from messsim.scenario import Scenario
from messsim.scenario.overrides import format_value
from messsim.shapes.studies import Fleets, PolicyPlan

from ..plan.cheapest import plan
from ..plan.goal import Goal
from ..runs import OnProgress, Workers, local_workers
from .policies import check_policies, with_policy

__all__ = ["FLEETS", "fleets"]

FLEETS, POINTS = "fleets.json", "fleets.csv"


def fleets(
    scenario: Scenario,
    policies: Sequence[str],
    goal: Goal,
    *,
    out: Path | None = None,
    workers: Callable[[], AbstractContextManager[Workers]] = local_workers,
    on_progress: OnProgress | None = None,
) -> Fleets:
    """Plans a fleet for each policy: see `messsim.study.plan.cheapest.plan`.

    All policies and all fleets face the same requests.

    Parameters
    ----------
    policies
        As in ``router.policy``.
    out
        A directory for a plan's directory of each policy, ``fleets.json``, what is returned, and ``fleets.csv``, the
        fleets as points of a sweep; one that the same study began is continued.
    workers
        Makes who runs, once a policy.

    Returns
    -------
    Fleets

    Raises
    ------
    ScenarioError
        If a policy is unknown or named twice, or as `plan` does.
    OutputError
        If the directory is something else's, or cannot be written to.
    """
    check_policies(policies, goal.seeds)
    if out is not None:
        _check_free(out)
    policy_plans: list[PolicyPlan] = [
        {
            "policy": policy,
            "plan": plan(
                with_policy(scenario, policy),
                goal,
                out=None if out is None else out / Path(policy).name,
                workers=workers(),
                on_progress=on_progress,
            ),
        }
        for policy in policies
    ]
    fleets_of = _summed_up(scenario, goal.seeds, policy_plans)
    if out is not None:
        write_file(out / FLEETS, json_text(fleets_of).encode())
        write_file(out / POINTS, _points(policy_plans).encode())
    return fleets_of


def _summed_up(scenario: Scenario, seeds: int, policy_plans: list[PolicyPlan]) -> Fleets:
    prices = {f["policy"]: best["objective"] or 0.0 for f in policy_plans if (best := f["plan"]["best"]) is not None}
    return {
        "scenario": scenario.name,
        "alpha": scenario.alphas[0] if len(set(scenario.alphas)) == 1 else None,
        "cost_unit": scenario.cost.unit,
        "requirements": policy_plans[0]["plan"]["requirements"],
        "unit": policy_plans[0]["plan"]["unit"],
        "replications": seeds,
        "policies": policy_plans,
        "best": min(prices, key=prices.__getitem__, default=None),
    }


def _check_free(out: Path) -> None:
    """What is in the directory is of a study like this one, or half of it, left by a process that was killed."""
    for path in sorted(out.iterdir()) if out.is_dir() else []:
        is_ours = path.name in (FLEETS, POINTS) or path.name.endswith(".partial") or (path / "study.json").is_file()
        if not is_ours:
            raise OutputError(
                f"{out}: holds {path.name}, which is no plan; expected a directory that is yet to be made, or one that "
                "compare --fleets began"
            )


def _points(result: Sequence[PolicyPlan]) -> str:
    """A CSV of the policies that have a fleet, for ``messsim sweep --points``."""
    rows = [{"router.policy": f["policy"], **best["overrides"]} for f in result if (best := f["plan"]["best"])]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([[_cell(row.get(key, "")) for key in columns] for row in rows])
    return text.getvalue()


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else format_value(value)
