"""``validate``: the simulator against real hardware."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from .base import AsJson, Seed, Sets, command, console, print_json

__all__ = ["validate"]


@command
def validate(
    data: Annotated[Path, typer.Argument(metavar="DATA_DIR", help="Directory of measured tables (docs: accuracy).")],
    seed: Seed = None,
    sets: Sets = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write tables, rows and plots to a new directory.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Predicted against measured: latencies and energy of served models, row by row."""
    from messsim.report.accuracy import accuracy
    from messsim.results.directory import check_free, write_texts
    from messsim.study.validate import validate as compare

    if out is not None:
        check_free(out)
    found = compare(data, sets, seed=seed)
    if out is not None:
        write_texts(out, _files(found))
    if as_json:
        print_json(found)
        return
    console.print(accuracy(found))
    if out is not None:
        console.print(f"written to {out}", style="dim", highlight=False)


def _files(found: dict[str, Any]) -> dict[str, str]:
    from messsim.report.accuracy import accuracy_page, rows_csv
    from messsim.report.accuracy_plots import accuracy_svg

    files = {"accuracy.md": accuracy_page(found), "accuracy.json": json.dumps(found, indent=2) + "\n"}
    files |= {f"{table}.csv": rows_csv(found[table]) for table in found}
    return files | {f"{name}.svg": svg for name, svg in accuracy_svg(found).items()}
