"""Laws of token counts, of delays and of waits."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .base import MOST_TOKENS, NonNegative, Part, Positive, TokenCount, Weight, expanding

__all__ = ["Builtin", "DelayLaw", "Empirical", "TokenLaw", "Tokens", "WaitLaw"]

Cv = Annotated[float, Field(ge=1e-3, le=100)]


class Constant(Part):
    """Always the same count; a bare number means this too."""

    kind: Literal["constant"] = Field("constant", description="constant: always the same")
    tokens: TokenCount = Field(description="tokens")


class Geometric(Part):
    """On 1, 2, ...: what M/M/1-like service needs."""

    kind: Literal["geometric"] = Field("geometric", description="geometric: memoryless, on 1, 2, ...")
    mean: float = Field(ge=1, le=MOST_TOKENS, description="mean before cutting, tokens")
    max: TokenCount = Field(1_000_000, description="longer draws are cut to it, tokens")


class Lognormal(Part):
    """Rounded to whole tokens, at least 1 and at most `max`; mean and cv are those before that."""

    kind: Literal["lognormal"] = Field("lognormal", description="lognormal: skewed, as real traffic is")
    mean: float = Field(gt=0, le=MOST_TOKENS, description="mean before rounding and cutting, tokens")
    cv: Cv = Field(description="coefficient of variation: standard deviation over mean")
    max: TokenCount = Field(1_000_000, description="longer draws are cut to it, tokens")


class Empirical(Part):
    """A histogram: each count of tokens with its weight."""

    kind: Literal["empirical"] = Field("empirical", description="empirical: a histogram")
    tokens: list[TokenCount] = Field(min_length=1, description="counts, tokens")
    weights: list[Weight] | None = Field(None, description="their weights; equal if left out")

    @model_validator(mode="after")
    def _weights_fit(self) -> Self:
        if self.weights is not None and len(self.weights) != len(self.tokens):
            raise ValueError(f"{len(self.tokens)} tokens but {len(self.weights)} weights; expected one each")
        if self.weights is not None and sum(self.weights) <= 0:
            raise ValueError("the weights sum to 0; expected at least one above it")
        return self


class FromTrace(Part):
    """The count that a row of the trace has: of arrivals, for the same request, or of tokens.file."""

    kind: Literal["trace"] = Field("trace", description="trace: as long as in the trace")


class FromTable(Part):
    """The count that the outcome table has for the prompt drawn (and, for answers, for the model)."""

    kind: Literal["table"] = Field("table", description="table: as long as in the outcome table")


class Builtin(Part):
    """Lengths of real answers to a task, thinking included: of the ML.ENERGY Benchmark, version 3."""

    kind: Literal["builtin"] = Field("builtin", description="builtin: as long as a real model's answers to a task")
    task: str = Field(
        description="gpqa (questions with long thinking), lm-arena-chat (conversation) or sourcegraph-fim (code)"
    )
    model: str | None = Field(
        None,
        description="whose answers, such as 'openai/gpt-oss-120b'; none: those of the model by its name or profile",
    )


_TokenTable = Annotated[
    Constant | Geometric | Lognormal | Empirical | FromTrace | FromTable | Builtin, Field(discriminator="kind")
]
TokenLaw = Annotated[
    _TokenTable,
    expanding(
        {}, "tokens", "a number of tokens, or a law such as {kind = 'geometric', mean = 150}", _TokenTable | TokenCount
    ),
]


_LimitTable = Annotated[Constant | Geometric | Lognormal | Empirical, Field(discriminator="kind")]
LimitLaw = Annotated[
    _LimitTable,
    expanding(
        {},
        "tokens",
        "a number of tokens, or a law such as {kind = 'empirical', tokens = [256, 1024]}",
        _LimitTable | TokenCount,
    ),
]


class Immediate(Part):
    """Known before the next request is routed: the paper's setting."""

    kind: Literal["immediate"] = Field("immediate", description="immediate: none at all")


class ConstantDelay(Part):
    """Always the same; a bare number of seconds means this too."""

    kind: Literal["constant"] = Field("constant", description="constant: always the same")
    mean_s: NonNegative = Field(description="seconds")


class ExponentialDelay(Part):
    """Memoryless."""

    kind: Literal["exponential"] = Field("exponential", description="exponential: memoryless")
    mean_s: Positive = Field(description="mean, seconds")


class LognormalDelay(Part):
    """Skewed: most soon, some very late."""

    kind: Literal["lognormal"] = Field("lognormal", description="lognormal: most soon, some very late")
    mean_s: Positive = Field(description="mean, seconds")
    cv: Cv = Field(description="coefficient of variation: standard deviation over mean")


_DelayTable = Annotated[Immediate | ConstantDelay | ExponentialDelay | LognormalDelay, Field(discriminator="kind")]
DelayLaw = Annotated[
    _DelayTable,
    expanding(
        {"immediate": {"kind": "immediate"}},
        "mean_s",
        "'immediate', a number of seconds, or a law such as {kind = 'exponential', mean_s = 60}",
        _DelayTable | NonNegative | Literal["immediate"],
    ),
]

_WaitTable = Annotated[ConstantDelay | ExponentialDelay | LognormalDelay, Field(discriminator="kind")]
WaitLaw = Annotated[
    _WaitTable,
    expanding(
        {},
        "mean_s",
        "a number of seconds, or a law such as {kind = 'exponential', mean_s = 60}",
        _WaitTable | NonNegative,
    ),
]


class LengthColumns(Part):
    """Which columns of a file of lengths mean what."""

    prompt_tokens: str = Field("prompt_tokens", description="column of prompt token counts")
    output_tokens: str = Field("output_tokens", description="column of answer token counts")


class Tokens(Part):
    """How long prompts and answers are."""

    file: str | None = Field(
        None,
        description="file of lengths for laws of kind 'trace', relative to the scenario's folder; none: the trace of "
        "arrivals",
    )
    columns: LengthColumns = Field(LengthColumns(), description="names of its columns")
    order: Literal["random", "file"] = Field(
        "random", description="which row of it a request takes: random, or in the file's order"
    )
    prompt: TokenLaw = Field(Constant(tokens=500), description="law of prompt tokens")
    output: TokenLaw = Field(Constant(tokens=150), description="law of answer tokens, where a model has none")
    max_new_tokens: LimitLaw | None = Field(
        None,
        description="law of the limit, tokens, that each client sets its answer (max_tokens), to which answers are "
        "cut, by which servers judge lengths, and for which sglang and tensorrt-llm keep memory free; none: no limits",
    )
