"""What a policy is told before the first request: what it declares it needs, and nothing else."""

from collections.abc import Iterator

from messsim.routing import Facts, Knowledge, Policy
from messsim.scenario import Scenario
from messsim.workload import Workload

from .capacity import saturation_rps
from .cluster import PoolPlan, plan_pools
from .costs import KnownCosts

__all__ = ["knowledge_of"]

WITHOUT_END = 100_000  # requests that are looked at where nobody knows how many will come: a closed loop in time
TRAINING = 2**31  # set in the replication: other requests than those of any run


def knowledge_of(
    scenario: Scenario, workload: Workload, pools: list[PoolPlan], costs: KnownCosts, policy: Policy
) -> Knowledge:
    """What `policy` may look at."""
    expected = workload.expected_requests
    tells = policy.needs & {"outcomes", "difficulty"}
    return Knowledge(
        alphas=scenario.alphas,
        requests=expected / scenario.router.instances if expected else None,
        mean_costs=costs.means,
        mean_satisfaction=workload.mean_satisfaction() if "mean_satisfaction" in policy.needs else None,
        turnover_s=[_turnover_s(workload, pools, m) for m in range(len(scenario.models))]
        if "loads" in policy.needs
        else None,
        facts=(lambda: _all_facts(workload, costs)) if tells else None,
        sample=(lambda n: _training_set(scenario, n)) if "training" in policy.needs else None,
    )


def _turnover_s(workload: Workload, pools: list[PoolPlan], model: int) -> float:
    own = [p for p in pools if p.model == model and not p.is_api]
    prompt, output = workload.mean_prompt_tokens(), workload.mean_output_tokens(model)
    rates: dict[str, float] = {}
    for p in own:
        replica_rps = saturation_rps(p, prompt, output, limit_tokens=workload.mean_limit_tokens())
        rates[p.role] = rates.get(p.role, 0.0) + p.replicas * replica_rps
    rate = min(rates.values(), default=0.0)  # where prefill and decode are split, each request passes both
    return sum(p.replicas * p.serving.max_num_seqs for p in own) / rate if rate > 0 else 0.0


def _all_facts(workload: Workload, costs: KnownCosts) -> Iterator[Facts]:
    """Drawn again at every pass: counters make that free of memory."""
    endless = workload.length is None and workload.scenario.arrivals.kind == "closed"
    for chunk in workload.chunks(workload.chunk_size):
        assert chunk.facts is not None
        yield Facts(chunk.tenant, costs.of_chunk(chunk), chunk.facts)
        if endless and chunk.first + len(chunk) >= WITHOUT_END:
            return


def _training_set(scenario: Scenario, n: int) -> Facts:
    other = scenario.changed(replication=scenario.replication | TRAINING)
    workload = Workload(other)
    chunk = workload.columns(0, n)
    return Facts(
        chunk.tenant, KnownCosts(other, workload, plan_pools(other)).of_chunk_when_available(chunk), chunk.satisfied
    )
