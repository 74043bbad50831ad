"""Tables of outcomes from what evaluations wrote down: files of one model each, long tables, wide ones.

Whatever the kind, it becomes rows of a prompt, a model and a score, with the cost and tokens of the answer where they
are known; these are then one row a prompt with columns by model, which ``satisfaction.kind = "table"`` reads.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from messsim.errors import DataError, OutputError
from messsim.results import check_free, whole_or_absent
from messsim.workload.blocks import whole
from messsim.workload.choosing import Chooser
from messsim.workload.nested import column_of, name_missing, names_in, of_other_type
from messsim.workload.readers import (
    as_key,
    as_numbers,
    as_text,
    first_bad,
    marks_of_counts,
    picked,
    rows_in_file,
    with_rows_in_file,
)
from messsim.workload.thousands import points_part_thousands

from .helm import statistics
from .joining import joinable, listed
from .metrics import metrics_note
from .names import alike
from .pairs import judged_pairs
from .presets import first_of
from .score_hints import no_prompts, no_scores, telling
from .scores import WORDS, OutcomeOptions, satisfaction
from .swe_bench import read_report
from .usual_columns import COST, COSTS_OF, MODEL, NUMBERING, OUTPUT_TOKENS, PROMPT, PROMPT_TOKENS, SCORE

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Outcomes", "read_outcomes", "write_outcomes"]

INSPECT = {"c": 1.0, "p": 0.5, "i": 0.0, "n": 0.0}  # correct, partly, incorrect, no answer
NOT_IN_A_NAME = re.compile(
    r"^(samples|results|report|per_instance_stats|predictions)[_.-]+|[_.-](\d{4}-\d{2}-\d{2}T?[\d.:-]*|report)$"
    r"|[_.-](eval_results|eval_all|jsonl_results|annotations)(_strict|_loose)?$"
)
USUAL = frozenset((*PROMPT, *MODEL, *SCORE, *COST, *PROMPT_TOKENS, *OUTPUT_TOKENS))
LEAST_ALIKE = 3  # prompts with the same scores that are no chance
IN_A_FOLDER = re.compile(r"model=([^,]+)")  # HELM's, of a run
BY_FOLDER = (
    "per_instance_stats",
    "samples",
    "report",
    "results",
    "annotations",
    "eval_results",
)  # names of files that say no model


@dataclass(frozen=True)
class Outcomes:
    """One row a prompt."""

    frame: pl.DataFrame
    models: tuple[str, ...]
    has_costs: bool
    has_tokens: bool
    notes: tuple[str, ...] = ()


def read_outcomes(
    paths: Sequence[Path | tuple[str, Path]], options: OutcomeOptions, chooser: Chooser | None = None
) -> Outcomes:
    """Reads files of outcomes, and joins them by prompt.

    Parameters
    ----------
    paths
        Files; with the model's name where a file is of one.
    chooser
        Which rows of each file count, as they stand in it.

    Raises
    ------
    DataError
        That names file, column, row and value, and the option that would help.
    """
    import polars as pl

    parts, notes = [], []
    chooser = chooser or Chooser()
    named = [path if isinstance(path, tuple) else (None, path) for path in paths]
    folders = _folders([file for name, file in named if name is None])
    tasks = {_task(file) for _, file in named}
    only_resolved = set()
    for name, file in named:
        long, its_notes = _long(file, name or folders.get(file), options, chooser)
        if (report := read_report(file)) is not None and report.only_resolved:
            only_resolved |= set(long["model"])
        parts.append(long)
        notes += its_notes
    parts = joinable(parts)
    if len(tasks) > 1:
        prefixes = [f"{task}/" if (task := _task(file)) else "" for _, file in named]
        parts = [p.with_columns(prompt=f + p["prompt"]) for f, p in zip(prefixes, parts, strict=True)]
    long = pl.concat(parts, how="diagonal_relaxed")
    notes += [*chooser.notes(), *(_alike(long) if len(paths) > 1 else [])]
    whole_rows = long.drop_nulls(["prompt", "model"])
    if whole_rows.height < long.height:
        notes.append(f"answers without a prompt or a model are left out: {long.height - whole_rows.height:,}")
    long = whole_rows
    long = _with_scores(long, notes, [file for _, file in named])
    twice = long.filter(pl.struct("prompt", "model").is_duplicated())
    if twice.height:
        prompt, model = twice["prompt"][0], twice["model"][0]
        both = (pl.col("prompt") == prompt) & (pl.col("model") == model)
        answers = twice.filter(both).height
        hint = (
            "name the models, MODEL=FILE"
            if len(paths) > 1 and long["model"].n_unique() < len(paths)
            else "--prompt COLUMN"
        )
        files = [str(file) for (_, file), part in zip(named, parts, strict=True) if part.filter(both).height]
        raise DataError(
            f"prompt {prompt!r} has {answers:,} answers of {model!r}; expected one each: {hint}", ", ".join(files)
        )
    return _joined(_with_failures(long, only_resolved), options, notes)


def _alike(long: pl.DataFrame) -> list[str]:
    """A note on models whose answers all have the same scores, as where a file is given twice."""
    scores: dict[tuple[Any, ...], list[str]] = {}
    for (model,), own in long.drop_nulls("model").sort("prompt").group_by("model", maintain_order=True):
        scores.setdefault(tuple(own.select("prompt", "score").rows()), []).append(str(model))
    alike = [names for rows, names in scores.items() if len(names) > 1 and len(rows) >= LEAST_ALIKE]
    return [f"{' and '.join(names)} have the same score on every prompt: is a file given twice?" for names in alike]


def _with_scores(long: pl.DataFrame, notes: list[str], files: Sequence[Path]) -> pl.DataFrame:
    """The answers that have a score, with notes on the rest."""
    scored = long.drop_nulls("score")
    if scored.height == 0:
        raise DataError("no answer has a score; --score COLUMN", ", ".join(map(str, files)))
    if without := long.height - scored.height:
        notes.append(f"answers without a score are left out: {without:,}")
    models = set(scored["model"])
    if silent := [str(model) for model in long["model"].unique(maintain_order=True) if model not in models]:
        notes.append(f"models without a score are left out: {', '.join(silent)}")
    return scored


def _with_failures(long: pl.DataFrame, models: set[str]) -> pl.DataFrame:
    """With a score of 0 for what these models, which list what they resolved alone, do not list."""
    import polars as pl

    for model in models:
        listed = long.filter(pl.col("model") == model)["prompt"]
        rest = long.select("prompt").unique(maintain_order=True).filter(~pl.col("prompt").is_in(listed.implode()))
        failed = rest.with_columns(model=pl.lit(model), score=pl.lit(0.0))
        long = pl.concat([long, failed], how="diagonal_relaxed")
    return long


def _task(file: Path) -> str | None:
    """The task of samples of lm-evaluation-harness, by the file's name."""
    match = re.match(r"samples_(.+?)_\d{4}-\d{2}-\d{2}T", file.name)
    return match[1] if match else None


def _folders(files: Sequence[Path]) -> dict[Path, str]:
    """Models by the folders that files stand in, where their own names do not tell them apart."""
    if len(files) < 2:
        return {}
    bare = [_bare(file) for file in files]
    folders = _nearest_apart(files)
    samples = all(_task(file) for file in files)
    if (samples or len({*bare}) < len(bare)) and len({*folders}) > 1:
        return dict(zip(files, (_of_folder(folder) for folder in folders), strict=True))
    return {}


def _nearest_apart(files: Sequence[Path]) -> list[str]:
    """The names of the nearest folders around the files that differ; those right around them where none do."""
    paths = [file.resolve().parent.parts[::-1] for file in files]
    levels = [[*level] for level in zip(*paths, strict=False)]
    return next((level for level in levels if len({*level}) == len(level)), levels[0] if levels else [""] * len(files))


def _of_folder(folder: str) -> str:
    match = IN_A_FOLDER.search(folder)
    return match[1] if match else folder


def _bare(path: Path) -> str:
    stem = path.name.split(".json")[0].removesuffix(".csv").removesuffix(".parquet")
    return NOT_IN_A_NAME.sub("", NOT_IN_A_NAME.sub("", stem)) or stem


def _joined(long: pl.DataFrame, options: OutcomeOptions, notes: list[str]) -> Outcomes:
    import polars as pl

    models = long["model"].unique(maintain_order=True).to_list()
    order = long.select("prompt").unique(maintain_order=True)
    frame = order
    for model in models:
        own = long.filter(pl.col("model") == model)
        columns = [pl.col("prompt"), pl.col("score").alias(model)]
        for kind, prefix in (("cost", "cost__"), ("output_tokens", "output_tokens__")):
            if kind in own.columns and own[kind].null_count() == 0:
                columns.append(pl.col(kind).alias(f"{prefix}{model}"))
        frame = frame.join(own.select(columns), on="prompt", how="left", maintain_order="left")
    for column in ("prompt_tokens", "text"):
        if column in long.columns:
            first = long.drop_nulls(column).unique("prompt", keep="first").select("prompt", column)
            frame = frame.join(first, on="prompt", how="left", maintain_order="left")
    notes += alike(models)
    whole_rows = frame.drop_nulls(models)
    if missing := frame.height - whole_rows.height:
        which = listed(frame.filter(pl.any_horizontal(pl.col(models).is_null()))["prompt"])
        notes.append(
            f"prompts without an answer of every model are left out: {missing:,} of {frame.height:,} ({which})"
        )
    if whole_rows.height == 0:
        chosen = "; where a router chose who answers, messsim replay reads its log" * (order.height == long.height)
        raise DataError(
            f"no prompt was answered by all of {', '.join(models)}; --prompt names the column that joins them{chosen}"
            + "".join(f"; {note}" for note in alike(models))
        )
    if "prompt_tokens" in whole_rows.columns and whole_rows["prompt_tokens"].null_count():
        whole_rows = whole_rows.drop("prompt_tokens")
    unpriced = [m for m in models if f"cost__{m}" not in whole_rows.columns]
    costs = not unpriced
    if unpriced and "cost" in long.columns and long["cost"].count():
        notes.append(f"costs are left out: not every answer of {', '.join(unpriced)} has one that is a number")
    tokens = "prompt_tokens" in whole_rows.columns and all(f"output_tokens__{m}" in whole_rows.columns for m in models)
    mean = {m: whole_rows[f"cost__{m}" if costs else m].mean() for m in models}
    ranked = tuple(sorted(models, key=lambda m: float(mean[m])))  # type: ignore[arg-type]
    return Outcomes(whole_rows, ranked, costs, tokens, tuple(dict.fromkeys(notes)))


# ---- kinds of files -------------------------------------------------------------------------------------


def _long(path: Path, name: str | None, options: OutcomeOptions, chooser: Chooser) -> tuple[pl.DataFrame, list[str]]:
    """Rows of prompt, model, score and what else is known."""
    report = read_report(path)
    if report is not None:
        frame = chooser.of_file(report.frame, path)
        return _of_one(frame, "resolved", path, name or report.model, options), report.notes
    notes: list[str] = []
    chooser.labels = (*PROMPT, *MODEL, *filter(None, (options.prompt, options.model, chooser.unique)))
    frame = with_rows_in_file(whole(path, notes, chooser.labels))
    if frame.height == 0:
        raise DataError("has no rows", str(path))
    notes[:] = [f"{path.name}: {note}" for note in notes]
    frame = _in_lower_case(chooser.of_file(frame, path), options)
    columns = set(frame.columns)
    if {"stats", "instance_id"} <= columns:
        return _of_one(*statistics(frame, path, options.score, SCORE), path, name, options), notes
    if {"sample_id", "type", "data"} <= columns:
        spec = column_of(frame.schema, "spec.completion_fns.0")
        if name is None and spec is not None and (named := frame.select(spec).drop_nulls()).height:
            name = str(named.item(0, 0))
        return _of_one(*_openai_evals(frame, path, options.score), path, name, options), notes
    if {"doc_id", "filter"} <= columns:
        return _of_one(*_harness(frame, path, options, notes), path, name, options), notes
    if {"id", "epoch"} <= columns and _scorers(frame):
        if options.prompt is None and (epochs := frame["epoch"].n_unique()) > 1:
            raise DataError(
                f"asks each sample of Inspect in {epochs:,} epochs; expected one: --select epoch=1", str(path)
            )
        graded = replace(options, values=INSPECT | dict(options.values or {}))
        return _of_one(frame, _inspect_score(frame, path, options), path, name, graded), notes
    other = options.score not in (None, "preference")  # than what pairs are judged by
    if (pairs := judged_pairs(frame, path, skips=options.skip_failed or other)) is not None:
        asked = replace(options, prompt=options.prompt or "instruction")
        scored, score = (frame, options.score) if other else (pairs.frame, "score")
        notes += [] if other else [pairs.note]
        return _of_one(scored, score, path, name or pairs.model, asked), notes
    of_router_arena = "prediction" if {"global index", "prediction"} <= columns else None
    model = options.model or (None if name else of_router_arena or first_of(frame.schema, MODEL))
    score = options.score or first_of(frame.schema, SCORE)
    metrics = [] if options.score else metrics_note(frame, score)
    if model is not None and score is not None:
        return _rows(frame, path, model, score, options), notes + metrics
    if score == "plus_status" and options.score is None:
        notes.append("plus_status is taken: the base tests and more; --score base_status says the base tests alone")
    models = _wide_models(frame)
    if models and name is None:
        return _wide(frame, path, models, options), notes
    return _of_one(frame, score, path, name, options), notes + metrics


def _in_lower_case(frame: pl.DataFrame, options: OutcomeOptions) -> pl.DataFrame:
    """With the usual names where a column has one in other letters: Model, Score, Prompt."""
    given = {options.prompt, options.model, options.score}
    lower = {c: c.lower() for c in frame.columns if c.lower() in USUAL and c not in given}
    return frame.rename({c: name for c, name in lower.items() if name not in frame.columns})


def _of_one(
    frame: pl.DataFrame, score: str | None, path: Path, name: str | None, options: OutcomeOptions
) -> pl.DataFrame:
    import polars as pl

    own = name or _name_of(path, frame)
    if score is None and name in frame.columns:  # of a table with a column for each model
        score = name
    if score is None:
        raise DataError(no_scores(frame, WORDS, SCORE), str(path))
    return _rows(frame.with_columns(pl.lit(own).alias("\0model")), path, "\0model", score, options)


def _name_of(path: Path, frame: pl.DataFrame) -> str:
    column = first_of(frame.schema, MODEL)
    if column is not None and frame[column].n_unique() == 1:
        return str(frame[column][0])
    stem = path.name.split(".json")[0].removesuffix(".csv").removesuffix(".parquet")
    return _of_folder(path.resolve().parent.name) if stem in BY_FOLDER else _bare(path)


def _rows(
    frame: pl.DataFrame,
    path: Path,
    model: str,
    score: str,
    options: OutcomeOptions,
    called: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """Rows of prompt, model, score and what else is known; `called` is what the file calls them, where it is not so."""
    import polars as pl

    called, prompt = called or {}, options.prompt or _prompt_of(frame, model)
    if prompt is None:
        raise DataError(no_prompts(frame, model, score, PROMPT), str(path))
    wanted: dict[str, str] = {"prompt": prompt, "model": model, "score": score}
    for key, names in (("cost", COST), ("prompt_tokens", PROMPT_TOKENS), ("output_tokens", OUTPUT_TOKENS)):
        if (column := first_of(frame.schema, names)) is not None:
            wanted[key] = column
    if (text := first_of(frame.schema, ("prompt", "query", "question", "doc.question"))) and text != prompt:
        wanted["text"] = text
    expressions = {key: column_of(frame.schema, name) for key, name in wanted.items()}
    if missing := [wanted[key] for key, e in expressions.items() if e is None]:
        raise DataError(name_missing(frame.columns, list(names_in(frame.schema)), missing), str(path))
    long = frame.select(e.alias(key) for key, e in expressions.items() if e is not None)
    scores = satisfaction(long["score"], called.get("score", score), path, options, rows_in_file(frame))
    prompts = as_key(long["prompt"], called.get("prompt", prompt), path)
    long = long.with_columns(scores, prompts, as_text(long["model"], model, path))
    numeric = [c for c in ("cost", "prompt_tokens", "output_tokens") if c in long.columns]
    parted = any(long[c].dtype == pl.String for c in numeric) and points_part_thousands(path)
    numbers = {c: _numbers_or_none(long[c], called.get(c, wanted[c]), path, parted=parted) for c in numeric}
    if "cost" in numbers and (below := (numbers["cost"] < 0).fill_null(False)).any():
        cost, places = called.get("cost", wanted["cost"]), rows_in_file(frame)
        raise first_bad(cost, below, numbers["cost"], "a cost, at least 0", path, places=places)
    if (apart := telling(frame, long.select("prompt", "model", "score"), set(wanted.values()))) is not None:
        several = f"has several answers of a model to a prompt, one for each {apart[0]}; expected one: "
        raise DataError(f"{several}--select {shlex.quote(f'{apart[0]}={apart[1]}')}", str(path))
    return long.with_columns(**numbers)


def _numbers_or_none(series: pl.Series, column: str, path: Path, *, parted: bool) -> pl.Series:
    """Numbers, also where they are text: costs with a currency behind them, else counts; null: none.

    `parted`: points part thousands of counts.

    Raises
    ------
    DataError
        If they are of a type of neither numbers nor text.
    """
    import polars as pl

    if series.dtype == pl.Binary:
        series = as_text(series, column, path, "numbers")
    if series.dtype == pl.String:
        money = series.name == "cost"
        series = as_numbers(series, marks_of_counts(series) if parted and not money else None, money=money)
    if not (series.dtype.is_numeric() or series.dtype in (pl.Boolean, pl.Null)):
        raise DataError(of_other_type(column, series.dtype, "numbers"), str(path))
    return series.cast(pl.Float64, strict=False).fill_nan(None)


def _prompt_of(frame: pl.DataFrame, model: str) -> str | None:
    """The column of prompts by the usual names; not one that numbers rows: several models answered, each value once."""
    who = column_of(frame.schema, model)
    several = who is not None and frame.select(who.n_unique()).item() > 1
    numbering = {n for n in PROMPT if several and n in frame.columns and frame[n].n_unique() == frame.height}
    joining = first_of(frame.schema, tuple(name for name in PROMPT if name not in numbering))
    return joining or first_of(frame.schema, tuple(n for n in PROMPT if n not in numbering.intersection(NUMBERING)))


def _harness(
    frame: pl.DataFrame, path: Path, options: OutcomeOptions, notes: list[str]
) -> tuple[pl.DataFrame, str | None]:
    """Samples of lm-evaluation-harness: every one once a filter."""
    import polars as pl

    filters = frame["filter"].cast(pl.String).unique(maintain_order=True).to_list()
    chosen = options.filter or filters[0]
    if chosen not in filters:
        raise DataError(
            f"has no filter {chosen!r}; expected --filter {' or '.join(shlex.quote(str(f)) for f in filters)}",
            str(path),
        )
    if len(filters) > 1 and options.filter is None:
        notes.append(
            f"every sample stands once a filter ({', '.join(filters)}): {chosen} is taken; --filter says another"
        )
    frame = frame.filter(pl.col("filter") == chosen)
    metrics = frame["metrics"][0].to_list() if "metrics" in frame.columns and frame["metrics"].dtype == pl.List else []
    if options.score is not None:
        return frame, options.score
    score = next((m for m in metrics if m in frame.columns), None) or first_of(frame.schema, SCORE)
    notes += metrics_note(frame, score, metrics)
    return frame, score


def _openai_evals(frame: pl.DataFrame, path: Path, score: str | None = None) -> tuple[pl.DataFrame, str]:
    """OpenAI evals: events, of which those with a verdict count."""
    for verdict in ("data.correct", "data.score", "data.choice", "data.accuracy") if score is None else (score,):
        column = column_of(frame.schema, verdict)
        if column is None:
            continue
        judged = frame.with_columns(column.alias("verdict")).drop_nulls(["sample_id", "verdict"])
        if judged.height:
            return picked(judged, ["sample_id", "verdict"]), "verdict"
    raise DataError(f"has events, but none with {score or 'data.correct, data.score or data.choice'}", str(path))


def _inspect_score(frame: pl.DataFrame, path: Path, options: OutcomeOptions) -> str:
    """Which of Inspect's scorers counts."""
    values = _scorers(frame)
    if options.score is None and len(values) > 1:
        raise DataError(
            f"has samples of Inspect with {len(values)} scorers: --score {' or '.join(map(shlex.quote, values))}",
            str(path),
        )
    return options.score or values[0]


def _scorers(frame: pl.DataFrame) -> list[str]:
    """Values of Inspect's scorers: none in a table that only has columns of the same names."""
    return [n for n in names_in(frame.schema) if re.fullmatch(r"scores\.[^.]+\.value", n)]


def _wide_models(frame: pl.DataFrame) -> list[str]:
    """Models of a wide table: with costs beside their scores, or structs with a score."""
    import polars as pl

    beside = [c for c in frame.columns if any(t.format(model=c) in frame.columns for t in COSTS_OF)]
    structs = [c for c, t in frame.schema.items() if isinstance(t, pl.Struct) and "score" in {f.name for f in t.fields}]
    return beside or structs


def _wide(frame: pl.DataFrame, path: Path, models: list[str], options: OutcomeOptions) -> pl.DataFrame:
    import polars as pl

    prompt = options.prompt or first_of(frame.schema, ("sample_id", *PROMPT)) or ""
    parts = []
    for model in models:
        own: dict[str, str] = {"score": f"{model}.score" if f"{model}.score" in names_in(frame.schema) else model}
        kinds = {"cost": tuple(t.format(model=model) for t in COSTS_OF), "question": ("prompt", "query", "question")}
        kinds |= {"prompt_tokens": tuple(f"{model}.{n}" for n in PROMPT_TOKENS)}
        kinds |= {"output_tokens": tuple(f"{model}.{n}" for n in OUTPUT_TOKENS)}
        for kind, names in kinds.items():
            if (column := first_of(frame.schema, names)) is not None:
                own[kind] = column
        columns = [c.alias(kind) for kind, n in own.items() if (c := column_of(frame.schema, n)) is not None]
        key = column_of(frame.schema, prompt) if prompt else pl.int_range(pl.len()).cast(pl.String)
        if key is None:
            raise DataError(name_missing(frame.columns, frame.columns, [prompt]), str(path))
        part = picked(frame, [key.alias("\0prompt"), *columns]).with_columns(pl.lit(model).alias("\0model"))
        standard = replace(options, prompt="\0prompt", model=None, score=None)
        parts.append(_rows(part, path, "\0model", "score", standard, own | {"prompt": prompt}))
    return pl.concat(parts, how="diagonal_relaxed")


def write_outcomes(outcomes: Outcomes, target: Path) -> None:
    """Writes the table whole, or nothing.

    Raises
    ------
    OutputError
        If the file exists, is no .parquet, or cannot be written.
    """
    if target.suffix.lower() != ".parquet":
        raise OutputError(f"{target}: a table of outcomes is a Parquet file; expected a name that ends with .parquet")
    check_free(target, "file")
    with whole_or_absent(target) as beside, beside.open("wb") as file:
        outcomes.frame.write_parquet(file)
