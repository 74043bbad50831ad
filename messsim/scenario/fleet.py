"""Models, pools of replicas, and the cluster they form."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .autoscale import Autoscale
from .base import Count, Fraction, NonNegative, Number, Part, Positive
from .dispatch import OWN, Dispatch, KvRouter, OwnRule, Packed, PrefixAffinity, Scored, SessionAffinity
from .drafts import Drafts
from .engines import Engine, defaults_of
from .laws import TokenLaw, WaitLaw
from .transfer import DECODE_RULES, DecodeRule, Role, Transfer

__all__ = [
    "MOST_REPLICAS",
    "Admission",
    "Cluster",
    "Coefficients",
    "Cost",
    "Failures",
    "Host",
    "Model",
    "Outage",
    "Pool",
]

MOST_KNOTS = 32  # MS_MOST_KNOTS of csrc/iteration.h
MOST_REPLICAS = 100_000  # of a pool and of all pools: each is simulated


class Host(Part):
    """What the engine's own processes add to an iteration on the GPU."""

    kind: Literal["sum", "overlap"] = Field(
        "overlap",
        description="sum: the GPU waits while the host prepares an iteration (vLLM up to 0.13); overlap: the host "
        "prepares the next one meanwhile (later vLLM, SGLang, TensorRT-LLM)",
    )
    h0_s: NonNegative = Field(0.0, description="time of the host for an iteration, s")
    h1_s_per_sequence: NonNegative = Field(0.0, description="and for each sequence in it, prompts too, s")
    after_s: NonNegative = Field(0.0, description="overlap: what the host adds to each iteration all the same, s")
    wait_w_per_gpu: NonNegative | None = Field(
        None, description="power while the GPU waits for the host, W per GPU; none, or above p0_w_per_gpu: that"
    )


Knot = Annotated[tuple[Positive, Positive], Field(strict=False)]  # a list in TOML and JSON


class Coefficients(Part):
    """Duration and energy of an iteration (formulas: docs, the GPU server), of one replica."""

    a0_s: NonNegative = Field(0.0, description="fixed time of an iteration, s")
    c0_s_per_token: NonNegative = Field(0.0, description="time of each new token, s")
    c1_s_per_token: NonNegative = Field(0.0, description="time of each new token above nstar_tokens, s")
    nstar_tokens: NonNegative = Field(0.0, description="new tokens up to which they cost no time")
    ae_s: NonNegative = Field(0.0, description="mixture of experts: time when all experts are read, s")
    se: NonNegative = Field(0.0, description="mixture of experts: exponent per token")
    experts: Number = Field(0, description="experts per layer; 0 for a dense model")
    top_k: Number = Field(0, description="experts that each token uses")
    ab_s_per_sequence: NonNegative = Field(0.0, description="time of each decoding sequence, s")
    ak_s_per_token: NonNegative = Field(0.0, description="time of each cached token of those, s")
    akm_s_per_token: NonNegative = Field(0.0, description="added to ak when prompts run too, s")
    aq_s_per_token2: NonNegative = Field(0.0, description="attention of prompts, s per pair of tokens")
    a1_s: NonNegative = Field(0.0, description="added where prompts run, s")
    ac_s_per_token: NonNegative = Field(0.0, description="time of each token of the prompts that is cached already, s")
    akx_s_per_token: NonNegative = Field(
        0.0, description="added where prompts run too, for each cached token of the mean decoding sequence, s"
    )
    abk_s_per_token: NonNegative = Field(
        0.0, description="added to ak where prompts run too, for each decoding sequence, s"
    )
    knots: list[Knot] | None = Field(
        None,
        max_length=MOST_KNOTS,
        description="[[new tokens, s], ...]: time that the new tokens of an iteration take, linear in between, "
        "in place of a0, c0, c1, nstar and ae",
    )
    host: Host = Field(default_factory=Host, description="time outside the GPU")
    p0_w_per_gpu: NonNegative = Field(0.0, description="power while an iteration runs, W per GPU")
    e_j_per_token: NonNegative = Field(0.0, description="energy of each new token, J")
    ek_j_per_cached_token: NonNegative = Field(0.0, description="energy of each cached token read, J")
    p_cap_w_per_gpu: Positive | None = Field(None, description="most power, W per GPU; none: no cap")
    p_idle_w_per_gpu: NonNegative = Field(0.0, description="power with nothing to do, W per GPU")
    energy_measured: bool = Field(
        False, description="whether the energy figures come from readings of this model on these GPUs"
    )

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.knots is None and self.a0_s == 0.0:
            raise ValueError("a0_s: missing; expected fixed time of an iteration, s, or knots")
        if self.knots is not None:
            tokens = [n for n, _ in self.knots]
            if len(tokens) < 2 or any(a >= b for a, b in pairwise(tokens)):
                raise ValueError("knots: expected at least two, in rising order of tokens")
            if self.knots[-1][1] < self.knots[-2][1]:
                raise ValueError("knots: the last is quicker than the one before; expected no less, for longer batches")
        if self.p_cap_w_per_gpu is not None and self.p_cap_w_per_gpu < self.p0_w_per_gpu:
            raise ValueError(f"p_cap_w_per_gpu = {self.p_cap_w_per_gpu} is below p0_w_per_gpu = {self.p0_w_per_gpu}")
        if self.ae_s > 0 and not 0 < self.top_k < self.experts:
            raise ValueError(f"top_k = {self.top_k} and experts = {self.experts}; expected 0 < top_k < experts")
        return self


class Serving(Part):
    """How a model is served: keys that stand in `[[pools]]`, or in `[[models]]` for a single pool."""

    profile: str | None = Field(
        None, description="a built-in model (see `messsim profiles`), or a file that `messsim calibrate` wrote"
    )
    gpu: str | None = Field(None, description="a GPU of the profile, or a name of your own")
    tp: Count = Field(1, description="GPUs of one replica (tensor parallel)")
    weights: Literal["bf16", "fp8", "fp8_block", "nvfp4", "mxfp4"] | None = Field(
        None,
        description="kind of the profile's weights; none: what the model's name says, else as published (gpt-oss "
        "mxfp4, DeepSeek and MiniMax fp8, others bf16)",
    )
    kv_cache_dtype: Literal["auto", "fp8"] = Field(
        "auto",
        description="kind of the profile's cached keys and values: fp8 takes half the memory, and attention what "
        "kernels take with it (vLLM, SGLang: --kv-cache-dtype; TensorRT-LLM: kv_cache_config.dtype); auto: bf16",
    )
    host: Host | None = Field(
        None, description="time outside the GPU; none: that of the `engine`, or else the profile's or the coefficients'"
    )
    coefficients: Coefficients | None = Field(None, description="your own figures instead of a profile's")
    replicas: int = Field(1, ge=1, le=MOST_REPLICAS, description="number of replicas")
    max_num_seqs: Count = Field(256, description="most sequences that a replica runs at once")
    engine: Engine | None = Field(
        None,
        description="the serving engine whose schedule and defaults for this `gpu` hold where the scenario says "
        "nothing; none: the defaults below",
    )
    schedule: Engine = Field(
        "vllm",
        description="what goes into the next iteration, by the rules of vLLM 0.32, SGLang 0.5.23 or TensorRT-LLM 1.2",
    )
    max_batched_tokens: Count = Field(
        2048,
        description="most new tokens of one iteration (vLLM: max_num_batched_tokens, TensorRT-LLM: max_num_tokens); "
        "sglang: of one that prefills (chunked_prefill_size)",
    )
    drafts: Drafts | None = Field(
        None,
        description="speculative decoding, such as {tokens = 3, acceptance = 0.7, draft_s = 0.002}; none: an iteration "
        "gives each sequence one token",
    )
    order: Literal["fcfs", "priority", "edf"] = Field(
        "fcfs",
        description="who comes in first from a replica's queue, and who is preempted last: first come, first served; "
        "by the priority of tenants, then by arrival; by deadline, arrival + ttft_s of the tenant; the latter two "
        'under schedule = "vllm" alone',
    )
    lookahead: Literal[0, 1] = Field(
        0,
        description="iterations that are planned ahead: 1, asynchronous scheduling (vLLM from 0.14, SGLang, "
        "TensorRT-LLM): who comes while an iteration runs is in the one after the next at the earliest; none: 0, or 1 "
        "with an `engine`, unless its host is of kind sum",
    )
    scheduler_recv_interval: int = Field(
        1,
        ge=1,
        le=1000,
        description="sglang, planning ahead: it looks for new requests after a prompt, and then after so many decode "
        "iterations only (--scheduler-recv-interval); 1: in each",
    )
    chunked_prefill: bool = Field(
        True, description="whether a prompt may be cut to fit into an iteration; tensorrt-llm: false by default"
    )
    max_new_tokens: Count | None = Field(
        None,
        description="sglang, tensorrt-llm: the longest answer that clients allow, tokens, for which memory is kept "
        "free; none: each answer's own length",
    )
    kv_capacity_tokens: Count | None = Field(
        None, description="cached tokens that a replica holds; none: the profile's"
    )
    gpu_memory_share: Positive | None = Field(
        None,
        le=1,
        description="share of the GPUs' memory that a profile's weights and cache may take (vllm's "
        "gpu_memory_utilization, sglang's mem_fraction_static; tensorrt-llm's free_gpu_memory_fraction: the cache, of "
        "what weights leave); none: the default of `engine`, or 0.9",
    )
    kv_policy: Literal["recompute", "reserve"] = Field(
        "recompute",
        description="when memory runs out: preempt one and recompute it later (vLLM, SGLang, TensorRT-LLM's "
        "MAX_UTILIZATION), or admit only what has room for its whole answer (GUARANTEED_NO_EVICT, the default of "
        "tensorrt-llm)",
    )
    kv_block_tokens: Count = Field(
        1, description="memory is given out in blocks of so many tokens: vLLM 16, TensorRT-LLM 32, SGLang 1"
    )
    prefix_cache: bool = Field(
        False, description="whether blocks are kept, as long as there is room, for prompts that begin alike"
    )
    max_model_len: Count | None = Field(
        None,
        description="most tokens of prompt and answer together: longer requests are not sent to it; none: what its KV "
        "memory holds",
    )
    front_end_s: WaitLaw | None = Field(
        None,
        description="time of a replica's front end (tokenising, HTTP) before a request queues there: seconds, or a law "
        'such as {kind = "exponential", mean_s = 0.01}; none: no time, or 0.01 with an `engine`',
    )
    front_end_workers: int = Field(
        0,
        ge=0,
        le=MOST_REPLICAS,
        description="requests that a replica's front end works on at once; 0: as many as come, none waits for it",
    )
    detokenize_s: NonNegative = Field(
        0.0, le=1e6, description="time between the last token and the answer's end at the user, seconds"
    )
    autoscale: Autoscale | None = Field(
        None, description="when the pool changes its size, up to `replicas`; none: it has `replicas` all the time"
    )
    kind: Literal["gpu", "api"] = Field(
        "gpu", description="your GPUs, or somebody's API, which has the limits below and may fail"
    )
    latency_s: NonNegative = Field(0.5, description="time to the first token of an API, seconds")
    tpot_s: NonNegative = Field(0.02, description="time per further output token of an API, seconds")
    usd_per_million_prompt_tokens: NonNegative = Field(
        0.0, description="price of an API, USD per million prompt tokens"
    )
    usd_per_million_output_tokens: NonNegative = Field(
        0.0, description="price of an API, USD per million output tokens"
    )
    usd_per_million_cached_prompt_tokens: NonNegative | None = Field(
        None,
        description="its price of prompt tokens that it remembers from earlier prompts (prompt caching); none: it "
        "remembers nothing",
    )
    prompt_cache_s: Positive = Field(300.0, description="how long it remembers a prompt after its last use, seconds")
    prompt_cache_least_tokens: Count = Field(1024, description="the least that counts as remembered, tokens")
    prompt_cache_step_tokens: Count = Field(128, description="and the steps beyond that, tokens")
    requests_per_minute: Positive | None = Field(
        None, description="requests that an API lets in each minute (a token bucket); none: no limit"
    )
    tokens_per_minute: Positive | None = Field(
        None, description="tokens of prompts and answers that it lets in each minute (a token bucket); none: no limit"
    )
    burst_s: Positive = Field(
        60.0, description="the buckets hold what the limits of an API give in so many seconds: 60, the whole minute"
    )
    max_concurrent_requests: Count | None = Field(
        None, description="requests that an API works on at once; none: no limit"
    )

    @model_validator(mode="after")
    def _by_engine(self) -> Self:
        """Fills in what the engine does; it does not count as set, so that another engine or GPU may change it."""
        defaults: dict[str, object] = {}
        if self.engine is not None and self.kind == "gpu":
            defaults = {**defaults_of(self.engine, self.gpu or "")}
            if self.host is not None and self.host.kind == "sum":
                defaults["lookahead"] = 0
        elif self.schedule == "tensorrt-llm":
            defaults = {"kv_policy": "reserve", "chunked_prefill": False}
        self.__dict__.update({name: value for name, value in defaults.items() if name not in self.model_fields_set})
        return self

    @model_validator(mode="after")
    def _schedule_fits(self) -> Self:
        if self.schedule == "sglang" and self.kv_policy == "reserve":
            raise ValueError('kv_policy = "reserve": schedule = "sglang" retracts; expected recompute')
        if self.schedule == "vllm" and self.max_new_tokens is not None:
            raise ValueError(
                f'max_new_tokens = {self.max_new_tokens}: schedule = "vllm" does not look at it; expected none, or '
                'schedule = "sglang" or "tensorrt-llm"'
            )
        if self.schedule != "vllm" and self.order != "fcfs":
            raise ValueError(
                f'order = "{self.order}": schedule = "{self.schedule}" serves first who comes first; expected "fcfs", '
                'or schedule = "vllm"'
            )
        if self.scheduler_recv_interval > 1 and (self.schedule != "sglang" or self.lookahead == 0):
            raise ValueError(
                f"scheduler_recv_interval = {self.scheduler_recv_interval}: is modelled of SGLang as it plans ahead; "
                'expected 1, or schedule = "sglang" and lookahead = 1, as with engine = "sglang"'
            )
        if self.schedule != "tensorrt-llm" and not self.chunked_prefill:
            raise ValueError(f'chunked_prefill = false: schedule = "{self.schedule}" cuts prompts; expected true')
        if self.gpu_memory_share is not None and (self.profile is None or self.kv_capacity_tokens is not None):
            raise ValueError(
                f"gpu_memory_share = {self.gpu_memory_share:g}: a profile's memory goes by it, unless "
                "kv_capacity_tokens says what it holds; expected a built-in profile and no kv_capacity_tokens"
            )
        if self.kv_cache_dtype != "auto" and self.profile is None:
            raise ValueError(
                f'kv_cache_dtype = "{self.kv_cache_dtype}": chooses the times and the memory of a built-in profile; '
                'expected a built-in profile, or "auto" and coefficients measured with such a cache'
            )
        if self.kv_capacity_tokens is not None and self.kv_capacity_tokens < self.kv_block_tokens:
            raise ValueError(
                f"kv_block_tokens = {self.kv_block_tokens} does not fit into kv_capacity_tokens = "
                f"{self.kv_capacity_tokens}; expected at least one block"
            )
        return self

    @property
    def draft_tokens(self) -> int:
        """Drafts of a sequence in one iteration."""
        return 0 if self.drafts is None else self.drafts.tokens

    @model_validator(mode="after")
    def _limits_fit(self) -> Self:
        if self.drafts is not None:
            needed = (self.draft_tokens + 1) * self.max_num_seqs
            if self.schedule != "sglang" and self.max_batched_tokens < needed:
                raise ValueError(
                    f"max_batched_tokens = {self.max_batched_tokens}: {self.max_num_seqs} sequences (max_num_seqs) "
                    f"with {self.draft_tokens} drafts each take up to {needed} tokens; expected at least so many"
                )
        if self.schedule != "sglang" and self.max_batched_tokens < self.max_num_seqs:
            raise ValueError(
                f"max_batched_tokens = {self.max_batched_tokens} is below max_num_seqs = {self.max_num_seqs}; "
                "expected at least one token for each sequence"
            )
        for key in ("requests_per_minute", "tokens_per_minute"):
            limit = getattr(self, key)
            if limit is not None and limit * self.burst_s < 60.0:
                raise ValueError(
                    f"{key} = {limit:g} with burst_s = {self.burst_s:g}: the bucket holds less than one of them, so "
                    f"that no request is ever let in; expected burst_s of at least {60.0 / limit:g}"
                )
        scaled = self.autoscale
        if scaled is not None:
            most = max([scaled.min_replicas, scaled.first, *(step.replicas for step in scaled.schedule)])
            if most > self.replicas:
                raise ValueError(
                    f"autoscale: wants {most} replicas and replicas = {self.replicas} is the most that there are; "
                    f"expected replicas = {most} or more"
                )
        if self.profile is not None and self.coefficients is not None:
            raise ValueError("both profile and coefficients are given; expected one of them")
        return self


class Model(Serving):
    """A model of the zoo. Models stand in rising order of operating cost."""

    name: str = Field(min_length=1, description="the model's name")
    satisfaction: Fraction | None = Field(None, description="mean satisfaction (irt)")
    column: str | None = Field(None, description="its column in the outcome table (table)")
    output: TokenLaw | None = Field(None, description="law of its answers' tokens; none: tokens.output")
    cost_per_request: NonNegative | None = Field(
        None, description="expected cost of a request, in cost.unit; none: from the profile"
    )


class Pool(Serving):
    """Replicas of one model on one kind of GPU."""

    name: str | None = Field(None, description="name; none: the model's, numbered if it has several pools")
    serves: str = Field(alias="model", description="the model, by name")
    role: Role = Field(
        "both",
        description="what it does of a request: all; or its prefill, for pools of the same model that decode "
        "(cluster.transfer)",
    )
    kv_bytes_per_token: Positive | None = Field(
        None,
        description='role = "prefill": what a token of a prompt takes in KV memory, bytes; none: as in the profile, '
        "where GPUs that hold the same (MLA, fewer KV heads than GPUs) each count, as each gets its own copy",
    )

    @model_validator(mode="after")
    def _by_role(self) -> Self:
        """An engine's defaults but for the prefix cache: what decodes gets all of a prompt's KV."""
        if self.role == "decode" and "prefix_cache" not in self.model_fields_set:
            self.__dict__["prefix_cache"] = False
        return self


class Outage(Part):
    """A planned failure."""

    pool: str = Field(description="name of the pool")
    replica: Number = Field(0, description="number of the replica within its pool, from 0; of an API always 0")
    at_s: NonNegative = Field(description="when it fails, seconds")
    for_s: Positive = Field(description="how long it is down, seconds")


class Failures(Part):
    """Replicas and APIs that fail and are repaired."""

    mtbf_s: Positive | None = Field(
        None, ge=1e-3, description="mean time between repair and failure of each replica and each API, seconds"
    )
    mttr_s: Positive = Field(300.0, ge=1e-3, description="mean time to repair, seconds")
    schedule: list[Outage] = Field(default_factory=list, description="planned failures")
    on_failure: Literal["retry", "lose"] = Field(
        "retry", description="what happens to the requests of a failed replica or API"
    )


class Admission(Part):
    """A limit beyond which requests are turned away."""

    max_waiting: Number = Field(description="requests that may wait in a pool beyond what its replicas run at once")


class Cluster(Part):
    """How pools take requests."""

    mode: Literal["servers", "none"] = Field(
        "servers", description="none: the routing algorithm alone, each answer at once (the paper's setting)"
    )
    dispatch: Dispatch = Field(
        "least_loaded",
        description="which replica of a model gets a request; or a rule of your own, as FILE.py:function",
    )
    ties: Literal["first", "random"] = Field(
        "first", description="least_loaded, session: of several replicas with the fewest requests, which one"
    )
    state_delay_s: NonNegative = Field(
        0.0,
        description="routing and dispatch see loads and prefix caches as they were when they were last polled, every "
        "so many seconds; 0: as they are. What a rule keeps by itself (of prefix_affinity and scored, what was sent "
        "where) is never late",
    )
    session: SessionAffinity = Field(SessionAffinity(), description='dispatch = "session"')
    prefix_affinity: PrefixAffinity = Field(PrefixAffinity(), description='dispatch = "prefix_affinity"')
    kv_router: KvRouter = Field(KvRouter(), description='dispatch = "kv_router"')
    scored: Scored = Field(Scored(), description='dispatch = "scored"')
    packed: Packed = Field(Packed(), description='dispatch = "packed"')
    transfer: Transfer = Field(Transfer(), description="pools with a role: from prefill to decode")
    own: OwnRule = Field(OwnRule(), description='dispatch = "FILE.py:function"')
    nominal_batch: Count | None = Field(
        None, description="batch at which the known cost is reckoned; none: min(32, max_num_seqs)"
    )
    admission: Admission | None = Field(None, description="turning requests away; none: never")
    when_full: Literal["turn_away", "next_model"] = Field(
        "turn_away",
        description="a request whose model takes no more (admission, or the limits or an outage of its API): it is "
        "turned away, or goes to the next model that takes it, a more capable one if there is one",
    )
    failures: Failures | None = Field(None, description="failures and repairs; none: never")

    @property
    def own_rule(self) -> tuple[str, str] | None:
        """File and function of a rule of dispatch of the user's own."""
        parts = OWN.fullmatch(self.dispatch)
        return None if parts is None else (parts["file"], parts["function"])

    @property
    def decode_dispatch(self) -> DecodeRule:
        """The rule among replicas that decode what others have prefilled."""
        if self.transfer.dispatch is not None:
            return self.transfer.dispatch
        return next((rule for rule in DECODE_RULES if rule == self.dispatch), "least_loaded")

    @property
    def ignored(self) -> list[str]:
        """Options of rules of dispatch that are not the chosen one, one line each."""
        tables = {"session", "prefix_affinity", "kv_router", "scored", "packed"} - {self.dispatch}
        tables |= {"own"} if self.own_rule is None else set()
        tables -= {"session"} if self.dispatch == "scored" and self.scored.weights.session > 0 else set()
        names = sorted(name for name in tables if self.is_chosen(name))
        return [f"cluster.{name}: ignored with dispatch = {self.dispatch!r}" for name in names]


class Cost(Part):
    """What is minimised."""

    unit: Literal["J", "USD"] = Field("J", description="unit of all costs; router.V has its inverse")
    usd_per_gpu_hour: dict[str, NonNegative] = Field(
        default_factory=dict, description="price of a GPU by its name, USD per hour"
    )
