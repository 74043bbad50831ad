"""Routing policies: MESS+ and those that stand beside it."""

from difflib import get_close_matches
from importlib.metadata import entry_points

from pydantic import ValidationError

from messsim.errors import ScenarioError
from messsim.scenario.routing import Router

from . import mess_plus, simple
from .contract import PLAN_ALL, PLAN_CHAIN, PLAN_EXPLORE, PLAN_MODEL, Build, Policy

__all__ = ["PLAN_ALL", "PLAN_CHAIN", "PLAN_EXPLORE", "PLAN_MODEL", "POLICIES", "Policy", "build", "notes"]

POLICIES: dict[str, Build] = {
    "mess+": mess_plus.build,
    "random": simple.random,
    "cheapest": simple.cheapest,
    "largest": simple.largest,
}


def _find(name: str) -> Build:
    if name in POLICIES:
        return POLICIES[name]
    installed = {e.name: e for e in entry_points(group="messsim.policies")}
    if name in installed:
        loaded: Build = installed[name].load()
        return loaded
    names = [*POLICIES, *installed]
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ScenarioError(f"router.policy = {name!r}: expected one of {', '.join(names)}{hint}")


def options_for(router: Router) -> Router:
    """The options with those of the ``[router.NAME]`` table of the chosen policy put over them."""
    for name in router.overrides:
        _find(name)
    own = router.overrides.get(router.policy, {})
    try:
        given = router.model_dump(exclude_unset=True, exclude={"overrides"})
        return Router.model_validate(given | own)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(p) for p in first["loc"])
        raise ScenarioError(f"router.{router.policy}.{key} = {first['input']!r}: {first['msg']}") from None


def build(router: Router, models: int, features: int) -> Policy:
    """The policy that ``[router]`` names, for one run.

    Raises
    ------
    ScenarioError
        If nobody knows the policy, or a ``[router.NAME]`` table has an option that is none.
    """
    return _find(router.policy)(options_for(router), models, features)


def notes(router: Router, policy: Policy) -> list[str]:
    """Options that were given but that the chosen policy does not read."""
    given = router.model_fields_set - {"policy", "overrides"}
    ignored = sorted(given - policy.options)
    return [f"router.{key}: ignored by the policy {policy.name!r}" for key in ignored]
