"""The cheapest cluster that keeps a set of requirements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from messsim.errors import MesssimError, ScenarioError, SimulationError
from messsim.results.figures import Requirement
from messsim.results.intervals import LEVEL, replication_interval
from messsim.scenario import Scenario, with_values
from messsim.version import __version__

from .candidates import Axis, Candidate, candidates_of, usd_per_hour
from .carrying import Carrying
from .journal import Journal, contents, journal, went_on
from .processes import Workers, local_workers, summary_of
from .requirements import known_figures, requirements_of
from .rows import Row, check_version, row_of
from .search import MOST_CHECKS, Evaluation, Search
from .verdicts import FAILED, MET, overall, values_of, verdict_of

__all__ = ["plan"]

ENERGY = "energy.total_j"

# Requirements that more replicas are assumed to help, by the start of their path and whether less is better.
HELPED = (
    ("latency_s.", True),
    ("requests.rejected", True),
    ("requests.lost", True),
    ("requests.in_flight", True),
    ("slo.", False),
    ("sla.satisfaction", False),
    ("sla.shortfall", True),
)

Told = Callable[[int, int], None]


def plan(
    scenario: Scenario,
    axes: Sequence[Axis],
    requirements: Sequence[str],
    *,
    objective: str = "usd",
    seeds: int = 5,
    out: Path | None = None,
    workers: AbstractContextManager[Workers] | None = None,
    progress: Told | None = None,
) -> dict[str, Any]:
    """Finds the cheapest numbers of replicas, and kinds of GPU, that meet all requirements.

    Every candidate faces the same requests (common random numbers). A requirement is met only if the whole 95 %
    interval over replications keeps to it, failed only if the whole interval does not, and uncertain otherwise; each
    requirement is judged by itself. How evaluations are spared, and how that is checked: `messsim.study.search`.

    Parameters
    ----------
    scenario
        What the candidates change.
    axes
        From `messsim.study.candidates.axes_of`.
    requirements
        Such as ``latency_s.ttft.p95<2``.
    objective
        "usd": price of all GPUs by the hour; "energy": joules of a whole run, idle energy included.
    seeds
        Replications of each candidate, at least 2.
    out
        A directory for ``results.parquet``, a row a run; one that the same plan began is gone on with.
    workers
        Who runs; none: a process a core.
    progress
        Told how many runs are done, and of how many at most.

    Returns
    -------
    dict
        `status` ("met", "uncertain" or "failed"), `best`, `frontier`, `counts` of candidates, `assumptions`.

    Raises
    ------
    ScenarioError
        If a requirement is none, a price is missing, or a candidate cannot be run as it stands.
    """
    if not requirements:
        raise ScenarioError("no requirements; expected --require, such as 'latency_s.ttft.p95<2'")
    if seeds < 2:
        raise ScenarioError(f"--seeds {seeds}: expected at least 2: one replication has no interval")
    base = scenario.changed(replication=0)
    candidates = candidates_of(axes)
    prices = _prices(base, axes, candidates) if objective == "usd" else None
    wanted = requirements_of(requirements, known_figures(base))
    points = [c.values(axes) for c in candidates]
    book = nullcontext() if out is None else journal(out, base, contents(base, points, [base]), points)
    with book as kept, workers or local_workers() as many:
        runs = _Runs(base, axes, candidates, seeds, many, kept, progress)
        try:
            search = _search(base, axes, candidates, prices, wanted, runs)
        except (KeyboardInterrupt, SimulationError) as error:
            if kept is None:
                raise
            raise type(error)(went_on(error, len(kept.rows))) from None
        finally:
            if kept is not None:
                kept.close([kept.rows[key] for key in sorted(kept.rows)])
    return _told(base, axes, search, runs, wanted, objective)


def _prices(base: Scenario, axes: Sequence[Axis], candidates: Sequence[Candidate]) -> list[float]:
    """USD per hour of each candidate; of one with `k` replicas more, so much more."""
    found: dict[tuple[Any, ...], list[float]] = {}
    for c in candidates:
        if c.kinds not in found:
            ones = [1] * len(axes)
            least = usd_per_hour(with_values(base, Candidate(c.kinds, tuple(ones)).values(axes)))
            more = [tuple(2 if k == j else 1 for k in range(len(axes))) for j in range(len(axes))]
            each = [usd_per_hour(with_values(base, Candidate(c.kinds, r).values(axes))) - least for r in more]
            found[c.kinds] = [least - sum(each), *each]
    return [
        round(found[c.kinds][0] + sum(p * r for p, r in zip(found[c.kinds][1:], c.replicas, strict=True)), 9)
        for c in candidates
    ]


def _row(task: tuple[Scenario, dict[str, Any]]) -> Row:
    scenario, point = task
    return row_of(scenario, summary_of(scenario), point)


class _Runs:
    """Replications of candidates, each run once."""

    def __init__(
        self,
        base: Scenario,
        axes: Sequence[Axis],
        candidates: Sequence[Candidate],
        seeds: int,
        workers: Workers,
        kept: Journal | None,
        progress: Told | None,
    ) -> None:
        self._base, self._axes, self._candidates = base, axes, candidates
        self.seeds, self._workers, self._kept = seeds, workers, kept
        self._tell = progress or (lambda done, total: None)
        self._rows: dict[tuple[int, int], Row | MesssimError] = {}
        if kept is not None:
            self._rows |= kept.rows

    def scenario(self, i: int) -> Scenario:
        return with_values(self._base, self._candidates[i].values(self._axes))

    def of(self, i: int, seeds: int, left: int = 0) -> list[Row | MesssimError]:
        """Replications 0 ... seeds - 1 of a candidate; `left` candidates may come after it."""
        todo = [r for r in range(seeds) if (i, r) not in self._rows]
        if todo:
            point = self._candidates[i].values(self._axes)
            said = self.scenario(i)
            tasks = [(said.changed(replication=r), point) for r in todo]
            for k, value in self._workers.each(_row, tasks):
                self._rows[i, todo[k]] = value
                if not isinstance(value, MesssimError):
                    check_version(value)
                    if self._kept is not None:
                        self._kept.add((i, todo[k]), value)
                self._tell(len(self._rows), len(self._rows) + len(todo) - k - 1 + left * self.seeds)
        return [self._rows[i, r] for r in range(seeds)]


def _search(
    base: Scenario,
    axes: Sequence[Axis],
    candidates: Sequence[Candidate],
    prices: Sequence[float] | None,
    wanted: Sequence[Requirement],
    runs: _Runs,
) -> Search:
    carrying: dict[Any, Carrying] = {}

    def evaluate(i: int) -> Evaluation:
        rows = runs.of(i, runs.seeds, left=sum(search.open(j) for j in range(len(candidates))))
        verdicts = [verdict_of(r, rows) for r in wanted]
        fine = [row for row in rows if not isinstance(row, MesssimError)]
        if len(fine) == len(rows) and candidates[i].kinds not in carrying:
            carrying[candidates[i].kinds] = Carrying(runs.scenario(i), fine, wanted)
        unmet = [r for r, v in zip(wanted, verdicts, strict=True) if v["verdict"] != MET]
        helped = len(fine) < len(rows) or all(_helped(r) for r in unmet)
        return Evaluation(overall(verdicts) == MET, helped, _value(i, rows))

    def _value(i: int, rows: Sequence[Row | MesssimError]) -> float | None:
        if prices is not None:
            return prices[i]
        values = values_of(ENERGY, [row for row in rows if not isinstance(row, MesssimError)])
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
        return known is None or known.enough(_replicas(base, axes, candidates[i]))

    search = Search(candidates, prices, evaluate, promising, carries)
    search.run()
    return search


def _helped(requirement: Requirement) -> bool:
    return any(requirement.path.startswith(start) and requirement.from_above == less for start, less in HELPED)


def _replicas(base: Scenario, axes: Sequence[Axis], candidate: Candidate) -> dict[str, int]:
    fixed = {str(p.name): p.replicas for p in base.fleet}
    return fixed | {axis.pool: r for axis, r in zip(axes, candidate.replicas, strict=True)}


# ---- what is told ---------------------------------------------------------------------------------------


def _told(
    base: Scenario,
    axes: Sequence[Axis],
    search: Search,
    runs: _Runs,
    wanted: Sequence[Requirement],
    objective: str,
) -> dict[str, Any]:
    told = {i: _candidate(axes, search, runs, wanted, i) for i in search.found}
    order = sorted(told, key=lambda i: (told[i]["objective"] is None, told[i]["objective"] or 0.0, i))
    uncertain = any(c["verdict"] != FAILED for c in told.values())
    costlier = sum(
        search.costlier(i) and i not in search.found and i not in search.too_small and i not in search.assumed
        for i in range(len(search.candidates))
    )
    return {
        "scenario": base.name,
        "version": __version__,
        "objective": objective,
        "unit": "USD/h" if objective == "usd" else "J",
        "requirements": [str(r) for r in wanted],
        "seed": base.seed,
        "replications": runs.seeds,
        "level": LEVEL,
        "status": MET if search.best is not None else "uncertain" if uncertain else FAILED,
        "best": None if search.best is None else told[search.best],
        "frontier": [told[i] for i in _frontier(order, told, wanted, search.best)],
        "counts": {
            "candidates": len(search.candidates),
            "simulated": len(search.found),
            "costlier": costlier,
            "too_small": len(search.too_small - set(search.found)),
            "assumed": len((search.assumed - search.too_small) - set(search.found)),
            "checked": len(search.checked),
            "unchecked": search.unchecked,
        },
        "violation": None if search.violation is None else told[search.violation],
        "assumptions": _assumptions(search),
    }


def _candidate(
    axes: Sequence[Axis], search: Search, runs: _Runs, wanted: Sequence[Requirement], i: int
) -> dict[str, Any]:
    rows, c = runs.of(i, runs.seeds), search.candidates[i]
    verdicts = [verdict_of(r, rows) for r in wanted]
    energy = values_of(ENERGY, [row for row in rows if not isinstance(row, MesssimError)])
    return {
        "pools": [
            {"pool": a.pool, "gpu": k.gpu, "tp": k.tp, "replicas": r}
            for a, k, r in zip(axes, c.kinds, c.replicas, strict=True)
        ],
        "overrides": c.values(axes),
        "gpus": sum(p.tp * p.replicas for p in runs.scenario(i).fleet if p.kind == "gpu"),
        "objective": search.found[i].value,
        "energy_j": replication_interval(energy).summary() if energy else None,
        "verdict": overall(verdicts),
        "requirements": verdicts,
    }


def _frontier(
    order: Sequence[int], told: dict[int, dict[str, Any]], wanted: Sequence[Requirement], best: int | None
) -> list[int]:
    """The best, and candidates that no other beats in objective and in all requirements' margins; cheapest first."""

    def margins(i: int) -> list[float] | None:
        means = [v["mean"] for v in told[i]["requirements"]]
        if told[i]["objective"] is None or None in means:
            return None
        return [-told[i]["objective"], *(r.margin(m) for r, m in zip(wanted, means, strict=True))]

    known = {i: m for i in order if (m := margins(i)) is not None}

    def beaten(i: int) -> bool:
        mine = known[i]
        return any(m != mine and all(a >= b for a, b in zip(m, mine, strict=True)) for m in known.values())

    return [i for i in known if i == best or not beaten(i)]


def _assumptions(search: Search) -> list[str]:
    """What the answer rests on beyond its replications, in sentences."""
    if search.violation is not None:
        return [
            "a smaller cluster met what a larger one did not: nothing was assumed any more, and every cheaper cluster "
            "was simulated"
        ]
    found = []
    if search.assumed - search.too_small - set(search.found):
        more = "" if search.prices is not None else ", and a larger one than one that is met draws more energy"
        found.append(f"a cluster within one that is not met, with the same GPUs, is not met either{more}")
    if search.too_small - set(search.found):
        found.append("a cluster whose load is above 1.25 times what the closed form sustains cannot keep its latencies")
    if search.checked:
        rest = f" ({search.unchecked} more were not: at most {MOST_CHECKS} are)" if search.unchecked else ""
        found.append(f"checked: {len(search.checked)} of the largest clusters so left out fail in a run{rest}")
    return found
