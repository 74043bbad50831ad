"""What changes in the middle of a run."""

from typing import Self

from pydantic import Field, model_validator

from .base import Count, Fraction, NonNegative, Number, Part, Positive, Weight
from .laws import TokenLaw

__all__ = ["Phase"]


class Phase(Part):
    """From a request or a time on; each phase starts from the scenario, not from the phase before."""

    name: str | None = Field(None, description="name, for reports")
    from_request: Number | None = Field(None, description="first request of the phase, from 0")
    from_s: NonNegative | None = Field(
        None, description="its start, seconds; turns of a session are of the phase in which it began"
    )
    over_requests: Count | None = Field(
        None,
        description="satisfaction and difficulty do not jump but move in equal steps over so many requests, from what "
        "they were before (irt, from_request)",
    )
    over_s: Positive | None = Field(None, description="the same over so many seconds (irt, from_s)")
    withdrawn: list[str] = Field(
        default_factory=list,
        description="models that take no new requests; to add one, withdraw it in a phase from 0 on that the next ends",
    )
    cost_per_request: dict[str, NonNegative] = Field(
        default_factory=dict, description="expected cost by model, in cost.unit (cluster.mode none)"
    )
    price_factor: dict[str, NonNegative] = Field(
        default_factory=dict, description="multiplies all prices of a model's API, by model; others stay as they are"
    )
    rate_factor: Positive | None = Field(None, description="multiplies the arrival rate")
    satisfaction: dict[str, Fraction] = Field(default_factory=dict, description="mean satisfaction by model (irt)")
    columns: dict[str, str] = Field(default_factory=dict, description="outcome column by model (table)")
    difficulty: float | None = Field(None, ge=-1000, le=1000, description="added to every difficulty (irt)")
    tasks: dict[str, Weight] | None = Field(None, description="weights of the tasks by name (irt)")
    groups: list[str] | None = Field(
        None, min_length=1, description="only prompts of these groups (table, satisfaction.group)"
    )
    prompt: TokenLaw | None = Field(None, description="law of prompt tokens")
    output: TokenLaw | None = Field(None, description="law of answer tokens of all models")

    @model_validator(mode="after")
    def _one_start(self) -> Self:
        if (self.from_request is None) == (self.from_s is None):
            raise ValueError("expected exactly one of from_request and from_s")
        if self.over_requests is not None and self.from_request is None:
            raise ValueError("over_requests with from_s; expected over_s")
        if self.over_s is not None and self.from_s is None:
            raise ValueError("over_s with from_request; expected over_requests")
        return self

    @property
    def gradual(self) -> bool:
        """Whether what changes moves there step by step."""
        return self.over_requests is not None or self.over_s is not None

    @property
    def start(self) -> float:
        """Where it begins, a request or seconds."""
        return float(self.from_request if self.from_request is not None else self.from_s or 0.0)

    @property
    def over(self) -> float:
        """How long its changes take, requests or seconds."""
        return float(self.over_requests or self.over_s or 0.0)
