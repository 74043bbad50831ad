"""Labelled requests that a predictor learns from before a run: ``router.predictor.warm_start``."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from messsim.errors import DataError

from .chunk import Floats
from .readers import numbers, read, with_rows_in_file

__all__ = ["read_labelled"]

FEATURE, SATISFIED = "feature__", "satisfied__"


def read_labelled(file: Path, models: Sequence[str], features: int) -> tuple[Floats, Floats]:
    """Features [n, d] and labels [n, models] of a table's rows, NaN where there is no label.

    Parameters
    ----------
    file
        CSV, Parquet or JSONL with columns ``feature__NAME``, in the order of their names those of a request, and
        ``satisfied__MODEL``, from 0 to 1, for any of the models; empty where nobody rated.

    Raises
    ------
    DataError
        If the file is none, has another number of features, no column of any model's, or a value out of range.
    """
    import polars as pl

    frame = read(file)
    names = sorted(c for c in frame.columns if c.startswith(FEATURE))
    if len(names) != features:
        have = f"has {len(names)} columns {FEATURE}NAME"
        raise DataError(f"{have}; expected {features}, the features of a request", str(file))
    columns = [(i, SATISFIED + m) for i, m in enumerate(models) if SATISFIED + m in frame.columns]
    if not columns:
        expected = ", ".join(SATISFIED + m for m in models)
        raise DataError(f"has no labels; expected any of the columns {expected}", str(file))
    labels = np.full((frame.height, len(models)), np.nan)
    for i, column in columns:
        known = with_rows_in_file(frame).filter(pl.col(column).is_not_null())
        if known.height:
            labels[frame[column].is_not_null().to_numpy(), i] = numbers(known, column, file, least=0, most=1)
    return np.stack([numbers(frame, c, file) for c in names], axis=1) if names else np.empty((frame.height, 0)), labels
