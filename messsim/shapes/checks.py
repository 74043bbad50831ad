"""What `check` and `explain` print: of a scenario before it is run, and of one decision of a run."""

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from messsim.summary import BestSingle

__all__ = [
    "CheckedModel",
    "CheckedPool",
    "CheckedPromise",
    "CheckedStart",
    "Checklist",
    "Dominated",
    "Expectation",
    "ExplainedModel",
    "Explanation",
    "Record",
    "Worth",
]


class Dominated(TypedDict):
    """A model that another one beats in satisfaction at no more cost."""

    model: str
    by: str


class Worth(TypedDict):
    """What routing can save: least expected costs per request by who chooses, in `unit`."""

    unit: str
    best_single: BestSingle
    static_mix: float | None
    own_cost: float | None
    features: float | None
    clairvoyant: float | None
    no_features: str | None
    can_save: float | None
    features_save: float | None
    own_cost_saves: float | None
    dominated: list[Dominated]


class CheckedModel(TypedDict):
    """A model's means over the requests that the run will have."""

    name: str
    satisfaction: float
    known_cost: float | None
    mean_output_tokens: float


class CheckedPromise(TypedDict):
    """A tenant's promise against the best model, against a router that always knows who is right, and against `most`:
    what a router can satisfy that knows what the policy may know.
    """

    tenant: str
    alpha: float | None
    best_model: float
    any_model: float
    most: float
    single_model: str | None
    reachable: bool


class CheckedStart(TypedDict):
    """What a replica of a pool with autoscale takes to start, in the mean, and whose weights it loads."""

    mean_s: float
    weights_gb: float
    weights_of: Literal["scenario", "profile", "assumed"]


class CheckedPool(TypedDict):
    """What a pool gets and can sustain, requests a second; `batch` is how many sequences it runs at once."""

    name: str
    model: str
    gpu: str
    gpus: int
    replicas: int
    kv_capacity_tokens: int | None
    capacity_rps: float | None
    offered_rps: float | None
    load: float | None
    peak_load: float | None
    utilization_in_probe: float | None
    batch: float | None
    few: float
    thin: bool
    energy_measured: bool
    start: CheckedStart | None


class Expectation(TypedDict):
    """Time and memory that a run is to take."""

    wall_s: float | None
    probe_requests: int
    probe_wall_s: float
    peak_rss_mib: float


class Checklist(TypedDict):
    """What `check` prints."""

    scenario: str
    policy: str
    cost_unit: str
    rent_usd_per_hour: float | None
    cost_fixed: bool
    requests: float | None
    rate_rps: float | None
    peak_rate_rps: float | None
    mean_prompt_tokens: float
    models: list[CheckedModel]
    promises: list[CheckedPromise]
    pools: list[CheckedPool]
    worth: Worth
    problems: list[str]
    other_problems: list[str]
    expect: Expectation
    notes: list[str]


Record = dict[str, Any]  # a row of requests/*.parquet, by column


class ExplainedModel(TypedDict):
    """What a decision reckoned with for a model; the terms of the minimum are those of mess+ alone."""

    name: str
    score: float
    cost: float | None
    v_cost: float | None
    q_shortfall: float | None
    total: float | None
    chosen: bool


class Explanation(TypedDict):
    """What `explain` prints; `record` has the columns of the request's record."""

    request: int
    policy: str
    how: str
    step: int
    alpha: float
    queue: float
    V: float | None
    uniforms: list[float]
    models: list[ExplainedModel]
    record: Record
    instance: int | None
    instances: int
    starts: NotRequired[dict[str, CheckedStart]]  # of pools that change their size
