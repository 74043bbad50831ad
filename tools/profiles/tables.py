"""The kernel tables of aiconfigurator-core, one part of which is taken from another machine.

All-reduces of 4 and 8 L40S were timed on a machine whose cards reach one another by way of the host, at 4 and 2 GB a
second where their links have 32, for all tables but that of SGLang 0.5.12: 13.6 and 30 ms for 16.8 million numbers of
16 bits, where that one has 2.5 and 2.9. It stands in for all.
"""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

__all__ = ["mended", "systems_path"]

SYSTEM = "l40s"
SOUND = f"data/{SYSTEM}/comm/sglang/0.5.12"
FILE = "custom_allreduce_perf.parquet"
PEERS = 2  # cards that reach one another in every table


def mended(table: pl.DataFrame, sound: pl.DataFrame) -> pl.DataFrame:
    """Return a table of all-reduces with the times of more than PEERS cards as in another, graphs' by graphs'."""
    keys = ["num_gpus", "message_size", "eager"]
    eager = pl.col("kernel_source").str.ends_with("eager").alias("eager")
    other = sound.with_columns(eager).select(*keys, other="latency")
    joined = table.with_columns(eager).join(other, keys, how="left", maintain_order="left")
    latency = pl.when(pl.col("num_gpus") > PEERS).then("other").otherwise("latency")
    return joined.with_columns(latency=latency).select(table.columns)


def systems_path(system: str) -> str | None:
    """Return the folder of tables to read for a system, which is there while this process is; none: the wheel's own."""
    return _copied().name if system == SYSTEM else None


@cache
def _copied() -> TemporaryDirectory[str]:
    import aiconfigurator_core  # type: ignore[import-not-found]

    own = Path(aiconfigurator_core.__file__).parent / "systems"
    copy = TemporaryDirectory(prefix="systems-")
    sound = pl.read_parquet(own / SOUND / FILE)
    for path in (p for p in own.rglob("*") if p.is_file() and (p.parent == own or SYSTEM in p.parts)):
        target = Path(copy.name) / path.relative_to(own)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.name == FILE:
            mended(pl.read_parquet(path), sound).write_parquet(target)
        else:
            target.symlink_to(path)
    return copy
