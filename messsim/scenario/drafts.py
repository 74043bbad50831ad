"""Speculative decoding of a pool."""

from itertools import accumulate
from operator import mul
from typing import Annotated, Self

from pydantic import Discriminator, Field, Tag, model_validator

from .base import Fraction, NonNegative, Part

__all__ = ["Drafts"]

MOST_DRAFTS = 16  # MS_DRAFTS_MOST of csrc/drafts.h

# Tagged, so that an error is about one of them.
_OneOrEach = Annotated[
    Annotated[Fraction, Tag("number")] | Annotated[list[Fraction], Tag("list")],
    Discriminator(lambda value: "list" if isinstance(value, list) else "number"),
]


class Drafts(Part):
    """Speculative decoding: a draft model guesses tokens, which one iteration of the model checks at once."""

    tokens: int = Field(
        ge=1, le=MOST_DRAFTS, description="tokens that are drafted for each sequence and that an iteration checks"
    )
    acceptance: _OneOrEach = Field(
        description="probability that a draft is right if those before it are: of all, or of each in order"
    )
    draft_s: NonNegative = Field(0.0, description="time that drafting adds to an iteration, s")
    draft_s_per_sequence: NonNegative = Field(0.0, description="and for each decoding sequence, s")

    @model_validator(mode="after")
    def _one_for_each(self) -> Self:
        if isinstance(self.acceptance, list) and len(self.acceptance) != self.tokens:
            raise ValueError(
                f"acceptance has {len(self.acceptance)} probabilities for tokens = {self.tokens}; expected one for "
                "each, or one for all"
            )
        return self

    @property
    def accepted(self) -> list[float]:
        """The probability of each draft."""
        return self.acceptance if isinstance(self.acceptance, list) else [self.acceptance] * self.tokens

    def iterations(self, tokens: float) -> float:
        """Mean iterations that many tokens take: those beyond the last one wanted count too (renewal theory)."""
        reached = [1.0, *accumulate(self.accepted, mul)]  # P(X > x), X tokens of an iteration, x = 0, 1, ...
        mean = sum(reached)
        square = sum((2 * x + 1) * p for x, p in enumerate(reached))
        return max(tokens + square / (2.0 * mean) - 0.5, 1.0) / mean if tokens > 0.0 else 0.0
