"""What changes in the middle of a run."""

from typing import Self

from pydantic import Field, model_validator

from .base import Fraction, NonNegative, Number, Part, Positive, Weight
from .laws import TokenLaw

__all__ = ["Phase"]


class Phase(Part):
    """From a request or a time on; each phase starts from the scenario, not from the phase before."""

    name: str | None = Field(None, description="name, for reports")
    from_request: Number | None = Field(None, description="first request of the phase, from 0")
    from_s: NonNegative | None = Field(None, description="its start, seconds")
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
        return self
