"""When requests come: the `[arrivals]` table."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from .base import NonNegative, Part, Positive, TokenCount

__all__ = ["Arrivals", "Closed", "Diurnal", "Gamma", "Mmpp", "Poisson", "Trace"]


class Poisson(Part):
    """Memoryless arrivals at a constant rate."""

    kind: Literal["poisson"] = Field("poisson", description="poisson: memoryless, at a constant rate")
    rate_rps: Positive = Field(description="requests per second")


class Gamma(Part):
    """Gamma-distributed gaps: cv above 1 is burstier than Poisson, below 1 more regular."""

    kind: Literal["gamma"] = Field("gamma", description="gamma: burstier or more regular than poisson")
    rate_rps: Positive = Field(description="requests per second")
    cv: float = Field(ge=0.05, le=20, description="coefficient of variation of the gaps")


class Mmpp(Part):
    """A Markov-modulated Poisson process of two states: calm and burst."""

    kind: Literal["mmpp"] = Field("mmpp", description="mmpp: calm periods and bursts, in turn")
    rate_rps: NonNegative = Field(description="requests per second while calm")
    burst_rate_rps: Positive = Field(description="requests per second in a burst")
    mean_calm_s: Positive = Field(description="mean length of a calm period, seconds")
    mean_burst_s: Positive = Field(description="mean length of a burst, seconds")


class Diurnal(Part):
    """A Poisson process whose rate goes through a day and begins again."""

    kind: Literal["diurnal"] = Field("diurnal", description="diurnal: a rate for each slot of the day")
    rates_rps: list[NonNegative] = Field(
        min_length=2, description="requests per second in each slot of the day, in order (24: by the hour)"
    )
    day_s: Positive = Field(86_400.0, description="length of the day, seconds")

    @model_validator(mode="after")
    def _someone_comes(self) -> Self:
        if not any(self.rates_rps):
            raise ValueError("all rates are 0; expected at least one above it")
        return self


class Columns(Part):
    """Which columns of the file mean what."""

    time: str = Field("arrival_s", description="column of arrival times: numbers, or dates and times")
    time_format: str = Field(
        "auto",
        description="s, ms, us, ns, min, h, d, iso, or a pattern of strftime; auto: by the column's suffix (_ms), "
        "by the size of seconds since 1970, or dates in any common form",
    )
    time_zone: str | None = Field(None, description="time zone of dates that name none (IANA name); none: UTC")
    prompt_tokens: str = Field("prompt_tokens", description="column of prompt token counts")
    output_tokens: str = Field("output_tokens", description="column of answer token counts")
    tenant: str | None = Field(
        None, description="column of who asks, by the names in tenants; none: drawn by tenants.share"
    )
    hash_ids: str | None = Field(
        None, description="column of the ids of a prompt's blocks, a list for each; none: prompts share nothing"
    )
    session: str | None = Field(
        None, description="column of the session, whose rows are its turns in order (with delay); none: single requests"
    )
    delay: str | None = Field(
        None, description="column of the time from the answer to the turn before until this one is sent"
    )
    delay_format: Literal["s", "ms"] = Field("s", description="unit of delay")
    chat: str | None = Field(None, description="column that names a request, for parent")
    parent: str | None = Field(
        None, description="column of the request whose answer this turn follows, as chat names it; -1 or nothing: none"
    )
    turn: str | None = Field(
        None, description="column of the number of the turn, which rises from a parent to those who follow it"
    )

    @property
    def has_sessions(self) -> bool:
        """Whether rows are turns of sessions."""
        return self.session is not None or self.parent is not None


_LENGTHS = {"prompt_tokens": "input_length", "output_tokens": "output_length", "hash_ids": "hash_ids"}
_MOONCAKE = {"time": "timestamp", "time_format": "ms"} | _LENGTHS

# (columns, tokens of a block) of traces as their authors publish them
FORMATS: dict[str, tuple[dict[str, str], int]] = {
    "columns": ({}, 512),
    "mooncake": (_MOONCAKE, 512),
    "dynamo": (_MOONCAKE | {"session": "session_id", "delay": "delay", "delay_format": "ms"}, 512),
    "qwen-bailian": (
        {"time": "timestamp", "time_format": "s", "chat": "chat_id", "parent": "parent_chat_id", "turn": "turn"}
        | _LENGTHS,
        16,
    ),
}


class Trace(Part):
    """Requests from a file: CSV, CSV.gz, Parquet or JSONL."""

    kind: Literal["trace"] = Field("trace", description="trace: from a file")
    file: str = Field(description="path, relative to the scenario's folder")
    format: Literal["columns", "mooncake", "dynamo", "qwen-bailian"] = Field(
        "columns",
        description="whose columns the file has, where columns does not say: messsim's, Mooncake's, NVIDIA Dynamo's "
        "(Mooncake's with session_id and delay) or Qwen-Bailian's",
    )
    columns: Columns = Field(Columns(), description="names of the columns")
    block_tokens: TokenCount = Field(
        512, description="tokens of a block that hash_ids names; with format qwen-bailian 16 by default"
    )
    rate_rps: Positive | None = Field(
        None, description="stretch time so that the mean rate is this, requests per second"
    )
    window_s: list[NonNegative] | None = Field(
        None,
        min_length=2,
        max_length=2,
        description="use only this window [from, to) of the trace, seconds since its first request, before stretching",
    )
    repeat: bool = Field(True, description="begin again when the trace ends before the run")

    @model_validator(mode="before")
    @classmethod
    def _by_format(cls, given: Any) -> Any:
        """Fills in the columns and blocks of the format, where the scenario says nothing of them."""
        if not isinstance(given, dict) or given.get("format") not in FORMATS:
            return given
        columns, block_tokens = FORMATS[given["format"]]
        named = given.get("columns", {})
        if not isinstance(named, dict):
            return given
        return {"block_tokens": block_tokens} | given | {"columns": columns | named}

    @model_validator(mode="after")
    def _sessions_are_whole(self) -> Self:
        names = self.columns
        if (names.session is None) != (names.delay is None):
            raise ValueError("columns.session and columns.delay: expected both of them, or none")
        if (names.chat is None) != (names.parent is None):
            raise ValueError("columns.chat and columns.parent: expected both of them, or none")
        if names.session is not None and names.parent is not None:
            raise ValueError("columns.session and columns.parent: expected only one of them to tell sessions")
        if names.turn is not None and names.parent is None:
            raise ValueError("columns.turn: expected columns.parent, which it is checked against")
        return self

    @model_validator(mode="after")
    def _window_has_length(self) -> Self:
        if self.window_s is not None and self.window_s[0] >= self.window_s[1]:
            raise ValueError(f"window_s = {self.window_s} is empty; expected [from, to) with from < to")
        return self


class Closed(Part):
    """A fixed number of clients, each asking again when its last answer is complete."""

    kind: Literal["closed"] = Field("closed", description="closed: clients who wait for their answers")
    clients: int = Field(ge=1, le=1_000_000, description="number of clients")
    think_s: NonNegative = Field(0.0, description="mean pause between an answer and the next request, seconds")
    think: Literal["constant", "exponential"] = Field("constant", description="law of the pause")


Arrivals = Annotated[Poisson | Gamma | Mmpp | Diurnal | Trace | Closed, Field(discriminator="kind")]
