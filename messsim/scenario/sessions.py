"""What a prompt is made of: shared system prompts, and conversations of several turns."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .base import Part, Weight, expanding
from .laws import Constant, ExponentialDelay, TokenLaw, WaitLaw

__all__ = ["MOST_TURNS", "Prefixes", "Sessions", "TurnLaw"]

MOST_TURNS = 1000  # of one session
MOST_GROUPS = 1_000_000

Turns = Annotated[int, Field(ge=1, le=MOST_TURNS)]


class Prefixes(Part):
    """System prompts that requests share: each begins with the prompt of its group, one for a whole session."""

    choice: Literal["zipf", "tenant"] = Field(
        "zipf", description="which group a session, or a request, is of: by Zipf's law, or one for each tenant"
    )
    groups: int = Field(1, ge=1, le=MOST_GROUPS, description="how many system prompts there are (choice zipf)")
    exponent: float = Field(
        1.0, ge=0, le=10, description="of Zipf's law: the k-th group is chosen in proportion to k^-exponent"
    )
    tokens: TokenLaw = Field(
        Constant(tokens=500), description="length of a system prompt, drawn once for each group; before tokens.prompt"
    )

    @model_validator(mode="after")
    def _tenants_are_groups(self) -> Self:
        given = [name for name in ("groups", "exponent") if getattr(self, name) != 1]
        if self.choice == "tenant" and given:
            raise ValueError(f"{', '.join(given)} with choice = 'tenant': each tenant has a group of its own")
        return self


class ConstantTurns(Part):
    """Always the same number; a bare number means this too."""

    kind: Literal["constant"] = Field("constant", description="constant: always the same")
    turns: Turns = Field(description="turns")


class GeometricTurns(Part):
    """On 1, 2, ...: after each turn the user goes on with the same probability."""

    kind: Literal["geometric"] = Field("geometric", description="geometric: memoryless, on 1, 2, ...")
    mean: float = Field(ge=1, le=MOST_TURNS, description="mean before cutting, turns")
    max: Turns = Field(100, description="longer sessions are cut to it, turns")


class EmpiricalTurns(Part):
    """A histogram: each number of turns with its weight."""

    kind: Literal["empirical"] = Field("empirical", description="empirical: a histogram")
    turns: list[Turns] = Field(min_length=1, description="numbers of turns")
    weights: list[Weight] | None = Field(None, description="their weights; equal if left out")

    @model_validator(mode="after")
    def _weights_fit(self) -> Self:
        if self.weights is not None and len(self.weights) != len(self.turns):
            raise ValueError(f"{len(self.turns)} turns but {len(self.weights)} weights; expected one each")
        if self.weights is not None and sum(self.weights) <= 0:
            raise ValueError("the weights sum to 0; expected at least one above it")
        return self


_TurnTable = Annotated[ConstantTurns | GeometricTurns | EmpiricalTurns, Field(discriminator="kind")]
TurnLaw = Annotated[
    _TurnTable,
    expanding({}, "turns", "a number of turns, or a law such as {kind = 'geometric', mean = 4}", _TurnTable | Turns),
]


class Sessions(Part):
    """Conversations: arrivals are those of sessions, and each turn but the first waits for the answer before.

    The prompt of a turn is the prompt before, the answer that the user saw, and new text.
    """

    turns: TurnLaw = Field(GeometricTurns(mean=4.0), description="turns of a session, or a law")
    followup: TokenLaw | None = Field(
        None, description="law of the new text of a turn after the first, tokens; none: that of tokens.prompt"
    )
    think_s: WaitLaw = Field(
        ExponentialDelay(mean_s=30.0),
        description="from an answer to the next turn: seconds, or a law such as {kind = 'lognormal', mean_s = 40, "
        "cv = 1.5}",
    )
