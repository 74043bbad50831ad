"""Laws of token counts and of delays."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from .base import Count, NonNegative, Part, Positive, named

__all__ = ["DelayLaw", "Empirical", "TokenLaw"]


class Constant(Part):
    """Always the same count; a bare number means this too."""

    kind: Literal["constant"] = "constant"
    tokens: Count = Field(description="tokens")


class Geometric(Part):
    """On 1, 2, ...: what M/M/1-like service needs."""

    kind: Literal["geometric"] = "geometric"
    mean: float = Field(ge=1, description="mean, tokens")
    max: Count = Field(1_000_000, description="longer draws are cut to it, tokens")


class Lognormal(Part):
    """Rounded to whole tokens, at least 1 and at most `max`; mean and cv are those before that."""

    kind: Literal["lognormal"] = "lognormal"
    mean: Positive = Field(description="mean of the law before rounding and cutting, tokens")
    cv: Positive = Field(description="coefficient of variation: standard deviation over mean")
    max: Count = Field(1_000_000, description="longer draws are cut to it, tokens")


class Empirical(Part):
    """A histogram: each count of tokens with its weight."""

    kind: Literal["empirical"] = "empirical"
    tokens: list[Count] = Field(min_length=1, description="token counts")
    weights: list[NonNegative] | None = Field(None, description="their weights; equal if left out")

    @model_validator(mode="after")
    def _weights_fit(self) -> Self:
        if self.weights is not None and len(self.weights) != len(self.tokens):
            raise ValueError(f"{len(self.tokens)} tokens but {len(self.weights)} weights; expected one each")
        if self.weights is not None and sum(self.weights) <= 0:
            raise ValueError("the weights sum to 0; expected at least one above it")
        return self


class FromTrace(Part):
    """The count that the trace has for the same request."""

    kind: Literal["trace"] = "trace"


class FromTable(Part):
    """The count that the outcome table has for the prompt drawn (and, for answers, for the model)."""

    kind: Literal["table"] = "table"


TokenLaw = Annotated[
    Annotated[Constant | Geometric | Lognormal | Empirical | FromTrace | FromTable, Field(discriminator="kind")],
    named("constant", "tokens"),
]


class Immediate(Part):
    """Known before the next request is routed: the paper's setting."""

    kind: Literal["immediate"] = "immediate"


class ConstantDelay(Part):
    """Always the same; a bare number of seconds means this too."""

    kind: Literal["constant"] = "constant"
    mean_s: NonNegative = Field(description="seconds")


class ExponentialDelay(Part):
    """Memoryless."""

    kind: Literal["exponential"] = "exponential"
    mean_s: Positive = Field(description="mean, seconds")


class LognormalDelay(Part):
    """Skewed: most soon, some very late."""

    kind: Literal["lognormal"] = "lognormal"
    mean_s: Positive = Field(description="mean, seconds")
    cv: Positive = Field(description="coefficient of variation")


def _expand(value: Any) -> Any:
    if value == "immediate":
        return {"kind": "immediate"}
    return value if isinstance(value, (dict, Part, str)) else {"kind": "constant", "mean_s": value}


DelayLaw = Annotated[
    Annotated[Immediate | ConstantDelay | ExponentialDelay | LognormalDelay, Field(discriminator="kind")],
    BeforeValidator(_expand),
]
