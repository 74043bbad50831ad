"""HELM's statistics of instances: per_instance_stats.json, and display_predictions.json."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from messsim.errors import DataError
from messsim.workload.documents import Row

from .presets import first_of

if TYPE_CHECKING:
    import polars as pl

__all__ = ["statistics"]

SCORES = ("quasi_exact_match", "final_num_exact_match", "math_equiv_chain_of_thought",
          "chain_of_thought_correctness", "ifeval_strict_accuracy", "omni_math_accuracy",
          "wildbench_score_rescaled", "prefix_exact_match", "f1_score")  # fmt: skip
TOKENS = {"num_prompt_tokens": "prompt_tokens", "num_output_tokens": "output_tokens"}


def statistics(frame: pl.DataFrame, path: Path, score: str | None, usual: tuple[str, ...]) -> tuple[pl.DataFrame, str]:
    """One row an instance with a column for each statistic, and the one that is the score.

    Parameters
    ----------
    score
        What the user calls the score; None: one of the `usual` names, or of HELM's.

    Raises
    ------
    DataError
        If there is no such statistic.
    """
    import polars as pl

    if not isinstance(kind := frame.schema["stats"], pl.Struct) and kind != pl.List(pl.Struct):
        raise DataError(f"column 'stats' is of type {kind}; expected HELM's statistics of an instance", str(path))
    collected: dict[str, Row] = {}
    for row in frame.iter_rows(named=True):
        first_trial = not row.get("train_trial_index")
        if row.get("perturbation") is None and first_trial:  # each metric has a row of its own for every instance
            collected.setdefault(row["instance_id"], {"instance_id": row["instance_id"]}).update(_named(row["stats"]))
    table = pl.DataFrame(list(collected.values()), infer_schema_length=None)
    wanted = score or first_of(table.schema, (*usual, *SCORES))
    if wanted is None or wanted not in table.columns:
        raise DataError(
            f"has no statistic {wanted or 'of scores'}; it has {', '.join(table.columns[1:13])}: --score NAME",
            str(path),
        )
    return table.rename({k: v for k, v in TOKENS.items() if k in table.columns}), wanted


def _named(stats: Any) -> Row:
    """Statistics of an instance by their names: a list of them, or an object."""
    if isinstance(stats, dict):
        return {name: value for name, value in stats.items() if value is not None}
    return {s["name"]["name"]: s.get("mean", s.get("sum")) for s in stats or []}
