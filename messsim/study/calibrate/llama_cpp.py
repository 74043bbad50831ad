"""Benchmarks of llama.cpp as iterations: llama-bench (JSON, CSV, Markdown) and llama-batched-bench (JSONL, Markdown).

Both time a prompt by itself, and answers by themselves. A prompt goes in pieces of at most `n_ubatch` tokens, each an
iteration, of which a row stands for the mean; so does one for the mean of the iterations of an answer, a token each.
What they print: tools/llama-bench/README.md and tools/batched-bench/README.md of ggml-org/llama.cpp.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from messsim.errors import DataError
from messsim.workload.chunk import Floats
from messsim.workload.readers import numbers

if TYPE_CHECKING:
    import polars as pl

__all__ = ["as_iterations"]

UBATCH = 512  # tokens of a piece of a prompt, where the table does not say: the default of both
BATCHED = {"PP": "pp", "TG": "tg", "B": "pl", "T_PP s": "t_pp", "T_TG s": "t_tg"}  # Markdown's names
A_TEST = r"^\s*(pp|tg)\s*\d"  # of llama.cpp, one of a prompt with its answer too
TEST = r"^\s*(pp|tg)\s*(\d+)(?:\s*@\s*d\s*(\d+))?\s*$"  # pp512, tg 128, tg128 @ d512
AROUND = r"\s*(±|\+/-|t/s).*$"  # behind a speed: how it varies, its unit
WHOSE = {"model_type": "model", "gpu_info": "gpu"}
# What tells servers apart.
SERVER = ("model_type", "gpu_info", "n_gpu_layers", "ngl", "flash_attn", "fa", "type_k", "n_threads")
MOST_NAMED = 4


def as_iterations(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    """The table as iterations in seconds, if it is llama.cpp's; another as it is.

    Raises
    ------
    DataError
        If its rows are of several servers; if none is a prompt or an answer by itself.
    """
    import polars as pl

    names = set(frame.columns)
    if {"test", "t/s"} <= names and frame["test"].cast(pl.String).str.contains(A_TEST).any():
        frame = _tests(frame, path)
    if {"n_prompt", "n_gen", "avg_ns"} <= set(frame.columns):
        columns = _bench(frame, path)
    elif {"pp", "tg", "pl", "t_pp", "t_tg"} <= names or set(BATCHED) <= names:
        columns = _batched(frame.rename({k: v for k, v in BATCHED.items() if k in names}), path)
    else:
        return frame
    if not len(columns["duration_s"]):
        raise DataError("has no prompt and no answer by itself; expected a run with -p and -n, not with -pg", str(path))
    whose = {}
    for name in (c for c in SERVER if c in frame.columns):
        kinds = frame[name].unique(maintain_order=True)
        if kinds.len() > 1:
            there = ", ".join(map(str, kinds[:MOST_NAMED])) + ", ..." * (kinds.len() > MOST_NAMED)
            one = f"expected the rows of one: --select '{name}={kinds[0]}'"
            raise DataError(f"holds {kinds.len()} values of {name} ({there}); {one}", str(path))
        if name in WHOSE:
            whose[WHOSE[name]] = str(kinds[0])
    return pl.DataFrame(columns).with_columns(pl.lit(value).alias(name) for name, value in whose.items())


def _bench(frame: pl.DataFrame, path: Path) -> dict[str, Floats]:
    """Prompts and answers of one sequence; a prompt with its answer (-pg) is neither."""
    prompt, answer = (numbers(frame, c, path, least=0) for c in ("n_prompt", "n_gen"))
    depth = numbers(frame, "n_depth", path, least=0) if "n_depth" in frame.columns else np.zeros(frame.height)
    seconds = numbers(frame, "avg_ns", path, least=0) / 1e9
    pieces = np.maximum(np.ceil(prompt / _piece(frame, path)), 1)
    first, then = (answer == 0) & (prompt > 0), (prompt == 0) & (answer > 0)
    one = prompt / pieces
    return _both(
        {"prompt_tokens": one, "prompt_prior": depth + (prompt - one) / 2, "duration_s": seconds / pieces}, first,
        {"batch": np.ones(frame.height), "cached_tokens": depth + (answer - 1) / 2,
         "duration_s": seconds / np.maximum(answer, 1)}, then,
    )  # fmt: skip


def _batched(frame: pl.DataFrame, path: Path) -> dict[str, Floats]:
    """Prompts of a batch one after the other, and its answers side by side."""
    prompt, answer, batch = (numbers(frame, c, path, least=0) for c in ("pp", "tg", "pl"))
    in_prompts, in_answers = (numbers(frame, c, path, least=0) for c in ("t_pp", "t_tg"))
    shared = numbers(frame, "is_pp_shared", path, most=1) > 0 if "is_pp_shared" in frame.columns else False
    count, most = np.where(shared, 1.0, batch), _piece(frame, path)
    pieces = np.maximum(np.ceil(count * prompt / most), 1)
    pairs = count * prompt * prompt / 2 / pieces
    prior = (prompt - np.minimum(prompt, most)) / 2
    return _both(
        {"prompt_tokens": count * prompt / pieces, "prompt_prior": prior, "prompt_pairs": pairs,
         "duration_s": in_prompts / pieces}, prompt > 0,
        {"batch": batch, "cached_tokens": batch * (prompt + (answer - 1) / 2),
         "duration_s": in_answers / np.maximum(answer, 1)}, answer > 0,
    )  # fmt: skip


def _both(
    prompts: dict[str, Floats], first: np.ndarray, answers: dict[str, Floats], then: np.ndarray
) -> dict[str, Floats]:
    """Rows of prompts and rows of answers, one below the other; what one has not is 0."""
    none_then, none_first = np.zeros(int(then.sum())), np.zeros(int(first.sum()))
    return {
        name: np.concatenate(
            [
                prompts[name][first] if name in prompts else none_first,
                answers[name][then] if name in answers else none_then,
            ]
        )
        for name in dict.fromkeys([*prompts, *answers])
    }


def _tests(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Markdown's tests and speeds as the columns of JSON; lines below the table are none."""
    import polars as pl

    parts = frame["test"].cast(pl.String).str.extract_groups(TEST).struct.unnest()
    length = parts["2"].cast(pl.Float64)
    speed = frame["t/s"].cast(pl.String).str.replace(AROUND, "").set(parts["1"].is_null(), "1")
    per_s = numbers(frame.with_columns(speed), "t/s", path, least=0)
    is_prompt = parts["1"] == "pp"
    frame = frame.with_columns(
        length.set(~is_prompt, 0.0).alias("n_prompt"), length.set(is_prompt, 0.0).alias("n_gen"),
        parts["3"].cast(pl.Float64).fill_null(0.0).alias("n_depth"), (1e9 * length / per_s).alias("avg_ns"),
    ).filter(parts["1"].is_not_null())  # fmt: skip
    text = [c for c, kind in frame.schema.items() if kind == pl.String]
    frame = frame.with_columns(pl.col(c).str.strip_chars() for c in text)
    return frame.rename({"model": "model_type"}) if "model" in frame.columns else frame


def _piece(frame: pl.DataFrame, path: Path) -> Floats:
    """The most tokens of a prompt that an iteration takes, of each row."""
    limits = [numbers(frame, c, path, least=1) for c in ("n_ubatch", "n_batch") if c in frame.columns]
    if "n_ubatch" not in frame.columns:
        limits.append(np.full(frame.height, float(UBATCH)))
    most: Floats = np.minimum.reduce(limits)
    return most
