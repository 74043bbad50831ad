"""Tables of lm-evaluation-harness with several metrics of one answer, of which one counts."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

__all__ = ["metrics_note"]

METRICS = ("acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match", "f1")  # also where no list names them


def metrics_note(frame: pl.DataFrame, taken: str | None, listed: Sequence[str] = ()) -> list[str]:
    """A note on which of several metrics counts, and how to take another; none where there is but one.

    Parameters
    ----------
    taken
        The one that nobody asked for by name.
    listed
        What the file itself calls metrics.
    """
    there = [m for m in dict.fromkeys((*listed, *METRICS)) if m in frame.columns]
    metrics = [m for m in there if not frame[m].dtype.is_nested() and frame[m].count()]
    if taken not in metrics or len(metrics) < 2:
        return []
    others = " or ".join(shlex.quote(m) for m in metrics if m != taken)
    return [f"answers have several metrics ({', '.join(metrics)}): {taken} is taken; --score {others} takes another"]
