"""Everything that a run needs, built and checked before it starts."""

import math
from collections.abc import Generator
from dataclasses import dataclass, field

import numpy as np

from messsim import _core
from messsim.errors import ScenarioError
from messsim.forking import check_not_forked
from messsim.routing import Policy, build, notes, options_for
from messsim.routing.learning import warm_start
from messsim.scenario import Scenario, notes_of
from messsim.workload import Chunk, Workload
from messsim.workload.chunk import Floats, Ints

from .automatic import notes_on_options, resolved
from .cluster import PoolPlan, plan_pools
from .costs import KnownCosts
from .dispatch import own_rule
from .knowledge import knowledge_of
from .pipeline import ahead

__all__ = ["Setup", "prepare"]


FIRST = 1_000  # requests of which one at least must be short enough


@dataclass(frozen=True)
class Setup:
    """A scenario with its data read, its pools figured out and its policy built.

    `pipelined`: requests are drawn by a thread of their own, ahead of the engine; no result depends on it.
    `notes` says what is allowed but deserves a word: options that are ignored, promises out of reach.
    """

    scenario: Scenario
    workload: Workload
    pools: list[PoolPlan]
    costs: KnownCosts
    policy: Policy
    notes: list[str] = field(default_factory=list)
    pipelined: bool = False
    own_rule: _core.DispatchRule | None = None  # of dispatch, of the user's own

    @property
    def runs_own_code(self) -> bool:
        """Whether functions were written in Python, so that nobody knows whether they return."""
        return self.policy.kernel.is_compiled or self.own_rule is not None

    @property
    def needs_loads(self) -> bool:
        """Whether the loads of servers are looked at before each decision."""
        return "loads" in self.policy.needs

    @property
    def needs_destinations(self) -> bool:
        """Whether each decision looks at where a request would go, model by model."""
        return self.policy.cost_estimate(self.scenario.router) == "marginal"

    @property
    def urgency(self) -> tuple[Ints, Floats] | None:
        """Priority and TTFT objective (infinite: none) of each tenant; None where all queues are first in first out."""
        if all(plan.serving.order == "fcfs" for plan in self.pools):
            return None
        objectives = [slo.ttft_s for slo in self.scenario.objectives]
        return (
            np.array([t.priority for t in self.scenario.promises], np.int32),
            np.array([math.inf if ttft_s is None else ttft_s for ttft_s in objectives]),
        )

    def draws(self, unread: frozenset[str] = frozenset()) -> Generator[tuple[Chunk, Floats], None, None]:
        """The chunks of requests with their known costs [models, n]; drawn ahead by a thread if pipelined.

        Columns that are `unread` (`Drawing.draw`) are None.

        Close it when the run is over, however it ended: no thread is left then.
        """
        drawn = (
            (chunk, self.costs.of_chunk(chunk)) for chunk in self.workload.chunks(self.workload.chunk_size, unread)
        )
        return ahead(drawn) if self.pipelined else drawn


def prepare(scenario: Scenario) -> Setup:
    """Builds all parts of a run.

    Raises
    ------
    ScenarioError
        If a data file does not hold what the scenario says, a profile or a policy is unknown, or all requests are too
        long for every model.
    SimulationError
        If this process was forked from one that had simulated or read data before.
    """
    check_not_forked()
    asked = scenario.changed(router=options_for(scenario.router))
    workload = Workload(asked)
    pools = plan_pools(asked)
    costs = KnownCosts(asked, workload, pools)
    scenario = resolved(asked, workload, costs)
    policy = build(scenario.router, len(scenario.models), workload.features, scenario.folder)
    rule = own_rule(scenario)
    problems = [*_all_too_long(workload, costs), *_unknowable(scenario, policy), *_unserved(scenario, policy, pools)]
    if problems:
        raise ScenarioError(problems)
    _warm(scenario, policy, workload.features)
    workload.draw_for_policy(policy.kernel.uniforms, policy.needs)
    if policy.prepare is not None:
        policy.prepare(policy.kernel, knowledge_of(scenario, workload, pools, costs, policy))
    means, best = _mean_satisfactions(scenario, workload)
    remarks = [*notes_of(scenario, means, best), *workload.notes, *notes(asked.router, policy)]
    if "V" in policy.options:
        remarks += notes_on_options(asked, scenario, workload, costs)
    remarks += _cost_order(scenario, costs.means)
    return Setup(scenario, workload, pools, costs, policy, remarks, own_rule=rule)


def _mean_satisfactions(scenario: Scenario, workload: Workload) -> tuple[list[float], list[float]]:
    """Of each model, and of the best model to each tenant who is promised more than that of the best one of all."""
    means = [round(mean, 9) for mean in workload.mean_satisfaction()]  # sums of grades are off by rounding
    best = [max(means)] * len(scenario.alphas)
    for k, alpha in enumerate(scenario.alphas):
        if alpha > best[k] and (spans := workload.spans_of_tenant(k)) is not workload.spans:
            best[k] = round(max(workload.mean_satisfaction(spans)), 9)
    return means, best


def _warm(scenario: Scenario, policy: Policy, features: int) -> None:
    file = scenario.router.predictor.warm_start
    if file is not None and policy.predictor is not None:
        from messsim.workload.labelled import read_labelled

        warm_start(policy.predictor, *read_labelled(scenario.path(file), scenario.model_names, features))


def _all_too_long(workload: Workload, costs: KnownCosts) -> list[str]:
    """One long request is turned away; where none is short enough, the scenario says what it does not mean."""
    if not costs.limited:
        return []
    first = workload.columns(0, min(workload.length or FIRST, FIRST))
    assert first.output_tokens is not None
    needed = first.prompt_tokens + (first.output_tokens if first.max_new_tokens is None else first.max_new_tokens)
    if (costs.of_chunk(first) < math.inf).any():
        return []
    least, least_prompt = needed.min(), first.prompt_tokens.min()
    most, most_prompt = costs.longest
    if least_prompt > most_prompt:
        what = (
            f"the shortest prompt has {least_prompt:,} tokens and the longest that any takes {most_prompt:,}: raise "
            "max_batched_tokens or set chunked_prefill = true, or lower max_new_tokens"
        )
    else:
        what = (
            f"the shortest has {least:,} tokens with its answer and the most that any takes are {most:,}: raise "
            "kv_capacity_tokens or max_model_len, or cut tokens with max or tokens.max_new_tokens"
        )
    return [f"models: all of the first {len(first):,} requests are too long for every model; {what}"]


def _unknowable(scenario: Scenario, policy: Policy) -> list[str]:
    if "difficulty" in policy.needs and scenario.satisfaction.kind != "irt":
        return [
            f"router.policy = {policy.name!r}: knows how probably each model satisfies, which a table of outcomes does "
            'not tell; expected satisfaction.kind = "irt"'
        ]
    return []


def _unserved(scenario: Scenario, policy: Policy, pools: list[PoolPlan]) -> list[str]:
    if policy.cost_estimate(scenario.router) == "marginal" and not pools:
        return [
            'router.cost_estimate = "marginal": what a request adds to the batch of a server; '
            'cluster.mode = "none" has none, expected known, mean or last_explored'
        ]
    return []


def _cost_order(scenario: Scenario, costs: list[float]) -> list[str]:
    for name, following, a, b in zip(scenario.model_names, scenario.model_names[1:], costs, costs[1:], strict=False):
        if not math.isnan(a) and not math.isnan(b) and a > b:
            return [
                f"models: {name} costs {a:.4g} {scenario.cost.unit} a request and {following} {b:.4g}; expected "
                "models in rising order of cost (ties go to the first, and 'largest' is the last)"
            ]
    return []
