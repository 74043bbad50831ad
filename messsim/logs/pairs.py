"""Judgments of pairs of answers: read where one of each pair is a baseline's, refused where two models vote it out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from messsim.errors import DataError
from messsim.workload.readers import first_bad, rows_in_file

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Pairs", "judged_pairs", "refuse_votes"]

# Columns of votes: of Chatbot Arena (its releases and its Kaggle table), MT-bench, Arena-Hard.
VOTES = (
    {"model_a", "model_b", "winner"},
    {"model_a", "model_b", "winner_model_a"},
    {"model_1", "model_2", "g1_winner"},
    {"model", "baseline", "games"},
)
ALPACA = {"generator_1", "generator_2", "preference", "instruction"}
WHY = "votes say which of two answers is better, not whether either satisfies; expected scores of answers"


@dataclass(frozen=True)
class Pairs:
    """Answers of one model, scored against those of a baseline."""

    frame: pl.DataFrame
    model: str
    note: str


def judged_pairs(frame: pl.DataFrame, path: Path, *, skips: bool = False) -> Pairs | None:
    """AlpacaEval's annotations as scores of its second generator: how surely it is preferred; None: it holds no pairs.

    Parameters
    ----------
    skips
        Whether a preference that is no number is no score, and no error.

    Raises
    ------
    DataError
        For votes between models, annotations of several models, and a preference that is no number.
    """
    import polars as pl

    refuse_votes(frame, path)
    if not set(frame.columns) >= ALPACA:
        return None
    models, baselines = (frame[f"generator_{n}"].unique(maintain_order=True).to_list() for n in (2, 1))
    if len(models) > 1:
        first = f"--select 'generator_2={models[0]}'"
        raise DataError(f"has {len(models)} values of generator_2; expected one: {first}", str(path))
    given = frame["preference"]
    preference = given.cast(pl.Float64, strict=False)
    bad = preference.is_null() & given.is_not_null()
    if bad.any() and not skips:
        raise first_bad(
            "preference",
            bad,
            given,
            "a number; --skip-failed leaves out what is none",
            path,
            places=rows_in_file(frame),
        )
    preference = preference.set(preference == 0, 1.5)  # how older versions write a draw
    scored = frame.with_columns((preference - 1).alias("score"))
    note = f"{path.name}: a score is how surely it is preferred to {', '.join(map(str, baselines))}"
    return Pairs(scored, str(models[0]), note)


def refuse_votes(frame: pl.DataFrame, path: Path) -> None:
    """Raises a DataError for votes between two models."""
    if any(vote <= set(frame.columns) for vote in VOTES):
        raise DataError(f"holds votes on pairs of answers: {WHY}", str(path))
