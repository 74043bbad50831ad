"""Types of the compiled core. Units, formulas and sources stand in the headers of csrc/.

Arrays are C-contiguous and of exactly these types: anything else is refused, never copied.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from messsim.errors import PolicyError

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int32]
_Stream = tuple[int, int, int, int]  # seed, column, replication, sub

# sizes of a frontier
FRONTIER_BINS: Final[int]
FRONTIER_SUMS: Final[int]
MODELS_MOST: Final[int]

# states of a replica
DOWN: Final[int]
IDLE: Final[int]
BOUNDARY: Final[int]
RUNNING: Final[int]

# what a replica answers to a notice
NOTHING: Final[int]
WAKE: Final[int]
RESCHEDULE: Final[int]

# flags of a plan, and the mask of the model that it names
PLAN_ALL: Final[int]
PLAN_CHAIN: Final[int]
PLAN_EXPLORE: Final[int]
PLAN_MODEL: Final[int]
CHAIN_MOST: Final[int]
POLICY_RAISED: Final[int]

KV_POLICIES: Final[dict[str, int]]
SCHEDULES: Final[dict[str, int]]
DISPATCH: Final[dict[str, int]]
ROLES: Final[dict[str, int]]
SCALING_RULES: Final[dict[str, int]]
ESTIMATES: Final[dict[str, int]]
OPTIMIZERS: Final[dict[str, int]]
KEPT_TOLERANCE: Final[float]
MOST_KNOTS: Final[int]
HOST_KINDS: Final[dict[str, int]]
ORDERS: Final[dict[str, int]]
RECORD_COLUMNS: Final[dict[str, Any]]

# why a loop returns
LOOP_PAUSED: Final[int]
LOOP_NEEDS_PAGE: Final[int]
LOOP_OVER: Final[int]
NOT_SENT: Final[int]

def error_codes() -> list[tuple[int, str, str]]:
    """Every code of the core: its number, its exception class, its text."""

def expect_progress(failures_in_vain: int) -> None:
    """Raises SimulationError after too many failures since anything else happened."""

# ---- random columns ---------------------------------------------------------------------------------------

def philox_block(key: NDArray[np.uint32], counter: NDArray[np.uint32]) -> NDArray[np.uint32]: ...
def draw_uniform(
    seed: int, column: int, first: int, out: _Floats, replication: int = 0, sub: int = 0, odd: bool = False
) -> None: ...
def draw_choice(seed: int, column: int, first: int, out: _Floats, replication: int = 0, sub: int = 0) -> None: ...
def draw_exponential(
    seed: int, column: int, first: int, out: _Floats, replication: int = 0, sub: int = 0, odd: bool = False
) -> None: ...
def draw_normal(
    seed: int, column: int, first: int, out: _Floats, replication: int = 0, sub: int = 0, odd: bool = False
) -> None: ...
def draw_lognormal(
    seed: int,
    column: int,
    first: int,
    mu: float,
    sigma: float,
    out: _Floats,
    replication: int = 0,
    sub: int = 0,
    odd: bool = False,
) -> None: ...
def draw_uniform_pair(seed: int, column: int, first: int, out: _Floats, replication: int = 0, sub: int = 0) -> None:
    """Both uniforms of each block into out [n, 2]."""

def draw_normal_pair(
    seed: int, column: int, first: int, even: _Floats, odd: _Floats, replication: int = 0, sub: int = 0
) -> None: ...
def draw_geometric(
    seed: int, column: int, first: int, scale: float, most: float, out: _Ints, replication: int = 0
) -> None: ...
def draw_geometric_of(
    seed: int,
    first: int,
    model: _Ints,
    columns: NDArray[np.uint32],
    scales: _Floats,
    mosts: _Floats,
    out: _Ints,
    replication: int = 0,
) -> None: ...
def draw_lognormal_count(
    seed: int, column: int, first: int, mu: float, sigma: float, most: float, out: _Ints, replication: int = 0
) -> None: ...
def draw_logistic(
    seed: int,
    column: int,
    first: int,
    slope: float,
    ability: float,
    difficulty: _Floats,
    out: _Floats,
    replication: int = 0,
    sub: int = 0,
) -> None: ...
def draw_one(seed: int, column: int, request: int, replication: int = 0, sub: int = 0, odd: bool = False) -> float: ...
def quantile_exponential(u: _Floats) -> _Floats: ...
def quantile_normal(u: _Floats) -> _Floats: ...
def exp(x: _Floats) -> _Floats: ...
def log(x: _Floats) -> _Floats: ...
def log_histogram_add(
    counts: NDArray[np.int64], values: _Floats, least: float, bins_per_octave: float
) -> tuple[int, float]:
    """Counts values >= 0; returns how many were 0, and the sum of all."""

def frontier_add(sums: _Floats, bins: _Floats, tenant: NDArray[np.int32], satisfied: _Floats, costs: _Floats) -> None:
    """Adds requests to the frontiers of tenants."""

# ---- routing ----------------------------------------------------------------------------------------------

@final
class Records:
    def __init__(self, columns: dict[str, NDArray[Any]]) -> None: ...
    def add_to(
        self,
        sums: _Floats,
        counts: NDArray[np.int64],
        by_status: NDArray[np.int64],
        answered: NDArray[np.int64],
        by_model: _Floats,
        tenant_answered: NDArray[np.int64],
        tenant_satisfied: _Floats,
    ) -> None:
        """Adds to the sums of csrc/tally.h; `by_model` is [2, models]."""
    def add_latencies(
        self,
        counts: NDArray[np.int64],
        zeros: NDArray[np.int64],
        sums: _Floats,
        least: float,
        bins_per_octave: float,
        warmup: int,
        tenant: int,
    ) -> None:
        """Counts TTFT, TPOT, end-to-end and queueing time, seconds, into histograms [4, bins]."""
    def attained(
        self, objectives: NDArray[np.float64], arrived: NDArray[np.int64], attained: NDArray[np.int64]
    ) -> None:
        """Answered requests within both objectives; an infinite one is none."""

def running_add(
    state: _Floats, ids: NDArray[np.int64], satisfied: _Floats, promised: _Floats, costs: _Floats, stride: int
) -> tuple[NDArray[np.int64], _Floats]:
    """Continues running curves; ids and three curves of every stride-th request."""

def scores_add(good: _Floats, bad: _Floats, scores: _Floats, satisfied: _Floats) -> float:
    """Counts predictions with their outcomes by score; the sum of cross-entropies."""

@final
class Predictor:
    def __init__(
        self,
        models: int,
        features: int,
        *,
        learning_rate: float,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        clip: float = 0.0,
        optimizer: str = "sgd",
        standardize: bool = False,
        bias: Sequence[float] | None = None,
    ) -> None: ...
    @property
    def version(self) -> int:
        """Steps learnt so far."""
    @property
    def weights(self) -> _Floats:
        """A copy, [models, features]."""
    @property
    def bias(self) -> _Floats:
        """A copy, [models]."""
    def saved(self) -> dict[str, Any]:
        """All that it has learnt, as numbers and lists; see `restore`."""
    def restore(self, saved: dict[str, Any]) -> None:
        """Takes up what `saved` gave."""
    def copy(self) -> Predictor:
        """Another one that has learnt the same."""
    def score(self, x: _Floats, scores: _Floats, first: int = 0, end: int = -1) -> None:
        """Columns first ... end - 1 (-1: to the last) of x [features, n] into those of scores [models, n]."""
    def learn(self, x: _Floats, labels: _Floats) -> None:
        """One step on x [features] and labels [models], NaN where there is none."""

def average(predictors: list[Predictor]) -> None:
    """All weights, biases and velocities become their means; scores made before are stale."""

@final
class Ledger:
    def __init__(self, alpha: float, *, discount: float = 1.0, window: int = 0) -> None: ...
    def saved(self) -> dict[str, Any]:
        """All that it has counted, as numbers and a list; see `restore`."""
    def restore(self, saved: dict[str, Any]) -> None:
        """Takes up what `saved` gave."""
    def rate(self, satisfaction: float) -> None: ...
    @property
    def alpha(self) -> float: ...
    @property
    def queue(self) -> float: ...
    @property
    def plain(self) -> float: ...
    @property
    def plain_max(self) -> float: ...
    @property
    def rated(self) -> int: ...
    @property
    def satisfied(self) -> float: ...
    @property
    def certificate(self) -> float: ...
    @property
    def holds(self) -> bool: ...

def reconcile(ledgers: list[Ledger]) -> None:
    """Every queue becomes the mean of them all; not for windowed ones."""

def total(ledgers: list[Ledger]) -> Ledger:
    """One ledger of all their ratings: its queue is the sum of theirs."""

def illegal(status: int, request: int, code: int, models: int, failure: str | None = None) -> PolicyError:
    """The error for what a policy returned: a decision, a next model, an answer to a label; or what it raised."""

@final
class Policy:
    @property
    def params(self) -> _Floats:
        """As given, and one 0 behind them."""
    @property
    def state(self) -> _Floats:
        """The array that the policy itself reads and writes, and one element behind it."""
    @property
    def uniforms(self) -> int:
        """How many uniforms a request has."""
    def __init__(
        self,
        decide: str | int,
        params: ArrayLike,
        state: ArrayLike,
        *,
        finish: int = 0,
        rated: int = 0,
        learn: int = 0,
        uniforms: int = 2,
    ) -> None: ...
    @property
    def functions(self) -> tuple[Any, ...]: ...
    @property
    def is_compiled(self) -> bool: ...
    def failure(self) -> str | None: ...
    def decide(
        self,
        request: int,
        step: int,
        alpha: float,
        queue: float,
        scores: _Floats,
        costs: _Floats,
        loads: _Floats,
        uniforms: _Floats,
        facts: _Floats | None = None,
        features: _Floats | None = None,
        tenant: int = 0,
    ) -> int: ...
    def finish(
        self,
        request: int,
        stage: int,
        model: int,
        scores: _Floats,
        costs: _Floats,
        uniforms: _Floats,
        facts: _Floats | None = None,
        tenant: int = 0,
    ) -> int: ...
    def replace(self, params: ArrayLike, state: ArrayLike = ()) -> None:
        """Other parameters and state, of any length; before the first decision only."""
    def copy(self) -> Policy:
        """The same functions and parameters, with a state of its own that begins as this one stands."""
    def keep_alive(self, compiled: tuple[Any, ...]) -> None:
        """Holds what the functions' machine code belongs to."""
    def rated(
        self, request: int, model: int, alpha: float, satisfaction: float, queue: float, tenant: int = 0
    ) -> None: ...
    def learn(self, request: int, features: _Floats, labels: _Floats, tenant: int = 0) -> None: ...

def wrong_pick(request: int, picked: int, failure: str | None = None) -> PolicyError:
    """The error for what a rule of dispatch of the user's own returned, or raised."""

@final
class DispatchRule:
    @property
    def params(self) -> _Floats:
        """As given, and one 0 behind them."""
    @property
    def state(self) -> _Floats:
        """The array that the rule itself reads and writes, and one element behind it."""
    def __init__(
        self,
        pick: int,
        params: ArrayLike,
        state: ArrayLike,
        *,
        sees_loads: bool = True,
        sees_engines: bool = True,
        sees_caches: bool = True,
    ) -> None: ...
    def copy(self) -> DispatchRule: ...
    def keep_alive(self, compiled: tuple[Any, ...]) -> None: ...
    @property
    def functions(self) -> tuple[Any, ...]: ...
    @property
    def sees(self) -> tuple[bool, bool, bool]:
        """Whether it looks at loads, at engines and at caches."""
    def failure(self) -> str | None: ...
    def pick(
        self,
        request: int,
        attempt: int,
        session: int,
        prompt_tokens: int,
        now_s: float,
        numbers: _Floats,
        loads: _Floats,
        waiting: _Floats,
        usage: _Floats,
        cached: _Floats,
        uniforms: _Floats,
    ) -> int: ...

def argmin_block(v: float, alpha: float, queue: float, scores: _Floats, costs: _Floats, chosen: _Ints) -> None: ...

# ---- servers ----------------------------------------------------------------------------------------------

def iteration(
    coefficients: Mapping[str, object],
    decoders: float,
    context: float,
    prompt_tokens: float,
    prompt_work: float,
    n: float = 1.0,
    *,
    prompt_prior: float = 0.0,
    prompts: float = 1.0,
    ahead: float = 0.0,
) -> tuple[float, float]:
    """Seconds and joules of n iterations."""

def known_costs(
    coefficients: Mapping[str, object],
    *,
    usd_per_s: float,
    max_batched_tokens: float,
    nominal_batch: float,
    mean_output_tokens: float,
    prompt_tokens: _Ints,
    costs: _Floats,
    mean_tokens: float = 1.0,
) -> None: ...

@final
class MarginalCosts:
    def __init__(self, servers: list[dict[str, Any]]) -> None: ...
    def of(
        self, prompt_tokens: float, known: _Floats, loads: _Floats, cached: NDArray[np.int32] | None = None
    ) -> _Floats: ...

@final
class PromptCosts:
    def __init__(self, pools: list[dict[str, Any]]) -> None: ...
    def write(self, prompt_tokens: int, costs: _Floats, i: int, price_factor: _Floats | None = None) -> None: ...

@final
class Api:
    def __init__(self, limits: Mapping[str, Any], prompt_cache: Mapping[str, Any]) -> None: ...
    def allows(self, tokens: int, calls: int, now_s: float) -> bool: ...
    def call(self, job: Job, now_s: float) -> None: ...

@final
class Job:
    tag: Any
    pool: Any
    destination: Any
    def __init__(
        self,
        request: int,
        model: int,
        prompt_tokens: int,
        output_tokens: int,
        tag: object = None,
        attempt: int = 0,
        path: Sequence[tuple[int, int]] = (),
        answer_node: int | None = None,
        session: int = -1,
    ) -> None: ...
    def hurry(self, priority: int, arrival_s: float, deadline_s: float) -> None:
        """What orders queues that are not first in first out."""
    def served_elsewhere(self, replica: int, start_s: float, first_token_s: float, finish_s: float) -> None: ...
    def reaches_user(self, now_s: float) -> None: ...
    def cut_off(self, now_s: float) -> None: ...
    def restart(self) -> None: ...
    def stop_transfer(self) -> None: ...
    def let_go(self) -> None: ...
    def wait_for(self, server: int) -> None: ...
    def settle_price(self, usd_per_s: float) -> None: ...
    def take_usage_usd(self) -> float:
        """What it has used so far of replicas that it left, to be paid for: it starts anew from 0."""
    def take_energy_j(self) -> float:
        """What it has drawn so far, to be paid for: it starts anew from 0."""
    @property
    def request(self) -> int: ...
    @property
    def model(self) -> int: ...
    @property
    def prompt_tokens(self) -> int: ...
    @property
    def output_tokens(self) -> int: ...
    @property
    def replica(self) -> int:
        """Where it runs or ran last; -1 before."""
    @property
    def server(self) -> int:
        """The replica whose own queue it was put into; -1 if none."""
    @property
    def runs(self) -> bool:
        """Whether it is in a replica's batch."""
    @property
    def waits(self) -> bool:
        """Whether it is in the queue of a replica or of a pool, or came to a replica from where it was prefilled."""
    @property
    def transfers(self) -> bool: ...
    @property
    def aborted(self) -> bool: ...
    @property
    def source(self) -> int:
        """The replica that prefilled it and holds its KV for another; -1: none does."""
    @property
    def prefilled_s(self) -> float: ...
    @property
    def preemptions(self) -> int: ...
    @property
    def path(self) -> list[tuple[int, int]]:
        """The nodes (id, end_tokens) that its prompt begins with."""
    @property
    def session(self) -> int: ...
    @property
    def answer_node(self) -> int | None:
        """The last of them, if the answer is to continue it."""
    @property
    def cached_prompt_tokens(self) -> int:
        """Tokens that its first admission found in a prefix cache."""
    @property
    def cached_recompute_tokens(self) -> int:
        """Tokens that later admissions found."""
    @property
    def attempt(self) -> int: ...
    @property
    def start_s(self) -> float: ...
    @property
    def first_token_s(self) -> float: ...
    @property
    def finish_s(self) -> float: ...
    @property
    def energy_j(self) -> float: ...
    @property
    def usage_s(self) -> float: ...
    @property
    def usage_usd(self) -> float: ...

@final
class Queue:
    def __init__(self, order: str = "fcfs") -> None: ...
    def __len__(self) -> int: ...
    def push(self, job: Job) -> bool:
        """Returns whether the job is the head now."""
    def remove(self, job: Job) -> bool:
        """Takes out a job that waits here; returns whether it was the head."""
    def drain(self) -> list[Job]: ...

@final
class Drafts:
    def __init__(self, accepted: NDArray[np.float64], stream: tuple[int, int, int, int]) -> None: ...
    @property
    def mean_tokens(self) -> float:
        """Of an iteration."""
    def iterations(self, request: int, tokens: int) -> int:
        """That a request takes for so many tokens."""

@final
class Replica:
    def __init__(
        self,
        index: int,
        coefficients: Mapping[str, object],
        *,
        max_num_seqs: int,
        max_batched_tokens: int,
        kv_capacity_tokens: int,
        kv_policy: str = "recompute",
        kv_block_tokens: int = 1,
        prefix_cache: bool = False,
        schedule: str = "vllm",
        max_new_tokens: int = 0,
        whole_prompts: bool = False,
        order: str = "fcfs",
        lookahead: int = 0,
        drafts: Drafts | None = None,
        role: str = "both",
        first_token_later: bool = False,
        track_usage: bool = False,
        shared: Queue | None = None,
    ) -> None: ...
    def share(self, queue: Queue | None) -> None: ...
    def queues(self, job: Job) -> bool: ...
    def departures(self) -> list[Job]: ...
    def arrive(self, job: Job, t_s: float) -> int: ...
    def call_off(self, job: Job, t_s: float) -> int: ...
    def check(self) -> None: ...
    def let_go(self, job: Job, t_s: float) -> int: ...
    @property
    def index(self) -> int: ...
    @property
    def state(self) -> int: ...
    @property
    def boundary_s(self) -> float:
        """The next time at which `finish` is due; infinite unless it runs."""
    @property
    def unfinished(self) -> int: ...
    @property
    def jumps(self) -> int: ...
    @property
    def preemptions(self) -> int: ...
    @property
    def evicted_blocks(self) -> int:
        """Blocks that its prefix cache has evicted, ever."""
    @property
    def prompt_tokens(self) -> tuple[int, int]: ...
    def memory(self) -> tuple[int, int, int]:
        """Blocks that the batch holds in the iteration under way, blocks that are cached beside them, and all."""
    @property
    def waiting(self) -> int: ...
    def kv_usage(self, t_s: float) -> float: ...
    def settled_cached_tokens(self, job: Job) -> int: ...
    def fits(self, job: Job) -> None:
        """Raises SimulationError if the job can never run here."""
    def submit(self, job: Job, t_s: float) -> int: ...
    def notify(self, t_s: float) -> int: ...
    def finish(self) -> Sequence[Job]: ...
    def batch(self) -> tuple[list[Job], list[Job]]:
        """The jobs of the iteration under way: those that decode, and those whose prompts it prefills."""
    def start(self, t_s: float) -> int:
        """How many jobs it took from its queue."""
    def cached_tokens(self, job: Job, t_s: float) -> int:
        """Tokens of a job's prompt that its prefix cache holds at t_s."""
    def abort(self, job: Job, t_s: float) -> tuple[int, bool]:
        """Nobody wants the answer of a job of its own any more: a notice as of `submit`, and whether it has left.

        A job that has not, leaves at the next boundary: `finish` hands it over.
        """
    def meter_j(self, t_s: float) -> float: ...
    def busy_s(self, t_s: float) -> float: ...
    def evict(self, t_s: float) -> list[Job]: ...
    def repair(self) -> None: ...

# ---- the loop -----------------------------------------------------------------------------------------------

@final
class Page:
    def __init__(self, first: int, drawn: dict[str, Any]) -> None: ...
    @property
    def records(self) -> dict[str, NDArray[Any]]:
        """Arrays [n] by column name; a row stands once its request is done."""
    @property
    def first(self) -> int: ...
    @property
    def open(self) -> int:
        """Requests whose record does not stand yet."""

@final
class Loop:
    def __init__(
        self,
        config: dict[str, Any],
        alphas: _Floats,
        discount: float,
        window: int,
        pools: list[dict[str, Any]],
        dispatch: dict[str, object],
        dispatch_streams: list[_Stream],
        policies: list[Policy],
        predictors: list[Predictor | None],
        estimate: str,
        prior: float,
        marginal: MarginalCosts,
        breakdowns: list[dict[str, Any]],
        prompt_costs: PromptCosts | None = None,
        priority: NDArray[np.int32] | None = None,
        ttft_objective_s: NDArray[np.float64] | None = None,
        own_rules: list[DispatchRule] | None = None,
    ) -> None: ...
    def turn_page(self, page: Page) -> None:
        """The page is kept alive until `release`."""
    def release(self) -> list[Page]: ...
    def no_more(self) -> None: ...
    def run(self, budget: int) -> int:
        """LOOP_PAUSED after `budget` events, LOOP_NEEDS_PAGE or LOOP_OVER."""
    def check(self) -> None: ...
    def cut(self) -> None: ...
    def failure(self) -> str | None:
        """What a policy raised last, if one did."""
    def left(self) -> list[Page]: ...
    @property
    def counts(self) -> dict[str, int]: ...
    @property
    def sums(self) -> dict[str, float]: ...
    def ledger(self, tenant: int, tracked: bool) -> dict[str, Any]: ...
    def pool(self, k: int, replicas: int, end_s: float) -> dict[str, Any]: ...
    def samples(self) -> tuple[tuple[NDArray[Any], ...], int]:
        """A column for each attribute of `messsim.engines.records.Sample`, and the stride."""
