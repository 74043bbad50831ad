"""A directory of results as one HTML file."""

from __future__ import annotations

from pathlib import Path

from messsim.engines import prepare
from messsim.errors import MesssimError, OutputError, ScenarioError
from messsim.plot.figure import library
from messsim.plot.marks import Marks, PhaseMark
from messsim.results import Result, check_whole, reading_records, write_file
from messsim.results.reading import read_whole
from messsim.scenario import Scenario, dump, load, notes_of
from messsim.shapes.checks import Worth
from messsim.shapes.studies import Fleets
from messsim.study.challenge.conditions import questions
from messsim.study.challenge.files import CHALLENGE, read_challenge
from messsim.study.compare.fleets import FLEETS
from messsim.study.converge.files import CONVERGENCE, read_convergence
from messsim.study.groups.grouped import grouped
from messsim.study.groups.study_files import RESULTS, read_study
from messsim.study.plan.files import PLAN, read_plan
from messsim.study.simulation.outages import outages
from messsim.study.simulation.worth import worth

from ..base.page import Page, html
from ..challenge.tables import challenge_page
from ..compare.fleets_page import fleets_page
from ..convergence import page_of
from ..plan.page import plan_page
from ..run.page import run_page
from ..study.page import study_page

__all__ = ["report"]


def report(directory: str | Path, out: str | Path | None = None) -> Path:
    """Writes the report of what a directory holds, and returns where it is.

    Parameters
    ----------
    directory
        What the ``--out`` of run, replicate, converge, compare, challenge, sweep or plan wrote.
    out
        An ``.html`` file; none: ``report.html`` in the directory. A file that is there already is replaced.

    Raises
    ------
    OutputError
        If the directory is none of those, is damaged, or the report cannot be written.
    """
    library()
    path = Path(directory)
    target = Path(out) if out is not None else path / "report.html"
    if target.suffix.lower() not in (".html", ".htm"):
        raise OutputError(f"{target}: expected a file name that ends in .html")
    write_file(target, html(_page(path)))
    return target


def _page(path: Path) -> Page:
    if (path / CHALLENGE).exists():
        return challenge_page(read_challenge(path), questions())
    if (path / FLEETS).exists():
        made = read_whole(path / FLEETS, Fleets)
        return fleets_page(made, scenario=dump(_scenario(path / Path(made["policies"][0]["policy"]).name)))
    if (path / CONVERGENCE).exists():
        return page_of(read_convergence(path), _scenario(path))
    if (path / PLAN).exists():
        return _plan_page(path)
    if (path / RESULTS).exists():
        return _study_page(path)
    if not (path / "summary.json").exists():
        expected = "what the --out of run, replicate, converge, compare, challenge, sweep or plan wrote"
        raise OutputError(f"{path}: holds no run and no study; expected {expected}")
    return _run_page(path)


def _plan_page(path: Path) -> Page:
    scenario = _scenario(path)
    return plan_page(read_plan(path), name=scenario.name, scenario=dump(scenario))


def _study_page(path: Path) -> Page:
    """Of ``compare``, ``sweep`` and their like: a row a run."""
    rows, comparison = read_study(path)
    scenario = _scenario(path)
    study = grouped(rows, scenario)
    alphas = set(rows["sla_alpha"].drop_nulls()) if "sla_alpha" in rows.columns else set()
    return study_page(
        study.points,
        study.keys,
        facts={
            "name": scenario.name,
            "seed": scenario.seed,
            "cost_unit": scenario.cost.unit,
            "alpha": alphas.pop() if len(alphas) == 1 else None,
        },
        models=scenario.model_names,
        comparison=comparison,
        dearer=study.dearer,
        failures=study.failures,
        scenario=dump(scenario),
    )


def _run_page(path: Path) -> Page:
    result = Result.read(path)
    check_whole(result)
    scenario = _scenario(path)
    with reading_records(path):
        return run_page(
            result,
            scenario=dump(scenario),
            policy=scenario.router.policy_name,
            marks=_marks(scenario, result),
            notes=notes_of(scenario),
            worth=_worth(scenario),
        )


def _worth(scenario: Scenario) -> Worth | None:
    """What routing can save; None where the scenario's files are gone."""
    try:
        return worth(prepare(_without_files_to_run(scenario)))
    except MesssimError:
        return None


def _without_files_to_run(scenario: Scenario) -> Scenario:
    """With a policy and a rule of dispatch of messsim's own: a page may be made of a stranger's directory."""
    usual = type(scenario.cluster)()
    cluster = scenario.cluster
    if cluster.own_rule is not None:
        cluster = cluster.model_copy(update={"dispatch": usual.dispatch, "own": usual.own})
    return scenario.changed(router=scenario.router.model_copy(update={"policy": "random"}), cluster=cluster)


def _scenario(path: Path) -> Scenario:
    try:
        return load(path / "scenario.toml")
    except ScenarioError as error:
        raise OutputError(f"{path}: its scenario cannot be read any more: {error}") from None


def _marks(scenario: Scenario, result: Result) -> Marks:
    last_s = result.timeline["time_s"].max()
    end_s, arrived = float(last_s) if isinstance(last_s, float) else 0.0, result.summary["requests"]["arrived"]
    phases = [
        PhaseMark(p.name or f"phase {i + 1}", p.from_request, p.from_s)
        for i, p in enumerate(scenario.phases)
        if (p.from_request or 0) < max(arrived, 1) and (p.from_s or 0.0) <= end_s
    ]
    return Marks(phases, outages(scenario, end_s))
