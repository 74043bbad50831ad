"""Which replica of its model a copy goes to: one file a rule."""

from messsim import _core
from messsim.scenario.fleet import Cluster

from ..cluster import PoolPlan
from ..looks import Looks
from .at_random import AtRandom
from .checking import check_rule
from .kv_router import KvRouter
from .least_loaded import LeastLoaded
from .own import Own
from .own_file import compile_rule, own_rule
from .packed import Packed
from .plan import plan_of
from .power_of_two import PowerOfTwo
from .prefix_affinity import PrefixAffinity
from .round_robin import RoundRobin
from .rule import Draws, Rule
from .scored import Scored
from .session import Session

__all__ = ["RULES", "Draws", "Rule", "check_rule", "compile_rule", "own_rule", "plan_of", "rule_of"]

RULES: dict[str, type[Rule]] = {
    "least_loaded": LeastLoaded,
    "round_robin": RoundRobin,
    "power_of_two": PowerOfTwo,
    "shared_queue": LeastLoaded,  # among APIs, where no replicas of one's own are
    "random": AtRandom,
    "session": Session,
    "prefix_affinity": PrefixAffinity,
    "kv_router": KvRouter,
    "scored": Scored,
    "packed": Packed,
}


def rule_of(
    name: str, cluster: Cluster, draws: Draws, looks: Looks, plans: list[PoolPlan], own: _core.DispatchRule | None
) -> Rule:
    """A rule of a scenario by its name, for one model and its pools; `own` where it is the user's own."""
    if own is not None:
        return Own(cluster, draws, looks, plans, own=own.copy())
    return RULES[name](cluster, draws, looks, plans)
