"""The MESS+ authors' capture files: which benchmarks a directory holds, and scenarios on their outcomes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from messsim.errors import DataError
from messsim.scenario.toml import Table
from messsim.workload.readers import numbers, read, require

from .paper import BENCHMARKS, MODELS, Benchmark

if TYPE_CHECKING:
    import polars as pl

__all__ = ["captured"]

KINDS = ("*.csv", "*.csv.gz", "*.parquet")
LABEL, COST, GROUP, TEXT = "label_", "energy_consumption_", "benchmark_name", "input_text"
DIMENSIONS = 16


def captured(folder: Path) -> list[tuple[Benchmark, Table]]:
    """The paper's benchmarks that the capture files of a directory hold, each with a scenario as a dictionary.

    Outcomes and joules are the file's, row by row in its order; features are hashed from its texts (extra `text`).
    Models are those with a column ``label_SIZE``, cheapest first; they get the paper's names if they are three.

    Raises
    ------
    DataError
        If there is no capture file, a benchmark is in two, or a file is wrong.
    """
    if not folder.is_dir():
        raise DataError("no such directory; expected one with the authors' capture files", str(folder))
    files = sorted(file for kind in KINDS for file in folder.glob(kind))
    collected: dict[str, tuple[Path, pl.DataFrame]] = {}
    for file in files:
        frame = read(file)
        require(frame.columns, [GROUP, TEXT], file)
        for (name,), rows in frame.group_by(GROUP, maintain_order=True):
            if str(name) in collected:
                raise DataError(
                    f"benchmark {name!r} is also in {collected[str(name)][0].name}; expected one file", str(file)
                )
            collected[str(name)] = file, rows
    known = [b for b in BENCHMARKS if b.capture in collected]
    if not known:
        names = ", ".join(b.capture for b in BENCHMARKS)
        held = ", ".join(collected) or "no file"
        raise DataError(f"holds {held}; expected capture files ({', '.join(KINDS)}) of {names}", str(folder))
    return [(b, _scenario(b, *collected[b.capture])) for b in known]


def _scenario(benchmark: Benchmark, file: Path, rows: pl.DataFrame) -> Table:
    sizes = [c.removeprefix(LABEL) for c in rows.columns if c.startswith(LABEL)]
    if not sizes:
        raise DataError(f"no column starts with {LABEL!r}; expected one a model", str(file))
    require(rows.columns, [COST + size for size in sizes], file)
    sizes.sort(key=lambda size: float(numbers(rows, COST + size, file, least=0).mean()))
    names = MODELS if len(sizes) == len(MODELS) else sizes
    return benchmark.setting() | {
        "requests": rows.height,
        "satisfaction": {
            "kind": "table",
            "file": str(file.resolve()),
            "format": "capture",
            "order": "file",
            "group": GROUP,
        },
        "features": {"kind": "text", "dimensions": DIMENSIONS},
        "phases": [{"from_request": 0, "groups": [benchmark.capture]}],
        "models": [{"name": n, "column": size} for n, size in zip(names, sizes, strict=True)],
    }
