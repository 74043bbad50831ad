"""How long each request of a measured run was, where its result says more than the means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from messsim.workload.chunk import Floats

from ..runs.scratch import scratch

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ALIKE", "Law", "Lengths", "by_quantiles", "columns_of", "in_order_of", "of_columns", "shows_spread"]

COLUMNS = ("\0prompt lengths", "\0answer lengths")  # of lists, a run's in each row; of no file's
ALIKE = (
    "requests are taken to be all as long as their mean, which is no whole number: they differ, and a spread may "
    "change latencies by some per cent"
)
LEAST_OFF = 0.05  # tokens: so little is a token more or less in a few of the prompts
Tokens = npt.NDArray[np.int64]
Law = tuple[Sequence[float], Sequence[float], float]  # levels from 0 to 1, the quantiles at them, and the mean


@dataclass(frozen=True, eq=False)
class Lengths:
    """Prompts and answers of a run's requests in the order in which they were sent, tokens."""

    prompts: Tokens
    answers: Tokens

    def __len__(self) -> int:
        return len(self.prompts)

    @property
    def vary(self) -> bool:
        """Whether any request differs from another: else the means say it all."""
        return bool(np.ptp(self.prompts) or np.ptp(self.answers))

    def file(self) -> Path:
        """A file of them for `tokens.file` of a scenario, which lasts as long as this process."""
        import polars as pl

        path = Path(mkdtemp(dir=scratch().name)) / "lengths.csv"
        pl.DataFrame({"prompt_tokens": self.prompts, "output_tokens": self.answers}).write_csv(path)
        return path


def shows_spread(mean: float) -> bool:
    """Whether a mean says that lengths differ: it is no whole number, nor nearly one."""
    return abs(mean - round(mean)) > LEAST_OFF


def by_quantiles(requests: int, prompts: Law, answers: Law) -> Lengths:
    """Lengths of as many requests by quantiles of prompts and of answers, in a drawn order.

    Quantiles do not say whether long prompts have long answers: they are taken to have nothing to do with each other.
    """
    keys = np.random.default_rng(0).random((2, requests))
    return Lengths(in_order_of(keys[0], *prompts), in_order_of(keys[1], *answers))


def in_order_of(keys: Floats, levels: Sequence[float], quantiles: Sequence[float], mean: float) -> Tokens:
    """As many lengths as keys, evenly spaced in probability and stretched to a mean, the shortest at the least key."""
    ranks = keys.argsort().argsort()
    tokens = np.interp((ranks + 0.5) / len(keys), levels, quantiles)
    lengths: Tokens = np.maximum(np.rint(tokens * (mean / tokens.mean())), 1).astype(np.int64)
    return lengths


def columns_of(runs: Iterable[Lengths | None]) -> dict[str, pl.Series]:
    """Two columns of a table of runs that `of_columns` reads; none where no run's lengths are known."""
    import polars as pl

    known = list(runs)
    if not any(known):
        return {}
    lists = ([None if run is None else getattr(run, part).tolist() for run in known] for part in ("prompts", "answers"))
    return {name: pl.Series(each, dtype=pl.List(pl.Int64)) for name, each in zip(COLUMNS, lists, strict=True)}


def of_columns(frame: pl.DataFrame) -> list[Lengths | None]:
    """Lengths of each run's requests; none where they are not known, or all alike."""
    if not set(COLUMNS) <= set(frame.columns):
        return [None] * frame.height
    lists = zip(*(frame[name] for name in COLUMNS), strict=True)
    known = (None if prompts is None else Lengths(prompts.to_numpy(), answers.to_numpy()) for prompts, answers in lists)
    return [lengths if lengths is not None and lengths.vary else None for lengths in known]
