"""What columns of other people's files mean, told by their names: for hints where one is missing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["COUNTED", "MEANINGS", "by_meaning", "meaning_of"]

# Words before: of no part of the tokens, no price and no limit.
OTHERWISE = r"(?!(\w*_)?(cached?|audio|images?|reasoning|costs?|price|limit|max|per)(_|$))(\w+_)"
# A name's words, in lower case and joined by one underscore, that a column of this meaning has; the surer first.
MEANINGS = {
    "arrival_s": (
        r"arriv(al|ed?|es)?(_time|_timestamp|_at)?",
        r"(request_)?(start(ed)?|sent|received|created?|begin)(_time|_timestamp|_at|_date)?s?",
        r"(event_|log_|logging_)?(time_?stamp|time|date_?time|ts|date|time_generated|time_local)(_utc|_iso(8601)?)?|when",
        r"(request|submi(t|tted)|queued|enqueued|issued|scheduled|recorded|logged|processed)"
        r"(_time_?stamp|_time|_date|_ts|_at)(_utc|_iso)?",  # the last: a request's time may be how long it took
    ),
    "prompt_tokens": (
        r"(num_|n_|number_|native_)?(prompt|input|request|context|prefill)_(tokens?|toks?|length|len|lens|token_count|token_num|num_tokens|size|sequence_length)",
        r"(num_|n_|number_|native_)?(tokens?|toks)_(prompt|input|in)|in_tokens|isl|prompt_eval_count",
        r"(prompt|input|in)(s|_usage)?|(num_|n_|number_)(prompt|input|in)",  # several prompts are no tokens
        r"total_(prompt|input)_(tokens?|length)",
        rf"{OTHERWISE}((prompt|input)_(tokens?|toks?|token_count)|(tokens?|toks?)_(prompt|input|in))",
    ),
    "output_tokens": (
        r"(num_|n_|number_|native_)?(output|completion|response|generated|generation|answer|decoded?|candidates)"
        r"_(tokens?|toks?|length|len|lens|token_count|token_num|num_tokens|size|sequence_length)",
        r"(num_|n_|number_|native_)?(tokens?|toks)_(output|completion|out|generated)|out_tokens|osl|eval_count",
        r"(output|completion|response|out)(s|_usage)?|(num_|n_|number_)(output|completion|response|out)",
        r"total_(output|completion|response)_(tokens?|length)",
        rf"{OTHERWISE}((output|completion|response)_(tokens?|toks?|token_count)|(tokens?|toks?)_(output|completion|out))",
    ),
    "model": (
        r"model(_name|_id|_used)?|llm(_selected|_name|_used|_model)?|deployment(_name)?",
        r"request_model|response_model|engine",
    ),
    "satisfied": (
        r"satisfied|(user_)?rating|score(_value)?|thumbs?(_up)?|(user_)?feedback(_score|_rating)?|label|correct|accepted",
        r"liked|grade|stars|reward",
    ),
    "cost": (r"(total_|request_)?(cost|spend|price|charge)(_usd|_total|_per_request)?|usd|energy(_j)?",),
    "tenant": (
        r"tenant(_id)?|(end_|request_)?user(_id|_name)?|customer(_id)?|team(_id)?",
        r"api_key(_name|_alias)?|organi[sz]ation(_id)?",
    ),
    "status": (r"(http_|response_|request_)?(status|code)(_code)?|response_status",),
}  # fmt: skip
COUNTED = ("prompt_tokens", "output_tokens")  # meanings of columns that count
WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")
UNIT = re.compile(r"_(s|ms|us|ns|sec|secs|seconds|millis|micros|nanos|unix|utc|unix_nano)$")


def meaning_of(name: str) -> str | None:
    """What a column of this name holds, if its name tells."""
    words = _words(name)
    return next((what for what, forms in MEANINGS.items() if any(re.fullmatch(f, words) for f in forms)), None)


def by_meaning(wanted: str, names: Iterable[str]) -> str | None:
    """The column that most likely holds what one of the wanted name would; None where none does."""
    what = meaning_of(wanted)
    if what is None:
        return None
    known = [(name, _words(name)) for name in names]
    for form in MEANINGS[what]:
        if collected := [name for name, words in known if re.fullmatch(form, words)]:
            return (get_close_matches(wanted, collected, n=1, cutoff=0.0) or collected)[0]
    return None


def _words(name: str) -> str:
    """The words of a name, or of the last part of its dotted path, without a unit."""
    for part in (name, name.rsplit(".", 1)[-1]):
        if "." not in part:
            return UNIT.sub("", "_".join(filter(None, WORDS.split(part))).lower())
    return ""
