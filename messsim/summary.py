"""The summary of a run: every field of ``--json`` and summary.json, with its unit and meaning.

The summary is a plain dictionary of JSON's types, in the order of the fields below. These classes are what type
checkers know of it, what files are checked against, and what the tables of docs/files.md are made of. A field is a row:
its type, its unit (``unit`` is `cost.unit`) and its meaning, or a table of its own. What does not apply is None.
"""

from typing import Annotated, Literal, NotRequired

from typing_extensions import TypedDict  # typing's own serves pydantic from Python 3.12 on only

__all__ = [
    "LATENCIES",
    "PERCENTILES",
    "UNANSWERED",
    "BestSingle",
    "Cache",
    "Cost",
    "CostOracles",
    "Energy",
    "Intervals",
    "Latencies",
    "LatencyName",
    "LongRun",
    "ModelSummary",
    "OracleCosts",
    "OracleName",
    "Percentile",
    "Percentiles",
    "PoolSummary",
    "Predictor",
    "Provenance",
    "Requests",
    "RouterTimes",
    "Sessions",
    "Sla",
    "Slo",
    "StaticChoice",
    "Summary",
    "TenantSummary",
    "Throughput",
    "Transfers",
    "Windows",
    "WithoutRouter",
]

LatencyName = Literal["ttft", "tpot", "e2e", "queueing"]
LATENCIES: tuple[LatencyName, ...] = ("ttft", "tpot", "e2e", "queueing")  # in the order of csrc/tally.h
Percentile = Literal["p50", "p90", "p95", "p99"]
PERCENTILES: dict[Percentile, float] = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}

Unanswered = Literal["rejected", "too_long", "lost", "timed_out", "in_flight"]
UNANSWERED: tuple[Unanswered, ...] = ("rejected", "too_long", "lost", "timed_out", "in_flight")


class Requests(TypedDict):
    """How many requests came, and what became of them."""

    arrived: Annotated[int, "requests", "sum of the six below"]
    completed: Annotated[int, "requests", "answered in full"]
    rejected: Annotated[int, "requests", "turned away by admission, or by an API that was down"]
    too_long: Annotated[int, "requests", "longer than any model takes"]
    lost: Annotated[int, "requests", "lost to a failure"]
    timed_out: Annotated[int, "requests", "given up by their clients"]
    in_flight: Annotated[int, "requests", "unfinished when the run was cut at `horizon_s`"]
    attempts: Annotated[int, "", "routing decisions: more than requests where clients ask again"]
    explored: Annotated[int, "requests", "those with an exploring decision"]
    with_feedback: Annotated[int, "requests", "completed ones whose rating reached the router: with a `feedback_s`"]
    labels_of_lost: Annotated[int, "requests", "lost requests one of whose labels was used before"]


class Sessions(TypedDict):
    """Requests as turns of sessions."""

    begun: Annotated[int, "sessions", "those whose first turn was sent"]
    turns: Annotated[int, "requests", "turns that were sent: `requests.arrived`"]
    turns_not_sent: Annotated[
        int, "requests", "turns of sessions that ended with one that was rejected, too long, lost or given up"
    ]


class Windows(TypedDict):
    """The promise in each window that was over before traffic ended."""

    window_s: Annotated[
        float | None, "s", "length of the periods, `sla.window_s`; `sla.windows` is null if no window is stated"
    ]
    window_requests: Annotated[int | None, "answers", "length of the stretches of answers, `sla.window_requests`"]
    count: Annotated[int, "", "windows that were judged"]
    violated: Annotated[int, "", "those that fell short of alpha"]
    violation_rate: Annotated[float | None, "0 to 1", "their fraction"]
    worst: Annotated[float | None, "0 to 1", "satisfaction in the worst"]


class Sla(TypedDict):
    """The promise, over all tenants."""

    alpha: Annotated[float, "0 to 1", "promised fraction; with several tenants the mean over their answered requests"]
    kept: Annotated[
        bool | None,
        "",
        "whether every tenant who was answered is satisfied as promised, to 1e-9 for rounding; null where nobody was "
        "answered",
    ]
    margin: Annotated[
        float | None, "−1 to 1", "satisfaction − alpha of the tenant with the least; 0 where they are equal to 1e-9"
    ]
    satisfaction: Annotated[float | None, "0 to 1", "mean over all answered requests, rated or not"]
    satisfaction_time_mean: Annotated[
        float | None, "0 to 1", "mean over requests of the running satisfaction, as in the tables of the MESS+ paper"
    ]
    satisfaction_per_arrived: Annotated[
        float | None, "0 to 1", "satisfied answers per arrived request: rejecting hard traffic does not help it"
    ]
    shortfall: Annotated[
        float | None, "0 to 1", "alpha − satisfaction over all tenants, at least 0; 0 where they are equal to 1e-9"
    ]
    queue_final: Annotated[
        float, "answers", "virtual queue at the end as if all were rated, less ratings due after a cut; of all tenants"
    ]
    queue_max: Annotated[float, "answers", "the largest it was, over time and tenants"]
    queue_tracked_final: Annotated[
        float, "answers", "the virtual queue by which the router decides, at the end, summed over tenants and instances"
    ]
    queue_plain_final: Annotated[float, "answers", "the same neither discounted nor windowed, as the certificate is"]
    queue_initial: Annotated[float, "answers", "what these two began with: a place-holder, owed to nobody"]
    rated: Annotated[int, "answers", "ratings that the router had; immediate ones of lost and in-flight answers too"]
    satisfaction_rated: Annotated[float | None, "0 to 1", "mean of the ratings: what the router believes"]
    certificate: Annotated[
        float | None,
        "0 to 1",
        "lower bound on the mean satisfaction of rated answers on this path; vacuous at or below 0; null where raters "
        "err",
    ]
    time_to_compliance: Annotated[
        int | None,
        "",
        "first request after which the running satisfaction, of all tenants together, never again falls below alpha; "
        "null if none",
    ]
    windows: Windows | None


class OracleCosts(TypedDict):
    """Least expected cost per request, over all arrivals."""

    at_alpha: Annotated[
        float | None,
        "unit",
        "least expected cost per request, over all arrivals, with every tenant's promise kept, for whoever knows every "
        "outcome; null if out of reach",
    ]
    at_own: Annotated[float | None, "unit", "the same with every tenant as satisfied as in this run"]


OracleName = Literal["clairvoyant", "statistical", "feature"]


class CostOracles(TypedDict):
    """What an oracle would pay, by what it knows."""

    clairvoyant: OracleCosts
    statistical: Annotated[
        OracleCosts | None,
        "unit",
        "for whoever knows each request's difficulty, `at_alpha` and `at_own`; null in a run (`compare` computes it), "
        "and with a table",
    ]
    feature: Annotated[OracleCosts | None, "unit", "for whoever knows what the features tell of it; likewise"]


class BestSingle(TypedDict):
    """The cheapest model that alone keeps the promise, by known outcomes and costs."""

    model: Annotated[
        str | None, "", "cheapest model that alone keeps every tenant's promise on these requests; null if none does"
    ]
    per_request: Annotated[float | None, "unit", "its expected cost per request"]


class StaticChoice(TypedDict):
    """A run with choices made beforehand in place of the router."""

    model: NotRequired[str | None]
    per_request: float | None
    satisfaction: float | None
    kept: bool | None
    e2e_p95_s: float | None


class WithoutRouter(TypedDict):
    """The same requests in the same cluster with choices made beforehand."""

    best_single: Annotated[
        StaticChoice | None,
        "",
        "`messsim run` only: the best single model instead of the router, on the same requests in the same cluster: "
        "`model` (null where tenants have different ones), `per_request`, `satisfaction`, `kept`, `e2e_p95_s`; null if "
        "no model keeps the promise",
    ]
    static_mix: Annotated[StaticChoice | None, "", "the same of the best fixed mix"]
    left_out: Annotated[str | None, "", "why neither was simulated; else null"]


class Cost(TypedDict):
    """What the answers cost, and what they would have cost otherwise."""

    unit: Annotated[str, "", "J or USD"]
    total: Annotated[float, "unit", "everything: answers, exploration, lost work, idle replicas"]
    exploration: Annotated[float, "unit", "copies that the user did not see"]
    lost: Annotated[float, "unit", "requests without an answer: rejected, lost, or given up by their clients"]
    idle: Annotated[
        float | None,
        "unit",
        "replicas that were up with nothing to do, until the last arrival; null without servers",
    ]
    paper: Annotated[float, "unit", "answers of exploiting decisions only: what the tables of the MESS+ paper show"]
    per_request: Annotated[float | None, "unit", "`cost.total` over answered requests"]
    oracle: CostOracles
    oracle_per_request: Annotated[float | None, "unit", "the clairvoyant's, at the run's own satisfaction"]
    ratio_to_oracle: Annotated[
        float | None,
        "",
        "cost of all arrivals, exploration included, over the clairvoyant's at the run's own satisfaction; null with "
        "servers, whose cost is what was realised, not what was expected",
    ]
    best_single: BestSingle
    static_mix_per_request: Annotated[
        float | None,
        "unit",
        "expected cost of the cheapest fixed mix, one for each tenant, that keeps the promises; null if there is none",
    ]
    usd_per_million_tokens: Annotated[
        float | None,
        "USD",
        "per million prompt and answer tokens; in joules the price of owning the priced GPUs; null without prices",
    ]
    rent_usd_per_hour: Annotated[
        float | None,
        "USD",
        "rent of all GPUs that have a price in `cost.usd_per_gpu_hour`, by the hour; null without prices",
    ]
    fixed: Annotated[
        bool, "", "whether no routing changes the cost: in USD, with nothing but GPUs that are paid by the hour"
    ]
    gpus: Annotated[int | None, "", "GPUs of all pools; null without servers"]
    without_router: NotRequired[WithoutRouter]
    per_request_without_exploration: NotRequired[
        Annotated[float | None, "unit", "`compare` only: (`cost.total` − `cost.exploration`) over answered requests"]
    ]
    ratio_to_simulated_oracle: NotRequired[
        Annotated[
            float | None,
            "",
            "`compare` only: cost per answer over that of the clairvoyant oracle's own run, which satisfies each "
            "tenant as much in the same cluster",
        ]
    ]
    ratio_to_statistical_oracle: NotRequired[
        Annotated[
            float | None,
            "",
            "`compare` only: the same to the oracle that knows each request's difficulty; null with a table",
        ]
    ]


class Energy(TypedDict):
    """Energy of the cluster."""

    total_j: Annotated[float | None, "J", "all replicas, idle energy included"]
    idle_j: Annotated[float | None, "J", "its idle part"]
    j_per_output_token: Annotated[float | None, "J", "total energy per token of completed answers"]
    measured: Annotated[bool | None, "", "whether every pool's energy figures are measured ones"]


class Throughput(TypedDict):
    """What was answered in how long, as benchmarks of servers count it; None without servers."""

    duration_s: Annotated[float | None, "s", "simulated time up to the end of the last answer"]
    requests_per_s: Annotated[float | None, "requests/s", "completed requests over it"]
    output_tokens_per_s: Annotated[float | None, "tokens/s", "tokens of completed answers over it"]


class Cache(TypedDict):
    """What prefix caches held of the prompts; null where no pool has one."""

    hit_rate: Annotated[float | None, "0 to 1", "cached tokens of the prompts that were started, over their tokens"]
    cached_prompt_tokens: Annotated[float | None, "tokens", "of prompts, found in caches when they were first admitted"]
    cached_recompute_tokens: Annotated[float | None, "tokens", "found there when they were admitted again, preempted"]


class ModelSummary(TypedDict):
    """A model's part."""

    name: Annotated[str, "", "the model"]
    share: Annotated[float | None, "0 to 1", "fraction of answered requests whose answer came from it"]
    answered: Annotated[int, "requests", "the same, counted"]
    satisfaction: Annotated[float | None, "0 to 1", "of its answers"]
    cost_per_request: Annotated[float | None, "unit", "realised cost of an answer that the user saw"]
    utilization: Annotated[float | None, "0 to 1", "fraction of replica time in iterations, until the last arrival"]
    energy_j: Annotated[float | None, "J", "of all iterations of its pools"]
    idle_energy_j: Annotated[float | None, "J", "of its replicas with nothing to do"]


class RouterTimes(TypedDict):
    """The router's own time; None where decisions take none."""

    wait_s: Annotated[float | None, "s", "mean wait of a request for a worker of the router"]
    decision_s: Annotated[float | None, "s", "mean time of a decision"]
    utilization: Annotated[
        float | None, "0 to 1", "fraction of the workers' time that decisions take, until the last arrival"
    ]


class Transfers(TypedDict):
    """KV on its way from where requests are prefilled to where they decode; None where nothing is split."""

    begun: Annotated[int | None, "transfers", "transfers of KV from prefill to decode that were begun"]
    wait_s: Annotated[float | None, "s", "mean time that a prefilled request waits for its transfer to begin"]
    transfer_s: Annotated[float | None, "s", "mean time of a transfer that has ended"]
    gigabytes: Annotated[float | None, "GB", "of all transfers"]


class PoolSummary(TypedDict):
    """A pool's part."""

    name: Annotated[str, "", "the pool"]
    model: Annotated[str, "", "the model it serves"]
    gpu: Annotated[str, "", "its GPU"]
    gpus_per_replica: Annotated[int, "GPUs", "tensor parallel size"]
    schedule: Annotated[str | None, "", "whose rules it follows, an engine and its version; null for an API"]
    engine: Annotated[str | None, "", "whose defaults it has, likewise; null where the scenario names none"]
    kv_capacity_tokens: Annotated[int | None, "tokens", "what a replica's cache holds; null: no limit"]
    replicas: Annotated[int, "", "their number, or the most that there are with `autoscale`"]
    mean_replicas: Annotated[float, "", "replicas that loaded, were up or drained, on average until the last arrival"]
    utilization: Annotated[float | None, "0 to 1", "as of models; null for an API"]
    energy_j: Annotated[float, "J", "of all its iterations"]
    idle_energy_j: Annotated[float, "J", "of its replicas with nothing to do"]
    energy_measured: Annotated[bool, "", "whether its energy figures are measured ones"]
    preemptions: Annotated[int, "", "sequences that lost their memory"]


class Percentiles(TypedDict):
    """Mean and percentiles of a latency, seconds; None without a value."""

    mean: float | None
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None


class Latencies(TypedDict):
    """The latencies of completed requests after `warmup`."""

    ttft: Percentiles
    tpot: Percentiles
    e2e: Percentiles
    queueing: Percentiles


class Slo(TypedDict):
    """Objectives for latency."""

    ttft_s: Annotated[float | None, "s", "the scenario's objective"]
    tpot_s: Annotated[float | None, "s", "the scenario's objective"]
    e2e_s: Annotated[float | None, "s", "the scenario's objective"]
    attainment: Annotated[float | None, "0 to 1", "arrived requests that were completed within all stated objectives"]
    goodput_rps: Annotated[float | None, "requests/s", "the same per second up to the last arrival or answer"]


class TenantSummary(TypedDict):
    """A tenant's part."""

    name: Annotated[str, "", "the tenant"]
    alpha: Annotated[float, "0 to 1", "their promise"]
    satisfaction: Annotated[float | None, "0 to 1", "of their answered requests"]
    kept: Annotated[bool | None, "", "whether they are; null where none of them was answered"]
    margin: Annotated[float | None, "−1 to 1", "satisfaction − alpha, 0 where they are equal to 1e-9"]
    answered: Annotated[int, "requests", "their answered requests"]
    queue_final: Annotated[float, "answers", "their virtual queue at the end, as `sla.queue_final`"]
    certificate: Annotated[float | None, "0 to 1", "theirs"]
    rated: Annotated[int, "answers", "ratings of theirs, as `sla.rated`"]
    windows: Annotated[Windows | None, "", "as `sla.windows`, of their requests"]
    latency_s: Annotated[Latencies, "s", "as `latency_s`, of their requests"]
    slo: Annotated[Slo, "", "as `slo`, of their requests, by their objectives"]


class LongRun(TypedDict):
    """A mean latency in the long run, by batch means."""

    mean: float
    low: float | None
    high: float | None
    batches: int
    batch_size: int
    warmup: int
    warning: str | None


class Intervals(TypedDict):
    """Intervals of the mean latencies, where the run has a long run."""

    level: Annotated[float, "0 to 1", "probability with which an interval covers the mean in the long run"]
    refused: Annotated[
        str | None,
        "",
        "why the run has no long run to speak of: a router that learns, a trace, phases, saturation; null if it has",
    ]
    latency_s: Annotated[
        dict[LatencyName, LongRun | None] | None,
        "s",
        "by latency: `mean` after the warm-up with `low` and `high`, `batches` and `batch_size` behind them (batch "
        "means), `warmup` (values left out: the scenario's, else by MSER-5), `warning` (why not to trust it; null if "
        "nothing speaks against it); null where refused",
    ]


class Predictor(TypedDict):
    """How well predicted satisfaction fits."""

    log_loss: Annotated[float | None, "nats", "mean cross-entropy of the scores of chosen models"]
    auc: Annotated[float | None, "0 to 1", "probability that a satisfied answer had the higher score"]
    updates: Annotated[int, "", "steps of SGD, of all instances of the router"]


class Accuracy(TypedDict):
    """How exact the figures are."""

    percentile_relative_error: Annotated[
        float, "", "most that a percentile is off: it comes from a histogram with 1,024 bins per factor of 2"
    ]
    auc_bins: Annotated[int, "", "bins of scores behind the AUC"]
    in_flight_left_out_of_latencies: Annotated[int, "requests", "unfinished ones, which have no latency yet"]
    oracle_relative_error: Annotated[
        float,
        "",
        "most that `cost.oracle` is too dear: 0 where costs take few values, else what its histogram of 256 bins per "
        "factor of 2 leaves open",
    ]
    warmup_left_out_of_latencies: Annotated[
        int, "requests", "the scenario's `warmup`: the first requests, answered or not"
    ]


class Performance(TypedDict):
    """What the run took of the machine."""

    wall_s: Annotated[float, "s", "from the first draw to the last record"]
    requests_per_s: Annotated[float | None, "requests/s", "arrived requests per wall second"]
    events: Annotated[int, "", "events of the simulation"]
    events_per_s: Annotated[float | None, "1/s", "the same per wall second"]
    peak_rss_mib: Annotated[float, "MiB", "most memory of the process so far"]


class Provenance(TypedDict):
    """Where a result comes from."""

    messsim: str
    python: str
    packages: dict[str, str]
    platform: str
    machine: str
    cpus: int | None
    data: dict[str, str]


class Summary(TypedDict):
    """All figures of a run."""

    scenario: Annotated[str, "", "its name"]
    engine: Annotated[str, "", "`compiled` or `simpy`; both give the same numbers"]
    seed: Annotated[int, "", "seed of all chance"]
    replication: Annotated[int, "", "replication of the seed"]
    version: Annotated[str, "", "version of messsim"]
    requests: Requests
    sessions: Annotated[Sessions | None, "", "null where requests are no turns of sessions"]
    sla: Sla
    cost: Cost
    energy: Energy
    throughput: Throughput
    cache: Cache
    models: list[ModelSummary]
    router: RouterTimes
    transfers: Transfers
    pools: list[PoolSummary]
    tenants: list[TenantSummary]
    latency_s: Annotated[
        Latencies,
        "s",
        "`ttft`, `tpot`, `e2e`, `queueing`: each `mean`, `p50`, `p90`, `p95`, `p99`, of completed requests after "
        "`warmup`",
    ]
    intervals: Intervals
    slo: Slo
    predictor: Predictor
    accuracy: Accuracy
    performance: Performance
    provenance: NotRequired[Provenance]  # of summary.json alone
