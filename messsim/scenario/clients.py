"""How long clients wait for an answer, and whether they ask again."""

from typing import Literal

from pydantic import Field

from .base import Fraction, NonNegative, Part, Positive
from .laws import ConstantDelay, WaitLaw

__all__ = ["Clients"]


class Clients(Part):
    """Patience and retries; without them clients wait as long as it takes, and take no answer for an answer."""

    patience_s: WaitLaw | None = Field(
        None,
        description="a client gives up after so many seconds without an answer: a number, or a law such as "
        '{kind = "exponential", mean_s = 30}; none: never',
    )
    until: Literal["answer", "first_token"] = Field(
        "answer", description="patience lasts until the answer is complete, or until its first token"
    )
    abort: bool = Field(
        True,
        description="servers stop working on what nobody waits for, at the next end of an iteration; false: they go on",
    )
    retries: int = Field(
        0, ge=0, le=100, description="how often a client asks again who was turned away, lost, or gave up"
    )
    backoff_s: WaitLaw = Field(ConstantDelay(mean_s=1.0), description="pause before the first retry: seconds, or a law")
    backoff_growth: float = Field(2.0, ge=1, le=10, description="each pause is so many times the one before")
    backoff_max_s: Positive | None = Field(None, description="no pause is longer, seconds; none: no limit")
    backoff_jitter: Fraction = Field(
        0.0, description="each pause is drawn from between what is left without this share of it and all of it"
    )
    retry_after_max_s: NonNegative = Field(
        0.0,
        description="a client that an API's limit a minute turns away asks again when the API says that it has enough "
        "again (Retry-After), if that is at most so many seconds away; else, and with 0, after the pause",
    )
    rate_giving_up: bool = Field(
        False,
        description="who gives up for good rates that as not satisfying: the router's queue hears of it, if the "
        "request is rated",
    )
