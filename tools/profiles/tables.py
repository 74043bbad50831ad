"""The kernel tables of aiconfigurator-core, parts of which are taken from others.

All-reduces of 4 and 8 L40S were timed on a machine whose cards reach one another by way of the host, at 4 and 2 GB a
second where their links have 32, for all tables but that of SGLang 0.5.12: 13.6 and 30 ms for 16.8 million numbers of
16 bits, where that one has 2.5 and 2.9. It stands in for all.

Products of vLLM's table of GB200 look as if the cards had been held back: of those of 8,192 tokens and more whose
matrix has 2,048 rows and columns at least, 46 % of the shapes in bf16 and 11 % in nvfp4 take over 1.3 times as long as
on B200. In these two kinds of weights neither SGLang's and TensorRT-LLM's on GB200 nor vLLM's on B300 and GB300 do so,
but for 0.5 % at most. Of products of many tokens the lesser of vLLM's and SGLang's
stands in; in bf16 both call the same library. All-reduces of two GB200 take 0.74 ms for 67 million numbers there, where
vLLM 0.14's table of GB200, SGLang 0.5.14's, TensorRT-LLM's and all of B200 and B300 have 0.27 to 0.29: the lesser of
vLLM 0.14's and vLLM 0.24's stands in.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

__all__ = ["mended", "quicker", "systems_path"]

PEERS = 2  # cards that reach one another in every table
MANY = 1024  # new tokens, from which on products heat a card
HELD_BACK = ("bfloat16", "nvfp4")


def mended(table: pl.DataFrame, sound: pl.DataFrame) -> pl.DataFrame:
    """Return a table of all-reduces with the times of more than PEERS cards as in another, graphs' by graphs'."""
    keys = ["num_gpus", "message_size", "eager"]
    eager = pl.col("kernel_source").str.ends_with("eager").alias("eager")
    other = sound.with_columns(eager).select(*keys, other="latency")
    joined = table.with_columns(eager).join(other, keys, how="left", maintain_order="left")
    latency = pl.when(pl.col("num_gpus") > PEERS).then("other").otherwise("latency")
    return joined.with_columns(latency=latency).select(table.columns)


def quicker(table: pl.DataFrame, sound: pl.DataFrame) -> pl.DataFrame:
    """Return a table in which nothing takes longer than in another: all-reduces, or products of MANY tokens."""
    products = "gemm_dtype" in table.columns
    keys = ["gemm_dtype", "m", "n", "k"] if products else ["kernel_source", "num_gpus", "message_size"]
    concerned = (pl.col("m") >= MANY) & pl.col("gemm_dtype").is_in(HELD_BACK) if products else pl.lit(True)
    other = sound.group_by(keys).agg(other=pl.col("latency").min())
    joined = table.join(other, keys, how="left", maintain_order="left")
    latency = pl.when(concerned).then(pl.min_horizontal("latency", "other")).otherwise("latency")
    return joined.with_columns(latency=latency).select(table.columns)


# By system: the tables that are mended, the sound one, and how.
_REDUCE, _PRODUCTS = "custom_allreduce_perf.parquet", "gemm_perf.parquet"
Mend = tuple[str, str, Callable[[pl.DataFrame, pl.DataFrame], pl.DataFrame]]
MENDS: dict[str, tuple[Mend, ...]] = {
    "l40s": ((f"comm/*/*/{_REDUCE}", f"comm/sglang/0.5.12/{_REDUCE}", mended),),
    "gb200": (
        (f"gemm/vllm/*/{_PRODUCTS}", f"gemm/sglang/0.5.14/{_PRODUCTS}", quicker),
        (f"comm/vllm/*/{_REDUCE}", f"comm/vllm/0.14.0/{_REDUCE}", quicker),
    ),
}


def systems_path(system: str) -> str | None:
    """Return the folder of tables to read for a system, which is there while this process is; none: the wheel's own."""
    return _copied(system).name if system in MENDS else None


@cache
def _copied(system: str) -> TemporaryDirectory[str]:
    import aiconfigurator_core  # type: ignore[import-not-found]

    own = Path(aiconfigurator_core.__file__).parent / "systems"
    copy = TemporaryDirectory(prefix="systems-")
    data = own / "data" / system
    for path in (p for p in own.rglob("*") if p.is_file() and (p.parent == own or system in p.parts)):
        target = Path(copy.name) / path.relative_to(own)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)
    for pattern, sound, mend in MENDS[system]:
        for path in data.glob(pattern):
            target = Path(copy.name) / path.relative_to(own)
            target.unlink()
            mend(pl.read_parquet(path), pl.read_parquet(data / sound)).write_parquet(target)
    return copy
