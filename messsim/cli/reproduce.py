"""``reproduce``: the paper's experiments, and its theory."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from messsim.errors import ScenarioError
from messsim.files import json_text

from .base import AsJson, On, RayAddress, Seed, Sets, Workers, command, stderr, workers_on
from .outputs import hand_over, tell_leftovers

__all__ = ["reproduce"]


class What(StrEnum):
    """What there is to reproduce."""

    paper = "paper"
    theory = "theory"


@command
def reproduce(
    what: Annotated[What, typer.Argument(help="paper: its eight benchmarks. theory: the orders that it proves.")],
    seeds: Annotated[int | None, typer.Option(min=1, help="Replications; none: 20 of the paper, 8 of theory.")] = None,
    seed: Seed = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The authors' capture files instead of scenarios (paper).")
    ] = None,
    c: Annotated[
        list[float] | None, typer.Option("--c", min=0.0, help="Exploration; may be repeated. None: .01, .1, 1 (paper).")
    ] = None,
    requests: Annotated[int | None, typer.Option(min=10_000, help="Length of a run; none: 1,000,000 (theory).")] = None,
    sets: Sets = None,
    on: On = "local",
    ray_address: RayAddress = None,
    workers: Workers = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write runs, tables and plots; one that stopped continues there.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What the MESS+ paper found, beside what messsim finds."""
    from messsim.report.base.progress import runs_bar
    from messsim.results.directory import write_file
    from messsim.study.runs.pictures import add_pictures

    tell_leftovers(out)
    only = {"--data": data, "--c": c} if what is What.theory else {"--requests": requests}
    for option, value in only.items():
        if value is not None:
            raise ScenarioError(f"{option}: is no option of `messsim reproduce {what}`")
    many = workers_on(on, workers, ray_address)
    with runs_bar(stderr, what) as on_progress:
        given: dict[str, Any] = {"seed": seed, "sets": sets, "out": out, "on_progress": on_progress}
        given["workers"] = many
        given |= {} if seeds is None else {"seeds": seeds}
        made = _paper(data, c, given) if what is What.paper else _theory(requests, given)
    result, shown, files, pictures = made

    def write(target: Path) -> list[str]:
        for name, text in ({f"{what}.json": json_text(result)} | files(result)).items():
            write_file(target / name, text.encode())
        return add_pictures(target, "pictures", lambda: {f"{k}.svg": v.encode() for k, v in pictures(result).items()})

    hand_over(result, lambda: shown(result), as_json, out, write)


def _paper(data: Path | None, c: list[float] | None, given: dict[str, Any]) -> tuple[Mapping[str, Any], Any, Any, Any]:
    from messsim.report.reproduce.paper import paper_csv, paper_page, paper_tables
    from messsim.study.reproduce.benchmarks import EXPLORATION, reproduce_paper

    result = reproduce_paper(data, exploration=c or EXPLORATION, **given)
    return result, paper_tables, lambda f: {"paper.md": paper_page(f), "paper.csv": paper_csv(f)}, lambda f: {}


def _theory(requests: int | None, given: dict[str, Any]) -> tuple[Mapping[str, Any], Any, Any, Any]:
    from messsim.report.reproduce.theory import theory_page, theory_tables
    from messsim.report.reproduce.theory_plots import theory_svg
    from messsim.study.reproduce.theory import reproduce_theory

    return (
        reproduce_theory(requests, **given),
        theory_tables,
        lambda result: {"theory.md": theory_page(result)},
        theory_svg,
    )
