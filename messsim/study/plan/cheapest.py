"""The cheapest cluster that keeps a set of requirements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from messsim.errors import MesssimError, ScenarioError
from messsim.results.figures import Requirement
from messsim.scenario import Scenario, with_values
from messsim.shapes.studies import PlanSummary

from ..runs import GivenWorkers, Matrix, OnProgress, runs_of
from ..runs.identity import contents
from ..runs.requirements import GPUS, RENT, known_figures, requirements_of
from ..runs.rows import Row
from ..runs.verdicts import MET, out_of_reach, overall, values_of, verdict_of
from .answer import plan_answer
from .candidate_runs import CandidateRuns, row_at
from .candidates import Axis, Candidate, candidates_of, usd_per_hour
from .capacity import Carrying
from .files import write_plan
from .goal import Goal
from .search import Evaluation, Search

__all__ = ["BestSoFar", "plan"]

# Requirements that more replicas are assumed to help, by the start of their path and whether less is better.
HELPED = (
    ("latency_s.", True),
    ("requests.rejected", True),
    ("requests.lost", True),
    ("requests.timed_out", True),
    ("requests.attempts", True),
    ("requests.in_flight", True),
    ("slo.", False),
    ("sla.satisfaction", False),
    ("sla.shortfall", True),
)


@dataclass(frozen=True)
class BestSoFar:
    """The cheapest cluster of those that were simulated so far and meet everything.

    Attributes
    ----------
    replicas
        By pool; None while none meets everything.
    value
        The objective: USD per hour, or joules of a run.
    simulated
        Clusters.
    """

    replicas: dict[str, int] | None
    value: float | None
    simulated: int


def plan(
    scenario: Scenario,
    goal: Goal,
    *,
    out: Path | None = None,
    workers: GivenWorkers = None,
    on_progress: OnProgress | None = None,
    on_known: Callable[[BestSoFar], None] | None = None,
) -> PlanSummary:
    """Finds the cheapest numbers of replicas, and kinds of GPU, that meet all requirements.

    Every candidate faces the same requests (common random numbers). How evaluations are spared, and how that is
    checked: `messsim.study.plan.search`.

    Parameters
    ----------
    scenario
        What the candidates change.
    goal
        What may change, what is required, and what is least; how requirements are judged.
    out
        A directory for ``results.parquet``, a row a run, and ``plan.json``, what is returned; one that the same plan
        began is continued.
    workers, on_progress
        As in `messsim.study.runs.runs_of`.
    on_known
        Called with the best cluster so far, after each that was simulated.

    Returns
    -------
    PlanSummary

    Raises
    ------
    ScenarioError
        If a requirement is none, a price is missing, or a candidate cannot be run as it stands.
    """
    goal.check()
    base = scenario.changed(replication=0)
    wanted = requirements_of(goal.requirements, known_figures(base))
    candidates = _candidates(base, goal.axes, wanted)
    prices = _prices(base, goal.axes, candidates) if goal.objective == "usd" else None
    points = [c.values(goal.axes) for c in candidates]
    matrix = Matrix(base, points, lambda i: with_values(base, points[i]), row_at)
    with runs_of(
        matrix,
        out=out,
        identity=lambda: contents("plan", base, points, [base]),
        table=lambda made: [made.values[key] for key in sorted(made.values)],
        workers=workers,
        on_progress=on_progress,
    ) as made:
        runs = CandidateRuns(matrix, made, goal.seeds)
        search = _search(base, goal, candidates, prices, wanted, runs, on_known)
    answer = plan_answer(base, goal, wanted, search, runs)
    if out is not None:
        write_plan(out, answer)
    return answer


def _is_scaled(scenario: Scenario) -> bool:
    """Whether a pool changes its size, so that its rent is that of a run."""
    return any(pool.autoscale is not None for pool in scenario.fleet)


def _candidates(base: Scenario, axes: Sequence[Axis], wanted: Sequence[Requirement]) -> list[Candidate]:
    """All that serve somebody and can keep to what is known of them before any run."""
    nobody = len(axes) == len(base.fleet) and not _is_scaled(base)  # is left where every axis is at 0
    return _affordable(base, axes, [c for c in candidates_of(axes) if any(c.replicas) or not nobody], wanted)


def _affordable(
    base: Scenario, axes: Sequence[Axis], candidates: list[Candidate], wanted: Sequence[Requirement]
) -> list[Candidate]:
    """Those that keep to requirements on what is known before any run: GPUs and rent."""
    bounds = [r for r in wanted if r.path == GPUS or (r.path == RENT and not _is_scaled(base))]
    if not bounds:
        return candidates
    named = {a.pool for a in axes}
    fixed = sum(p.tp * p.replicas for p in base.fleet if p.kind == "gpu" and p.name not in named)
    known = _prices(base, axes, candidates) if any(r.path == RENT for r in bounds) else None
    rents = known or [0.0] * len(candidates)
    collected = [
        c
        for c, rent in zip(candidates, rents, strict=True)
        if all(r.met_by(rent if r.path == RENT else float(_gpus(axes, c) + fixed)) for r in bounds)
    ]
    if not collected:
        raise ScenarioError(f"--require {' and '.join(map(str, bounds))}: no cluster of these keeps to it")
    return collected


def _gpus(axes: Sequence[Axis], candidate: Candidate) -> int:
    """GPUs of all axes together, of pools that change their size the most that they ever have."""
    return sum(a.gpus(k, r) for a, k, r in zip(axes, candidate.kinds, candidate.replicas, strict=True))


def _prices(base: Scenario, axes: Sequence[Axis], candidates: Sequence[Candidate]) -> list[float] | None:
    """USD per hour of each candidate; of one with `k` replicas more, so much more. None where only runs tell."""
    if _is_scaled(base):
        for kinds in {c.kinds for c in candidates}:
            _price(base, axes, Candidate(kinds, (1,) * len(axes)))  # says what price is missing
        return None
    collected: dict[tuple[Any, ...], list[float]] = {}
    for c in candidates:
        if c.kinds not in collected:
            least = _price(base, axes, Candidate(c.kinds, (1,) * len(axes)))
            more = [tuple(2 if k == j else 1 for k in range(len(axes))) for j in range(len(axes))]
            each = [_price(base, axes, Candidate(c.kinds, r)) - least for r in more]
            collected[c.kinds] = [least - sum(each), *each]
    return [
        round(collected[c.kinds][0] + sum(p * r for p, r in zip(collected[c.kinds][1:], c.replicas, strict=True)), 9)
        for c in candidates
    ]


def _price(base: Scenario, axes: Sequence[Axis], candidate: Candidate) -> float:
    return usd_per_hour(with_values(base, candidate.values(axes))) or 0.0


def _search(
    base: Scenario,
    goal: Goal,
    candidates: Sequence[Candidate],
    prices: Sequence[float] | None,
    wanted: Sequence[Requirement],
    runs: CandidateRuns,
    on_known: Callable[[BestSoFar], None] | None,
) -> Search:
    carrying: dict[Any, Carrying] = {}

    def missed(rows: Sequence[Row | MesssimError]) -> list[Requirement]:
        return [r for r in wanted if out_of_reach(r, rows, runs.seeds, goal.kept_share)]

    def evaluate(i: int) -> Evaluation:
        left = sum(search.open(j) for j in range(len(candidates)))
        rows = runs.evaluation(i, lambda first: search.best is not None and bool(missed(first)), left)
        if len(rows) < runs.seeds:
            return Evaluation(False, any(map(_helped, missed(rows))), _value(i, rows))
        verdicts = [verdict_of(r, rows, goal.kept_share) for r in wanted]
        fine = [row for row in rows if not isinstance(row, MesssimError)]
        if len(fine) == len(rows) and candidates[i].kinds not in carrying and 0 not in candidates[i].replicas:
            carrying[candidates[i].kinds] = Carrying(runs.scenario(i), fine, wanted)
        unmet = [r for r, v in zip(wanted, verdicts, strict=True) if v["verdict"] != MET]
        helped = len(fine) < len(rows) or all(_helped(r) for r in unmet)
        return Evaluation(overall(verdicts) == MET, helped, _value(i, rows))

    def _value(i: int, rows: Sequence[Row | MesssimError]) -> float | None:
        if prices is not None:
            return prices[i]
        values = values_of(goal.measured, [row for row in rows if not isinstance(row, MesssimError)])
        return sum(values) / len(values) if values else None

    def promising(i: int, best: int | None) -> bool:
        rows = runs.of(i, 1)
        if isinstance(rows[0], MesssimError):
            return False
        met = all((v := values_of(r.path, [rows[0]])) and r.met_by(v[0]) for r in wanted)
        if not met or prices is not None or best is None:
            return met
        here, there = _value(i, rows), _value(best, runs.of(best, 1))
        return here is not None and there is not None and here < there

    def carries(i: int) -> bool:
        known = carrying.get(candidates[i].kinds)
        if 0 in candidates[i].replicas:  # whose traffic goes elsewhere
            return True
        return known is None or known.enough(_replicas(base, goal.axes, candidates[i]))

    def evaluated() -> None:
        if on_known is not None:
            on_known(_best_so_far(goal.axes, candidates, search))

    search = Search(candidates, prices, evaluate, promising, carries, evaluated)
    search.run()
    return search


def _best_so_far(axes: Sequence[Axis], candidates: Sequence[Candidate], search: Search) -> BestSoFar:
    if (best := search.best) is None:
        return BestSoFar(None, None, len(search.evaluated))
    replicas = {axis.pool: r for axis, r in zip(axes, candidates[best].replicas, strict=True)}
    return BestSoFar(replicas, search.evaluated[best].value, len(search.evaluated))


def _helped(requirement: Requirement) -> bool:
    return any(requirement.path.startswith(start) and requirement.from_above == less for start, less in HELPED)


def _replicas(base: Scenario, axes: Sequence[Axis], candidate: Candidate) -> dict[str, int]:
    fixed = {str(p.name): p.replicas for p in base.fleet}
    chosen = zip(axes, candidate.replicas, strict=True)
    return fixed | {axis.pool: r if axis.ceiling is None else axis.ceiling for axis, r in chosen}
