"""Routing policies: MESS+ and those that stand beside it."""

from difflib import get_close_matches
from importlib.metadata import entry_points
from pathlib import Path

from pydantic import ValidationError

from messsim.errors import ScenarioError
from messsim.scenario.problems import AUTO_TAGS
from messsim.scenario.routing import Router

from . import (
    best_single,
    cascade,
    educated_guess,
    length_only,
    linucb,
    load_aware,
    mess_plus,
    multi_factor,
    oracle,
    pareto_floor,
    primal_dual,
    route_balance,
    simple,
    static_mix,
    thompson,
    threshold,
)
from .checking import check_policy
from .contract import PLAN_ALL, PLAN_CHAIN, PLAN_EXPLORE, PLAN_MODEL, Build, Facts, Knowledge, Policy, ledger_of
from .files import built_by, load_file
from .gateway import MessPlus, Route
from .interruptible import interruptible

__all__ = [
    "FIXED_ROUTING",
    "PLAN_ALL",
    "PLAN_CHAIN",
    "PLAN_EXPLORE",
    "PLAN_MODEL",
    "POLICIES",
    "Facts",
    "Knowledge",
    "MessPlus",
    "Policy",
    "Route",
    "build",
    "check_policy",
    "find",
    "interruptible",
    "ledger_of",
    "notes",
]

POLICIES: dict[str, Build] = {
    "mess+": mess_plus.build,
    "load-aware": load_aware.build,
    "oracle": oracle.clairvoyant,
    "statistical-oracle": oracle.statistical,
    "best-single": best_single.build,
    "static-mix": static_mix.build,
    "random": simple.random,
    "cheapest": simple.cheapest,
    "largest": simple.largest,
    "educated-guess": educated_guess.build,
    "threshold": threshold.build,
    "cascade": cascade.build,
    "primal-dual": primal_dual.build,
    "linucb": linucb.build,
    "thompson": thompson.build,
    "length-only": length_only.build,
    "route-balance": route_balance.build,
    "multi-factor": multi_factor.build,
    "pareto-floor": pareto_floor.build,
}
# Policies that learn nothing from labels: where requests go has a law that does not change as they run.
FIXED_ROUTING = frozenset({"best-single", "static-mix", "random", "cheapest", "largest", "cascade"})


def find(name: str) -> Build:
    """A built-in or installed policy by its name.

    Raises
    ------
    ScenarioError
        If there is none.
    """
    if name in POLICIES:
        return POLICIES[name]
    installed = {e.name: e for e in entry_points(group="messsim.policies")}
    if name in installed:
        loaded: Build = installed[name].load()
        return loaded
    names = [*POLICIES, *installed]
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ScenarioError(f"router.policy = {name!r}: expected one of {', '.join(names)}, or a .py file{hint}")


def options_for(router: Router) -> Router:
    """The options with those of the ``[router.NAME]`` table of the chosen policy put over them."""
    for name in router.overrides:
        if name != router.policy_name:
            find(name)
    own = router.overrides.get(router.policy_name, {})
    try:
        given = router.model_dump(exclude_unset=True, exclude={"overrides"})
        return Router.model_validate(given | own)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(p) for p in first["loc"] if p not in AUTO_TAGS)
        raise ScenarioError(f"router.{router.policy}.{key} = {first['input']!r}: {first['msg']}") from None


def build(router: Router, models: int, features: int, folder: Path | None = None) -> Policy:
    """The policy that ``[router]`` names, for one run; a file is looked for in the scenario's folder.

    Raises
    ------
    ScenarioError
        If nobody knows the policy, its file cannot be loaded, its `build` fails or returns none, one of its functions
        cannot be compiled, or a ``[router.NAME]`` table has an option that is none.
    """
    options = options_for(router)
    if router.policy in POLICIES:
        return POLICIES[router.policy](options, models, features)
    if not router.policy.endswith(".py"):
        return built_by(find(router.policy), repr(router.policy), options, models, features)
    path = (folder or Path.cwd()) / router.policy
    return built_by(load_file(path), path.resolve(), options, models, features)


# Keys that no policy reads, but every run does.
FOR_ALL = {"policy", "overrides", "instances", "reconcile_s", "decision_s", "workers", "keep_session_model"}


def notes(router: Router, policy: Policy) -> list[str]:
    """Options that were given but that the chosen policy does not read."""
    given = router.model_fields_set - FOR_ALL
    ignored = sorted(given - policy.options)
    return [f"router.{key}: ignored by the policy {policy.name!r}" for key in ignored]
