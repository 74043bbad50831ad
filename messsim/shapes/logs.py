"""What `replay` and `import` print: of logs and traces that others wrote."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

__all__ = [
    "Baselines",
    "Exactly",
    "ImportedTrace",
    "InversePropensity",
    "LogHead",
    "LoggedSingle",
    "Refusal",
    "Replay",
    "ReplayFigures",
    "RouterFigures",
    "Shadow",
    "TenantShare",
    "TokenCounts",
]

Kind = Literal["all outcomes", "random", "propensities", "one outcome"]


class ReplayFigures(TypedDict):
    """A router over the log; costs in the log's unit, shares by model."""

    requests: int
    rated: int
    satisfaction: float | None
    shortfall: float | None
    time_to_compliance: int | None
    cost: float
    exploration_cost: float
    cost_per_request: float | None
    shares: list[float]


class RouterFigures(ReplayFigures):
    """The same of MESS+."""

    explored: int
    certificate: float | None


class LoggedSingle(TypedDict):
    """The cheapest model that keeps the promise alone on the log."""

    model: str
    cost_per_request: float


class Baselines(TypedDict):
    """Without a router, and with one that knows every outcome."""

    best_single: LoggedSingle | None
    static_mix_per_request: float | None
    oracle_per_request: float | None
    ratio_to_oracle: float | None


class Exactly(TypedDict):
    """What is known where the log has the outcome of every model."""

    mess_plus: RouterFigures
    baselines: Baselines


class InversePropensity(TypedDict):
    """Satisfaction of the decisions in shadow, estimated by inverse propensities."""

    satisfaction: float
    standard_error: float
    effective_sample_size: float


class Shadow(TypedDict):
    """What MESS+ would have decided, learning from the log's answers."""

    agreement: float
    shares: list[float]
    cost_per_request: float
    queue_final: float
    certificate_of_logged: float | None
    log_loss: float | None
    auc: float | None
    ips: InversePropensity | None


class Refusal(TypedDict):
    """What the log cannot tell, and why."""

    what: str
    why: str


class LogHead(TypedDict):
    """What every replay has; `baselines` where the log has the outcome of every model."""

    requests: int
    alpha: float
    V: float
    models: list[str]
    logged: ReplayFigures | None
    unanswered: int
    notes: list[str]
    baselines: NotRequired[Baselines]


class Replay(LogHead):
    """What `replay` prints."""

    kind: Kind
    mess_plus: RouterFigures | None
    shadow: Shadow | None
    refused: list[Refusal]


class TokenCounts(TypedDict):
    """Lengths, tokens."""

    mean: float
    p50: float
    p99: float
    max: float


class TenantShare(TypedDict):
    """A tenant's share of the requests."""

    name: str
    share: float


class ImportedTrace(TypedDict):
    """What `import` prints of a trace; `duration_s` is None where it has no times.

    `columns` are those of hashes and sessions, by what they hold, and `block_tokens` the tokens of a hash.
    """

    requests: int
    format: str | None
    start: str | None
    duration_s: float | None
    rate_rps: float | None
    prompt_tokens: TokenCounts
    output_tokens: TokenCounts
    tenants: list[TenantShare]
    columns: dict[str, str]
    block_tokens: int | None
    notes: list[str]
