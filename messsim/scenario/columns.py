"""Columns of a trace, or of a file of lengths, that are read as two things."""

from collections.abc import Iterator
from itertools import combinations

from .arrivals import Arrivals
from .laws import Tokens

__all__ = ["column_problems"]


def column_problems(arrivals: Arrivals, tokens: Tokens, *, prompts: bool, outputs: bool) -> Iterator[str]:
    """One line for each two keys that name one column.

    Parameters
    ----------
    prompts, outputs
        Whether any law of prompts, and of answers, reads lengths from a file.
    """
    read: list[tuple[str, str]] = []
    if tokens.file is not None:
        table, lengths = "tokens.columns", (tokens.columns.prompt_tokens, tokens.columns.output_tokens)
    elif arrivals.kind == "trace":
        table, lengths = "arrivals.columns", (arrivals.columns.prompt_tokens, arrivals.columns.output_tokens)
        read.append(("time", arrivals.columns.time))
    else:
        return
    read += [("prompt_tokens", lengths[0])] * prompts + [("output_tokens", lengths[1])] * outputs
    for (one, column), (other, same) in combinations(read, 2):
        if column == same:
            yield f"{table}: {one} and {other} are both {column!r}; expected a column for each"
