"""Which option would help where scores of a table are not found, are grades, or stand several times."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import TYPE_CHECKING

from messsim.workload.nested import column_of, names_in
from messsim.workload.readers import ROW_IN_FILE

if TYPE_CHECKING:
    import polars as pl

__all__ = ["grades_of", "no_prompts", "no_scores", "telling"]

MOST_NAMED, MOST_KINDS = 4, 20
THUMBS = "'-1=0,0=0.5,1=1'"
SCALES = (5, 10, 100)  # where scales of grades end
NO_SCORE = re.compile(r"(?i)error|std|dev|latenc|time|cost|price|prob|confidence|(^|[_.])(id|index|turn|epoch)$")
# What sums up whole tasks, by its columns, and what says each prompt instead.
SUMS = (
    ({"results", "configs"}, "lm-evaluation-harness's results of whole tasks", "its samples_*.jsonl (--log_samples)"),
    ({"win_rate", "n_total"}, "AlpacaEval's leaderboard", "its annotations.json"),
    ({"pred", "answer", "model_outputs"}, "MMLU-Pro's answers", "add a column that is 1 where pred is answer, else 0"),
)


def no_scores(frame: pl.DataFrame, words: Mapping[str, float], usual: Sequence[str]) -> str:
    """What is wrong with a table without a column that is usually called a score, and what would help."""
    for columns, what, instead in SUMS:
        if columns <= set(frame.columns):
            return f"looks like {what}; expected scores prompt by prompt: {instead}"
    may_be = _scores_of(frame, words)
    such = " or ".join(f"--score {shlex.quote(name)}" for name in may_be) or "--score COLUMN"
    models = f" ({may_be[0]}, ...)" if len(may_be) > 1 else ""
    wide = (
        f"a table with a column for each model{models} needs no import: satisfaction.file names it, models.column each "
        "(if of percents, grades or words, COLUMN=FILE for each model reads it)"
    )
    ways = [wide, f"say {such}"] if len(may_be) > 1 else [f"say {such}", wide]
    return f"has no column of scores ({', '.join(usual[:5])}, ...); {', or '.join(ways)}"


def no_prompts(frame: pl.DataFrame, model: str, score: str, usual: Sequence[str]) -> str:
    """The same of a column that tells prompts apart, where these say who answered, and how well."""
    import polars as pl

    who = column_of(frame.schema, model)
    models = pl.Series([""] * frame.height) if who is None else frame.select(who).to_series()
    columns = _keys(frame, (model, score))
    several = models.n_unique() > 1  # each of whom answered
    fits = [
        name
        for name, values in columns.items()
        if not pl.DataFrame([values.alias("key"), models.alias("model")]).is_duplicated().any()
        and (values.n_unique() < frame.height if several else values.n_unique() > 1)
    ]
    such = " or ".join(f"--prompt {shlex.quote(name)}" for name in fits[:MOST_NAMED])
    if not such and not several and (pair := _crossed(columns, frame.height)) is not None:
        such = f"--prompt {shlex.quote(pair[0])} --model {shlex.quote(pair[1])}"
    add = "; where none tells them apart, add one such as the number of the question"
    return f"has no column of prompts ({', '.join(usual[:5])}, ...); say {such or f'--prompt COLUMN{add}'}"


def _keys(frame: pl.DataFrame, used: Sequence[str]) -> dict[str, pl.Series]:
    """Columns, fields of structures too, of text or whole numbers, which may tell prompts apart."""
    import polars as pl

    columns = {}
    for name in names_in(frame.schema):
        column = column_of(frame.schema, name, in_text=False)
        if name in (*used, ROW_IN_FILE) or column is None:
            continue
        values = frame.select(column).to_series()
        if values.dtype == pl.String or values.dtype.is_integer():
            columns[name] = values
    return columns


def _crossed(columns: Mapping[str, pl.Series], rows: int) -> tuple[str, str] | None:
    """Two columns of which each value of one stands once with each of the other, as prompts do with fewer models."""
    import polars as pl

    kinds = {name: values.n_unique() for name, values in columns.items()}
    for prompt, model in permutations(columns, 2):
        whole = kinds[prompt] * kinds[model] == rows and kinds[prompt] >= kinds[model] > 1
        if whole and not pl.DataFrame([columns[prompt].alias("a"), columns[model].alias("b")]).is_duplicated().any():
            return prompt, model
    return None


def _scores_of(frame: pl.DataFrame, words: Mapping[str, float]) -> list[str]:
    """Columns that may be scores: yes or no, numbers from 0 to 1, or words that say whether an answer is right."""
    import polars as pl

    collected = []
    for name in names_in(frame.schema):
        if NO_SCORE.search(name):
            continue
        column = column_of(frame.schema, name, in_text=False)
        values = None if column is None else frame.select(column).to_series().drop_nulls()
        if values is None or not len(values) or values.dtype.is_nested():
            continue
        if values.dtype == pl.String:
            fits = values.str.strip_chars().str.to_lowercase().is_in(list(words)).all()
        else:
            fits = values.dtype == pl.Boolean or (values.dtype.is_numeric() and values.is_between(0, 1).all())
        if fits and values.n_unique() > 1:
            collected.append(name)
    return collected[:MOST_NAMED]


def grades_of(values: pl.Series) -> str:
    """The usual scale that holds some grades, as --map has it: it begins at 0 where a grade is below 1."""
    least, greatest = (float(end or 0) for end in (values.min(), values.max()))  # type: ignore[arg-type]
    if least < 0 and values.drop_nulls().is_in([-1.0, 0.0, 1.0]).all():
        return THUMBS
    end = next((end for end in SCALES if greatest <= end), None)
    if end is None:
        return "LOWEST..HIGHEST"
    start = 0 if 0 <= least < 1 < greatest or end == SCALES[-1] else 1
    return f"{start}..{end}"


def telling(frame: pl.DataFrame, long: pl.DataFrame, used: set[str]) -> tuple[str, str] | None:
    """A column that tells several answers of one model to one prompt apart, and its first value; None: there is none.

    Each of its values, such as a turn or a rater, stands with every prompt and model: what differs by answer, such as a
    latency or a date, would leave out prompts at random.

    Parameters
    ----------
    frame, long
        The file, and its prompts, models and scores, row by row.
    used
        Columns that these are.
    """
    import polars as pl

    scored = pl.Series(long["score"].is_not_null())
    pairs = long.select("prompt", "model").filter(scored)
    if not pairs.is_duplicated().any():
        return None
    kinds, each = {}, pairs.unique().height
    for name in frame.columns:
        values = frame[name].filter(scored)
        if (
            name in used
            or name == ROW_IN_FILE
            or values.dtype.is_nested()
            or values.dtype.is_float()
            or values.null_count()
        ):
            continue
        if (
            each * values.n_unique() == pairs.height
            and values.n_unique() <= MOST_KINDS
            and not pairs.with_columns(values.alias("\0")).is_duplicated().any()
        ):
            kinds[name] = values
    if not kinds:
        return None
    name = min(kinds, key=lambda n: kinds[n].n_unique())
    return name, str(kinds[name][0])
