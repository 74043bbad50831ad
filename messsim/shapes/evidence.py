"""What `converge`, `verify`, `validate` and `reproduce` print: how promises converge, what speaks for the simulator."""

from typing import Any, Literal

from typing_extensions import TypedDict

from .studies import IntervalSummary

__all__ = [
    "Accounting",
    "Accuracy",
    "AccuracyTable",
    "BestSingleOfPaper",
    "ConvergenceSummary",
    "Ends",
    "Facts",
    "Gap",
    "KeptShare",
    "MeanCost",
    "MeanCosts",
    "Order",
    "Overhead",
    "PaperBenchmark",
    "PaperRun",
    "PaperSummary",
    "PinnedRecords",
    "Published",
    "Quantile",
    "Quantiles",
    "Quantity",
    "Since",
    "Slope",
    "SpreadWithQuantiles",
    "TheoryPoint",
    "TheorySummary",
    "Verification",
    "VerifiedCase",
]


Quantile = Literal["p05", "p25", "p50", "p75", "p95"]
Quantity = Literal["satisfaction", "certificate", "queue", "cost_per_request"]


class Quantiles(TypedDict):
    """Over replications; None where so many never come to it."""

    p05: float | None
    p25: float | None
    p50: float | None
    p75: float | None
    p95: float | None


class Since(Quantiles):
    """The request from which runs keep their promise for good; `never` counts those that do not."""

    never: int


class SpreadWithQuantiles(Quantiles):
    """A figure over replications."""

    mean: float
    low: float | None
    high: float | None
    count: int


class Ends(TypedDict):
    """Figures at the end of the runs."""

    satisfaction: SpreadWithQuantiles | None
    certificate: SpreadWithQuantiles | None
    queue: SpreadWithQuantiles | None
    cost_per_request: SpreadWithQuantiles | None


class KeptShare(TypedDict):
    """In how many runs a promise is kept, and the interval of its probability."""

    runs: int
    share: float
    low: float
    high: float


class ConvergenceSummary(TypedDict):
    """What `converge` prints."""

    scenario: str
    policy: str
    version: str
    seed: int
    replications: int
    requests: int
    alpha: float
    cost_unit: str
    level: float
    kept: KeptShare
    time_to_compliance: Since
    end: Ends


Facts = dict[str, Any]  # of a measured row, or errors of a group of them, by the columns of its table


class AccuracyTable(TypedDict):
    """Rows of one table of measurements against what was predicted of them."""

    rows: list[Facts]
    groups: list[Facts]
    summary: list[Facts]
    without_profile: list[Facts]


Accuracy = dict[str, AccuracyTable]  # by table


class Coefficient(TypedDict):
    """A coefficient of a profile: `value` is None where the measurements do not determine it, `why` says why."""

    value: float | None
    standard_error: float | None
    how: str
    why: str | None


class Whose(TypedDict):
    """What measurements are of."""

    model: str | None
    gpu: str | None
    tp: int


class Profiled(Whose):
    """What a fitted profile is of."""

    experts: int
    top_k: int
    kv_capacity_tokens: int | None
    engine: str | None
    base: str | None


class Calibration(Profiled):
    """What `calibrate` prints.

    Attributes
    ----------
    left_out
        Rows of iterations that the memory cannot hold, beyond `kv_capacity_tokens`: no server runs them, and they would
        bend the fit.
    up_to
        The greatest prompt, batch and so on of the rows: beyond, a profile extrapolates.
    coefficients
        By name.
    measure_next
        What to measure for the coefficients that are not determined.
    errors
        Relative errors of the fit on its own rows, by region.
    notes
        Which rows do not count, and how many.
    """

    file: str
    kind: Literal["served", "iterations"]
    rows: int
    left_out: int
    up_to: dict[str, float]
    coefficients: dict[str, Coefficient]
    not_determined: list[str]
    measure_next: list[str]
    errors: list[Facts]
    notes: list[str]


class VerifiedCase(TypedDict):
    """A queue beside its theory, in `unit`."""

    name: str
    unit: str
    theory: float
    simulated: float
    ci_low: float | None
    ci_high: float | None
    bias: float
    relative_error: float
    relative_half_width: float
    agrees: bool
    narrow: bool
    passed: bool
    timing: bool


class PinnedRecords(TypedDict):
    """Half a SHA-256 over the records of a scenario: what it was, and what it is."""

    scenario: str
    pinned: str
    sum: str
    same: bool


class Verification(TypedDict):
    """What `verify` prints; `passed` if all cases did and all pinned records are the same."""

    passed: bool
    engine: str
    seed: int
    size: float
    slow_server: float
    replications: int
    requests: int
    family_level: float
    level: float
    widest: float
    cases: list[VerifiedCase]
    records: list[PinnedRecords]


class Accounting(TypedDict):
    """Satisfaction and energy in one accounting, MJ for all requests of a benchmark."""

    satisfaction: IntervalSummary
    cost_mj: IntervalSummary


class PaperRun(TypedDict):
    """A benchmark at one rate of exploration: in the paper's accounting, and with everything."""

    c: float
    paper: Accounting
    whole: Accounting
    shares: dict[str, float]
    explored: float
    kept: int
    less_than_published: float
    ratio_to_oracle: float | None


class Published(TypedDict):
    """What the paper states of a benchmark."""

    satisfaction: float
    shares: dict[str, float] | None


class BestSingleOfPaper(TypedDict):
    """The cheapest model that keeps the promise alone."""

    model: str | None
    cost_mj: float | None


class PaperBenchmark(TypedDict):
    """One of the paper's benchmarks."""

    name: str
    title: str
    alpha: float
    requests: int
    published: Published
    best_single: BestSingleOfPaper
    static_mix_mj: float | None
    runs: list[PaperRun]


class MeanCost(TypedDict):
    """Over the benchmarks, at one rate of exploration."""

    c: float
    paper_mj: float
    whole_mj: float


class MeanCosts(TypedDict):
    """Beside what was published."""

    ours: list[MeanCost]
    published_mj: float
    rivals_mj: list[float]


class PaperSummary(TypedDict):
    """What `reproduce paper` prints. Costs are megajoules for all requests of a benchmark.

    Attributes
    ----------
    benchmarks
        What was published of each, what needs no router (`best_single`, `static_mix_mj`), and `runs`, one for each c.
        A run's `paper` is the paper's accounting (mean over steps of the satisfaction so far; energy of exploiting
        steps only), `whole` the provider's (satisfaction at the end; energy with exploration), with intervals over
        replications.
    mean_cost
        Over the benchmarks, for each c, beside the published.
    """

    version: str
    data: str
    replications: int
    missing: list[str]
    benchmarks: list[PaperBenchmark]
    mean_cost: MeanCosts


TheoryPoint = dict[str, float]  # `measured` and `predicted` against V, c or t


class Slope(TypedDict):
    """The exponent of a power law; None where too few points are positive."""

    of: str
    against: str
    predicted: str
    measured: float | None


class Order(TypedDict):
    """A quantity whose order the paper proves."""

    slopes: list[Slope]
    points: list[TheoryPoint]


class Gap(Order):
    """Cost beyond the oracle's."""

    floor_j: float
    predicted: list[TheoryPoint]


class Overhead(Order):
    """Cost of exploring, also against the number of requests."""

    by_t: list[TheoryPoint]


class TheorySummary(TypedDict):
    """What `reproduce theory` prints.

    Attributes
    ----------
    price
        Lambda, the feature oracle's price of satisfaction, J.
    optimum
        Its cost, J per request.
    shortfall, gap, overhead, queue
        The four orders: `slopes` are exponents of power laws, fitted by least squares on log axes to `points`.
    """

    version: str
    requests: int
    replications: int
    alpha: float
    price: float
    optimum: float
    shortfall: Order
    gap: Gap
    overhead: Overhead
    queue: Order
