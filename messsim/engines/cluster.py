"""Pools with their figures: what a scenario's fleet is once the zoo has been asked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TypedDict

from messsim.errors import ScenarioError
from messsim.scenario import Scenario
from messsim.scenario.apis import never_up
from messsim.scenario.autoscale import ColdStart, WeightsOf
from messsim.scenario.engines import Engine
from messsim.scenario.fleet import Coefficients, Host, Model, Pool, Serving
from messsim.zoo import Profile, UnknownProfile, find_profile, load_host

from .memory import capacity_tokens, memory_share

__all__ = [
    "UNLIMITED_TOKENS",
    "ApiLimits",
    "Limits",
    "PoolPlan",
    "decoder_tokens",
    "plan_pools",
    "serving_plan",
    "with_coefficients",
]

UNLIMITED_TOKENS = 2**31  # KV capacity of a replica whose coefficients say nothing of memory
NO_CAP_W = 1e12
# Whose measured or assumed host time (see `load_hosts`) an engine has where the scenario gives none.
HOSTS: dict[Engine, str] = {"vllm": "overlap", "sglang": "sglang-0.5", "tensorrt-llm": "trtllm-1.0"}


class Limits(TypedDict):
    """Limits of one replica, by the names of csrc/sequences_state.h."""

    max_num_seqs: int
    max_batched_tokens: int
    kv_capacity_tokens: int
    kv_policy: str
    kv_block_tokens: int
    prefix_cache: bool
    schedule: str
    max_new_tokens: int
    whole_prompts: bool
    order: str
    lookahead: int
    recv_interval: int
    role: str
    first_token_later: bool


class ApiLimits(TypedDict):
    """What an API lets in, by the names of csrc/api_limits.h; 0: no limit."""

    requests_per_minute: float
    tokens_per_minute: float
    burst_s: float
    most_calls: int


class PromptCache(TypedDict):
    """What an API remembers of prompts, by the names of csrc/prompt_cache.h; 0 s: nothing."""

    keep_s: float
    least_tokens: int
    step_tokens: int


@dataclass(frozen=True)
class PoolPlan:
    """Replicas of one model.

    Attributes
    ----------
    model
        Index of the model that it serves.
    first_replica
        Index of its first replica in the cluster's order: pools in file order, then replicas.
    coefficients
        Of one whole replica, by the names of csrc/iteration.h; empty for an API.
    usd_per_s
        Price of one replica, USD per second; 0 where costs are joules.
    owned_usd_per_s
        The same where costs are joules too: what owning its GPUs costs; 0 where no price is given.
    most_tokens
        Prompt and answer together of the longest request that it takes, tokens: its context, and what the blocks of
        its KV memory hold, where the last token of an answer is never cached; of an API what its bucket of tokens does.
    most_prompt_tokens
        The longest prompt that it takes, tokens: one iteration where prompts are never cut, and what its memory holds
        beside the longest answer that clients allow, where memory is kept free for it.
    reach
        The most tokens of a request, and of its prompt, where it may end: of what is prefilled here, for each pool that
        decodes it, what both take; else what this one takes.
    lookahead
        Iterations that its engine plans ahead; 0 with a queue that replicas share, which is outside of engines,
        and where prefill and decode are split.
    role
        What it does of a request: "both", or "prefill" for pools that "decode".
    kv_bytes_per_token
        What a token takes in a transfer, bytes; 0 where there are none.
    first_token_later
        Whether it prefills for others and the first token of an answer is theirs.
    energy_measured
        Whether the energy figures were fitted to readings of this model on these GPUs.
    """

    name: str
    model: int
    serving: Serving
    gpu: str
    gpus: int
    replicas: int
    first_replica: int
    coefficients: dict[str, object] = field(repr=False)
    kv_capacity_tokens: int
    most_tokens: int
    most_prompt_tokens: int
    reach: tuple[tuple[int, int], ...] = field(repr=False)
    lookahead: int
    usd_per_s: float
    owned_usd_per_s: float
    role: str
    kv_bytes_per_token: float
    first_token_later: bool
    profile: Profile | None = field(repr=False)

    @property
    def is_api(self) -> bool:
        """Somebody else's servers, without limits."""
        return self.serving.kind == "api"

    def takes(self, prompt_tokens: int, output_tokens: int) -> bool:
        """Whether it ever takes so long a request."""
        tokens = prompt_tokens + output_tokens
        return any(tokens <= most and prompt_tokens <= most_prompt for most, most_prompt in self.reach)

    @property
    def places(self) -> int:
        """Requests that one replica, or the API, works on at once: what loads are measured by."""
        return self.serving.max_concurrent_requests or self.serving.max_num_seqs

    @property
    def autoscale_target(self) -> float:
        """Unfinished requests that an autoscaler wants each replica to have."""
        autoscale = self.serving.autoscale
        return (
            autoscale.target
            if autoscale is not None and autoscale.target is not None
            else 0.7 * self.serving.max_num_seqs
        )

    @property
    def weights_gb(self) -> float:
        """The first of `weights`."""
        return self.weights[0]

    @property
    def weights(self) -> tuple[float, WeightsOf]:
        """Weights that a replica loads as it starts, GB: over all its GPUs, whose disk they share; and who says so."""
        start = ColdStart() if self.serving.autoscale is None else self.serving.autoscale.cold_start
        return start.weights(None if self.profile is None else self.profile.memory.weights_bytes / 1e9)

    def by_price(self, pools: Sequence["PoolPlan"]) -> int:
        """Its place among pools in the order of what a replica costs; of equals the first in the file comes first."""
        return sum(pool.price_order < self.price_order for pool in pools)

    @property
    def price_order(self) -> tuple[float, int]:
        """What pools are ordered by where the cheapest goes first."""
        return self.owned_usd_per_s, self.first_replica

    @property
    def saturates(self) -> bool:
        """Whether it scales by saturation: the pools of a model that do so are looked at together."""
        return self.serving.autoscale is not None and self.serving.autoscale.rule == "saturation"

    @property
    def api_limits(self) -> ApiLimits:
        """What it lets in, if it is an API."""
        serving = self.serving
        return ApiLimits(
            requests_per_minute=serving.requests_per_minute or 0.0,
            tokens_per_minute=serving.tokens_per_minute or 0.0,
            burst_s=serving.burst_s,
            most_calls=serving.max_concurrent_requests or 0,
        )

    @property
    def prompt_cache(self) -> PromptCache:
        """What it remembers of prompts, if it is an API that sells those cheaper."""
        serving = self.serving
        return PromptCache(
            keep_s=0.0 if serving.usd_per_million_cached_prompt_tokens is None else serving.prompt_cache_s,
            least_tokens=serving.prompt_cache_least_tokens,
            step_tokens=serving.prompt_cache_step_tokens,
        )

    @property
    def limits(self) -> Limits:
        """Of one replica."""
        serving = self.serving
        return Limits(
            max_num_seqs=self.places,
            max_batched_tokens=serving.max_batched_tokens,
            kv_capacity_tokens=self.kv_capacity_tokens,
            kv_policy=serving.kv_policy,
            kv_block_tokens=serving.kv_block_tokens,
            prefix_cache=serving.prefix_cache,
            schedule=serving.schedule,
            max_new_tokens=serving.max_new_tokens or 0,
            whole_prompts=not serving.chunked_prefill,
            order=serving.order,
            lookahead=self.lookahead,
            recv_interval=serving.scheduler_recv_interval,
            role=self.role,
            first_token_later=self.first_token_later,
        )

    @property
    def energy_measured(self) -> bool:
        """Whether the energy figures were fitted to readings of this model on these GPUs."""
        if self.profile is not None:
            return self.profile.energy.measured
        return self.serving.coefficients is not None and self.serving.coefficients.energy_measured

    @property
    def idle_w(self) -> float:
        """Power of one replica with nothing to do, W."""
        idle_w = self.coefficients.get("p_idle_w", 0.0)
        assert isinstance(idle_w, float)
        return idle_w


def plan_pools(scenario: Scenario) -> list[PoolPlan]:
    """All pools of a scenario in order; empty in mode "none".

    Raises
    ------
    ScenarioError
        If a profile is unknown, or does not fit into its GPUs' memory.
    """
    plans: list[PoolPlan] = []
    problems: list[str] = []
    first = 0
    for pool in scenario.fleet:
        model = scenario.model_names.index(pool.serves)
        try:
            plans.append(serving_plan(scenario, pool, str(pool.name), model, first))
        except ScenarioError as error:
            problems += [f"pool {pool.name}: {p}" for p in error.problems]
        first += pool.replicas
    if not problems:
        loads = {plan.name: plan.weights_gb for plan in plans}
        problems = list(never_up(scenario.fleet, lambda pool: loads[str(pool.name)]))
    if problems:
        raise ScenarioError(problems)
    return [_within_reach(plan, plans) for plan in plans]


def _within_reach(plan: PoolPlan, plans: list[PoolPlan]) -> PoolPlan:
    """What is prefilled must fit into one of the pools that decode it."""
    decoders = [p for p in plans if p.role == "decode" and p.model == plan.model]
    if plan.role != "prefill" or not decoders:
        return plan
    return replace(
        plan,
        reach=tuple(
            (min(plan.most_tokens, p.most_tokens), min(plan.most_prompt_tokens, p.most_prompt_tokens)) for p in decoders
        ),
    )


def _most_prompt(serving: Serving, role: str, holds: int) -> int:
    """Tokens of the longest prompt that memory and an iteration have room for."""
    cut = serving.chunked_prefill or role == "decode"
    iteration = UNLIMITED_TOKENS if cut else serving.max_batched_tokens
    if role == "prefill":
        return min(iteration, holds - 1)
    return min(iteration, holds - (serving.max_new_tokens or 0) if serving.kv_policy == "reserve" else UNLIMITED_TOKENS)


def serving_plan(scenario: Scenario, serving: Pool | Model, name: str, model: int, first: int) -> PoolPlan:
    """The figures of one pool."""
    profile = _profile(serving)
    gpu = profile.gpu if profile else serving.gpu or "GPU"
    capacity = _capacity(serving, profile)
    holds = capacity // serving.kv_block_tokens * serving.kv_block_tokens + 1 - serving.draft_tokens
    if serving.tokens_per_minute is not None:  # more than a full bucket is never let in
        holds = min(holds, int(serving.tokens_per_minute / 60.0 * serving.burst_s))
    role = serving.role if isinstance(serving, Pool) else "both"
    context = serving.max_model_len or scenario.models[model].max_model_len or UNLIMITED_TOKENS
    owned = (
        scenario.cost.usd_per_gpu_hour.get(serving.gpu or gpu, 0.0) * serving.tp / 3600.0
    )  # by the scenario's own name
    most_tokens = context if role == "prefill" else min(context, holds)
    most_prompt_tokens = _most_prompt(serving, role, holds)
    return PoolPlan(
        name=name,
        model=model,
        serving=serving,
        gpu="API" if serving.kind == "api" else gpu,
        gpus=serving.tp,
        replicas=serving.replicas,
        first_replica=first,
        coefficients=_of_serving(serving, profile),
        kv_capacity_tokens=capacity,
        most_tokens=most_tokens,
        most_prompt_tokens=most_prompt_tokens,
        reach=((most_tokens, most_prompt_tokens),),
        lookahead=0 if scenario.cluster.dispatch == "shared_queue" or role != "both" else serving.lookahead,
        usd_per_s=owned if scenario.cost.unit == "USD" else 0.0,
        owned_usd_per_s=owned,
        role=role,
        kv_bytes_per_token=_kv_bytes(serving, profile) if role == "prefill" else 0.0,
        first_token_later=role == "prefill" and scenario.cluster.transfer.first_token == "after_transfer",
        profile=profile,
    )


def with_coefficients(plan: PoolPlan, figures: Coefficients) -> PoolPlan:
    """The same pool, whose iterations take what these figures say."""
    serving = plan.serving.model_copy(update={"coefficients": figures})
    return replace(plan, serving=serving, coefficients=_of_serving(serving, plan.profile))


def _of_serving(serving: Serving, profile: Profile | None) -> dict[str, object]:
    """By the names of csrc/iteration.h; empty for an API."""
    figures = _coefficients(serving, profile)
    return _of_replica(figures, serving.tp) | _of_drafts(serving) if figures else {}


def _profile(serving: Serving) -> Profile | None:
    if serving.profile is None:
        return None
    if serving.gpu is None:
        raise ScenarioError(f"gpu: missing for profile {serving.profile!r}; expected one such as 'H100'")
    try:
        return find_profile(serving.profile, serving.gpu, serving.tp, serving.weights, serving.kv_cache_dtype)
    except UnknownProfile as error:
        raise ScenarioError(f"profile = {serving.profile!r}: {error}") from None


def _kv_bytes(serving: Pool | Model, profile: Profile | None) -> float:
    stated = serving.kv_bytes_per_token if isinstance(serving, Pool) else None
    if stated is None:
        assert profile is not None  # a check of scenarios
        return float(profile.memory.kv_bytes_per_token)
    return stated


def _capacity(serving: Serving, profile: Profile | None) -> int:
    if serving.kv_capacity_tokens is not None:
        return serving.kv_capacity_tokens
    if profile is None:
        return UNLIMITED_TOKENS
    tokens = capacity_tokens(serving, profile.memory)
    if tokens < serving.kv_block_tokens:
        share = memory_share(serving, profile.memory)
        raise ScenarioError(
            f"gpu_memory_share = {share:g}: the weights of {profile.name} leave no room for a block of the cache; "
            "expected more, more GPUs (tp) or lighter weights"
        )
    return tokens


def _coefficients(serving: Serving, profile: Profile | None) -> Coefficients | None:
    figures = serving.coefficients if profile is None else _of_profile(profile, serving.engine)
    if figures is None or serving.host is None:
        return figures
    return figures.model_copy(update={"host": serving.host})


@lru_cache(maxsize=256)
def _of_profile(profile: Profile, engine: Engine | None) -> Coefficients:
    names = Coefficients.model_fields
    figures = {n: getattr(part, n) for part in (profile.duration, profile.energy) for n in names if hasattr(part, n)}
    host = load_host(HOSTS[engine], profile.tp) if engine else profile.host
    times = {n: getattr(host, n) for n in Host.model_fields if hasattr(host, n)}
    return Coefficients(**figures | {"knots": list(profile.duration.knots), "host": Host(**times)})


def _of_replica(figures: Coefficients, gpus: int) -> dict[str, object]:
    """By the names of csrc/iteration.h: powers of all GPUs of a replica together; the rest is per replica already."""
    gpu_powers = {"p0_w_per_gpu", "p_cap_w_per_gpu", "p_idle_w_per_gpu"}
    others = {"energy_measured", "knots", "host", "ek_j_per_cached_token"}
    whole: dict[str, object] = {name: float(v) for name, v in figures if name not in gpu_powers | others}
    cap, waiting = figures.p_cap_w_per_gpu, figures.host.wait_w_per_gpu
    spared = 0.0 if waiting is None else max(0.0, figures.p0_w_per_gpu - waiting)
    return whole | {
        "ek_j_per_token": figures.ek_j_per_cached_token,
        "p0_w": figures.p0_w_per_gpu * gpus,
        "spared_w": spared * gpus,
        "p_cap_w": (NO_CAP_W if cap is None else cap) * gpus,
        "p_idle_w": figures.p_idle_w_per_gpu * gpus,
        "knots": tuple(figures.knots or ()),
        "host_kind": figures.host.kind,
        "host_s": figures.host.h0_s,
        "host_s_per_sequence": figures.host.h1_s_per_sequence,
        "after_s": figures.host.after_s,
    }


def decoder_tokens(serving: Serving) -> int:
    """What one that decodes takes of an iteration's budget; SGLang's is for prompts alone."""
    return 0 if serving.schedule == "sglang" else 1 + serving.draft_tokens


def _of_drafts(serving: Serving) -> dict[str, object]:
    if serving.drafts is None:
        return {}
    d = serving.drafts
    return {"draft_tokens": d.tokens, "draft_s": d.draft_s, "draft_s_per_sequence": d.draft_s_per_sequence}


def pools_of(plans: list[PoolPlan], model: int) -> Iterator[PoolPlan]:
    """The pools that serve a model."""
    return (p for p in plans if p.model == model)
