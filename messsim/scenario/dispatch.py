"""Which replica of a model gets a request: the rules, and the options of each."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from .base import Count, Fraction, NonNegative, Number, Part, Positive
from .problems import RULE_TAG

__all__ = [
    *("OWN", "Dispatch", "KvRouter", "OwnRule", "Packed", "PrefixAffinity", "ScoreWeights", "Scored"),
    "SessionAffinity",
]

OWN = re.compile(r"(?P<file>.+\.py):(?P<function>[A-Za-z_]\w*)")  # a function in a Python file
MOST_NUMBERS = 1_000_000

RuleName = Literal[
    "least_loaded",
    "round_robin",
    "power_of_two",
    "shared_queue",
    "random",
    "session",
    "prefix_affinity",
    "kv_router",
    "scored",
    "packed",
]


def _form(value: Any) -> str:
    return "own rule" if isinstance(value, str) and OWN.fullmatch(value) else RULE_TAG


Dispatch = Annotated[
    Annotated[RuleName, Tag(RULE_TAG)] | Annotated[str, Field(pattern=r"^.+\.py:[A-Za-z_]\w*$"), Tag("own rule")],
    Discriminator(_form),
]


class OwnRule(Part):
    """What dispatch = "FILE.py:function" gives to that function beside what it sees."""

    params: list[float] = Field(default_factory=list, max_length=MOST_NUMBERS, description="its constants")
    state: int = Field(0, ge=0, le=MOST_NUMBERS, description="numbers that it may change, for each model; 0 at first")


class Packed(Part):
    """Options of dispatch = "packed"."""

    requests: Count = Field(64, description="a replica with so many unfinished requests is full")


class SessionAffinity(Part):
    """Options of dispatch = "session"; defaults are llm-d's."""

    ttl_s: Positive = Field(300.0, description="a session that is not heard of for longer is forgotten, seconds")


class PrefixAffinity(Part):
    """Options of dispatch = "prefix_affinity"; defaults are those of SGLang's router."""

    cache_threshold: Fraction = Field(
        0.3, description="share of a prompt that must have gone to a replica before, for it to get the request"
    )
    balance_abs_threshold: Number = Field(
        64, description="loads are alike while the most and the least unfinished requests differ by at most so many,"
    )
    balance_rel_threshold: NonNegative = Field(1.5, description="or the most are at most so many times the least")
    max_tree_tokens: Number = Field(
        2**23,
        description="what the router remembers of a replica, tokens (SGLang: 2^25 characters, taken as 4 a token)",
    )
    eviction_interval_s: Positive = Field(
        120.0, ge=1e-3, description="between two times of forgetting the rest, seconds"
    )


class KvRouter(Part):
    """Options of dispatch = "kv_router"; defaults are those of NVIDIA Dynamo's router."""

    prefill_load_scale: NonNegative = Field(
        1.0, le=1e6, description="weight of the prompt tokens to compute at a replica against those that it holds"
    )
    overlap_credit: NonNegative = Field(
        1.0, le=1e6, description="of the prompt's tokens in a replica's prefix cache, how many need no computing"
    )


class ScoreWeights(Part):
    """What a replica's score is made of (csrc/dispatch_scored.c); defaults are llm-d's."""

    queue: NonNegative = Field(2.0, le=1e6, description="few waiting requests, relative to the other replicas")
    kv_cache: NonNegative = Field(2.0, le=1e6, description="little memory in use")
    prefix: NonNegative = Field(3.0, le=1e6, description="share of the prompt that was sent there before")
    load: NonNegative = Field(0.0, le=1e6, description="few waiting requests, 128 being many")
    token_load: NonNegative = Field(0.0, le=1e6, description="few prompt tokens that are still to be computed there")
    session: NonNegative = Field(0.0, le=1e6, description="where the session was sent last, for cluster.session.ttl_s")
    no_hit_lru: NonNegative = Field(
        0.0, le=1e6, description="of a prompt of which nobody has anything: who got such a one longest ago"
    )
    active: NonNegative = Field(
        0.0, le=1e6, description="few unfinished requests, relative to the other replicas; known at once"
    )


STICKY_WEIGHTS = {"queue": 0.0, "kv_cache": 0.0, "prefix": 0.0, "token_load": 1.0}


class Scored(Part):
    """Options of dispatch = "scored"; defaults are those of llm-d's router."""

    weights: ScoreWeights = Field(
        ScoreWeights(),
        description="of the scores; with sticky_until_saturated, token_load = 1 alone where nothing is said",
    )
    index_block_tokens: Count = Field(
        64,
        description="tokens of a block in which the router remembers what it sent; at least the first pool's own",
    )
    index_blocks: Count | None = Field(
        None,
        description="blocks that it remembers of a replica; none: as many as the replica's memory has, or 31,250 where "
        "that is not known",
    )
    index_tokens: Number = Field(131_072, description="tokens of a prompt that it looks at; 0: all")
    max_load_tokens: Positive = Field(4_194_304, description="token_load: tokens to compute that score 0")
    idle_requests: Number = Field(0, description="active: a replica with at most so many unfinished requests scores 1")
    max_busy_score: Fraction = Field(1.0, description="active: others score at most so much")
    cold_replicas: Count = Field(
        1024, le=2**31 - 1, description="no_hit_lru: replicas of a model that the router remembers, those of last"
    )
    sticky_until_saturated: bool = Field(
        False, description="whether only replicas come into question to which most of the prompt was sent before"
    )
    affinity_threshold: Fraction = Field(0.8, description="sticky: the share that is most of a prompt")
    max_ttft_penalty_s: NonNegative = Field(
        18.0, description="sticky: how much longer than elsewhere a prefill may have to wait, seconds; 0: however long"
    )
    peak_prefill_tokens_per_s: Positive = Field(
        15_928.0, description="sticky: prompt tokens/s that a replica computes, by which that is reckoned"
    )

    @model_validator(mode="after")
    def _sticky_weights(self) -> Self:
        """Fills in what goes with the filter; it does not count as set."""
        if self.sticky_until_saturated:
            given = self.weights.model_dump(include=self.weights.model_fields_set)
            self.__dict__["weights"] = ScoreWeights.model_construct(
                _fields_set=set(given), **ScoreWeights().model_dump() | STICKY_WEIGHTS | given
            )
        return self
