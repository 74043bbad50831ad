"""``replay``: MESS+ in shadow on a log of real decisions."""

from pathlib import Path
from typing import Annotated

import typer

from messsim.files import json_text

from .amounts import fraction
from .base import AsJson, Seed, command
from .outputs import check_out, hand_over
from .rows import Select, SkipFailed, TimeFormat, TimeZone, Unique, time_form

__all__ = ["replay"]


Alpha = Annotated[
    float,
    typer.Option(
        parser=fraction, metavar="SHARE", help="The promise: share of answers that satisfies, such as 0.6 or 60%."
    ),
]
RouterSets = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An option of the router, such as V=1e-4.")
]
Propensity = Annotated[
    str, typer.Option(metavar="COLUMN", help="Column of the probability with which that model was chosen.")
]
TimeColumn = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="Column of times, by which rows are put in order; none: as they stand."),
]
Maps = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="VALUE=SATISFACTION", help="What ratings mean: 'up=1,down=0'; or grades: 1..5."),
]


@command
def replay(
    log: Annotated[
        Path,
        typer.Argument(metavar="LOG", help="CSV, Parquet or JSONL, a row a request (docs: how-to/gateway.md)."),
    ],
    alpha: Alpha,
    sets: RouterSets = None,
    model: Annotated[str, typer.Option(metavar="COLUMN", help="Column of who answered.")] = "model",
    satisfied: Annotated[str, typer.Option(metavar="COLUMN", help="Column of ratings.")] = "satisfied",
    cost: Annotated[str, typer.Option(metavar="COLUMN", help="Column of what an answer has cost.")] = "cost",
    propensity: Propensity = "propensity",
    time: TimeColumn = None,
    time_format: TimeFormat = "auto",
    time_zone: TimeZone = None,
    map_: Maps = None,
    select: Select = None,
    skip_failed: SkipFailed = False,
    unique: Unique = None,
    seed: Seed = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the JSON object to a new file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run MESS+ in shadow on a log of real decisions; what the log cannot tell is refused, with the reason."""
    from messsim.errors import OutputError
    from messsim.logs.decisions import DecisionColumns, read_log
    from messsim.logs.replay import replay as run
    from messsim.logs.scores import parse_map
    from messsim.report.logs.replay import replayed
    from messsim.results.directory import write_file
    from messsim.routing.gateway import check_options
    from messsim.scenario.overrides import router_options
    from messsim.workload.choosing import Chooser, conditions

    check_out(out, "file")
    options = router_options(sets or [])
    check_options(options)
    values, grades = parse_map(map_ or [])
    form = time_form(time_format, time_zone)
    if time is None and (time_format, time_zone) != ("auto", None):
        raise OutputError("--time-format and --time-zone: say how --time is written; expected --time COLUMN with them")
    columns = DecisionColumns(model, satisfied, cost, propensity, values, grades, time, form)
    chooser = Chooser(conditions(select or []), (cost,) if skip_failed else (), unique, "rows without a cost")
    result = run(read_log(log, columns, chooser), alpha, seed=seed or 0, **options)
    hand_over(
        result,
        lambda: replayed(result),
        as_json,
        out,
        lambda target: write_file(target, json_text(result).encode()),
    )
