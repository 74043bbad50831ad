"""One scenario, replicated: every figure with its interval, for a number of replications or until one is precise."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from messsim.amounts import TIME, amount
from messsim.errors import ScenarioError
from messsim.files import json_text
from messsim.results.directory import write_file
from messsim.results.figures import Figure, figures, full_path, look_up
from messsim.results.intervals import Interval, is_precise, replication_interval
from messsim.scenario import Scenario
from messsim.shapes.studies import IntervalSummary, Replications

from .runs import GivenWorkers, Matrix, OnProgress, Runs, check_seeds, runs_of
from .runs.csv_files import ENDS, csv_of, end_values
from .runs.identity import contents
from .runs.requirements import known_figures
from .runs.rows import LEFT_OUT, Row, row_of
from .runs.so_far import OnKnown, so_far
from .runs.summaries import Summary, summary_at

__all__ = ["StoppingRule", "replicate", "stopping_rule"]

SEEDS = 10
FIRST = 10  # replications before an interval is believed to be as wide as it says (Law, section 9.4.1)
MOST = 1_000
DEFAULT = ("sla.satisfaction",)
NO_FIGURES = (*LEFT_OUT, "scenario", "engine", "seed", "replication", "version")

Figures = list[dict[str, Figure]]


@dataclass(frozen=True)
class StoppingRule:
    """When a study has enough replications.

    Attributes
    ----------
    most
        This many, or fewer if `precision` is reached.
    precision
        Relative, such as 0.01: stop when the 95 % interval of every figure of `of` is within
        precision / (1 + precision) of its mean, after 10 replications at least; none: do not stop.
    of
        Paths of figures.
    """

    most: int = SEEDS
    precision: float | None = None
    of: tuple[str, ...] = DEFAULT


def stopping_rule(seeds: int | None, precision: str | None, of: Sequence[str] | None, most: int | None) -> StoppingRule:
    """The stopping rule of a command line.

    Raises
    ------
    ScenarioError
        If options contradict each other, or the precision is no share such as ``1%`` or ``0.01``.
    """
    if seeds is not None:
        check_seeds(seeds)
    if precision is None:
        for option, value in (("--of", of), ("--most", most)):
            if value:
                raise ScenarioError(f"{option}: expected with --precision only")
        return StoppingRule(seeds or SEEDS)
    if seeds is not None:
        raise ScenarioError("--seeds and --precision: expected only one of them")
    if most is not None and most < FIRST:
        raise ScenarioError(f"--most {most}: expected at least {FIRST}, before which no interval is believed")
    return StoppingRule(most or MOST, _share(precision), tuple(of or DEFAULT))


def _share(text: str) -> float:
    try:
        value, unit = amount(text)
    except ValueError:
        value, unit = 0.0, None
    if not 0.0 < value < 1.0 or unit == TIME:
        raise ScenarioError(f"--precision {text}: expected a share above 0 and below 1, such as 1% or 0.01")
    return value


def replicate(
    scenario: Scenario,
    rule: StoppingRule = StoppingRule(),
    *,
    out: Path | None = None,
    workers: GivenWorkers = None,
    on_progress: OnProgress | None = None,
    on_known: OnKnown | None = None,
) -> tuple[Replications, list[Row]]:
    """Runs replications 0, 1, ... of a scenario's seed.

    Where a router learns, or rates change, an interval can come from replications only. When to stop depends on
    their order, not on which was done first.

    Parameters
    ----------
    rule
        How many replications.
    out
        A directory for ``results.parquet`` and the intervals; one that the same replications began is continued.
    workers, on_progress
        As in `messsim.study.runs.runs_of`.
    on_known
        Called after each replication with what is known so far.

    Returns
    -------
    tuple
        The result (``--json``), and a row a replication.

    Raises
    ------
    ScenarioError
        If the scenario cannot be run, or a path leads nowhere.
    SimulationError
        If a run cannot go on.
    """
    if rule.precision is not None:
        known = known_figures(scenario)
        rule = replace(rule, of=tuple(full_path(path, known) for path in rule.of))
    base = scenario.changed(replication=0)
    rows: list[Row] = []
    with runs_of(
        Matrix(base, [{}], lambda i: base, summary_at),
        out=out,
        identity=lambda: contents("replicate", base, [{}], [base]),
        table=lambda runs: rows,
        workers=workers,
        on_progress=on_progress,
    ) as runs:
        figures_of = _made(runs, base, rule, rows, on_known)
    replications = _summed_up(scenario, rule, figures_of)
    if out is not None:
        _write(out, replications)
    return replications, rows


def _made(
    runs: Runs[Summary], base: Scenario, rule: StoppingRule, rows: list[Row], on_known: OnKnown | None
) -> Figures:
    """Figures of the replications that are made until what is asked is reached; a row of each is added to `rows`."""
    collected: Figures = []
    keys = [(0, r) for r in range(rule.most)]
    with closing(runs.in_order(keys, surely=rule.precision is None)) as summaries:
        for number, summary in enumerate(summaries):
            collected.append(figures({k: v for k, v in summary.items() if k not in NO_FIGURES}))
            rows.append(row_of(base.changed(replication=number), summary))
            if on_known is not None:
                on_known(so_far([base.router.policy_name], {(0, r): row for r, row in enumerate(rows)}))
            if _is_reached(rule, collected):
                break
    return collected


def _is_reached(rule: StoppingRule, runs: Figures) -> bool:
    """Whether what is asked of the intervals is reached by these replications."""
    return rule.precision is not None and len(runs) >= FIRST and _all_precise(runs, rule.of, rule.precision)


def _summed_up(scenario: Scenario, rule: StoppingRule, runs: Figures) -> Replications:
    return {
        "scenario": scenario.name,
        "seed": scenario.seed,
        "cost_unit": scenario.cost.unit,
        "replications": len(runs),
        "precision": rule.precision,
        "of": list(rule.of) if rule.precision is not None else None,
        "precise": None if rule.precision is None else _is_reached(rule, runs),
        "figures": _figures(runs),
    }


def _write(out: Path, replications: Replications) -> None:
    write_file(out / "replications.json", json_text(replications).encode())
    rows = [[path, *end_values(interval)] for path, interval in replications["figures"].items()]
    write_file(out / "replications.csv", csv_of(["figure", *ENDS], rows).encode())


def _all_precise(runs: Figures, of: Sequence[str], precision: float) -> bool:
    """A figure that some replications lack is not: they would be left out of its mean."""
    return all(None not in v and is_precise(_interval(v), precision) for v in (_values(runs, path) for path in of))


def _figures(runs: Figures) -> dict[str, IntervalSummary | None]:
    """Those that are numbers in some replication, or null in all, in the summary's order."""
    texts = {path for run in runs for path, value in run.items() if isinstance(value, (str, bool))}
    collected = {path: _values(runs, path) for path in runs[0] if path not in texts}
    return {path: None if set(v) == {None} else _interval(v).summary() for path, v in collected.items()}


def _values(runs: Figures, path: str) -> list[float | None]:
    return [look_up(path, run) for run in runs]


def _interval(values: list[float | None]) -> Interval:
    """Over the replications that have the figure."""
    return replication_interval([v for v in values if v is not None])
