"""What a plan has to say: the answer, the frontier around it, and what it rests on."""

from collections.abc import Mapping, Sequence

from messsim.errors import MesssimError
from messsim.results.figures import Requirement
from messsim.results.intervals import LEVEL, replication_interval, share_interval
from messsim.results.rent import fleet_figures
from messsim.scenario import Scenario
from messsim.shapes.studies import Cluster, IntervalSummary, PlanSummary, PoolChoice, Verdict
from messsim.version import __version__
from messsim.wording import percent

from ..runs.rows import Row
from ..runs.verdicts import FAILED, MET, UNCERTAIN, is_promise, out_of_reach, overall, values_of, verdict_of
from .candidate_runs import CandidateRuns
from .candidates import Axis, Kind
from .goal import ENERGY, Goal
from .search import MOST_CHECKS, Search

__all__ = ["plan_answer"]

FIGURES = ("sla.satisfaction", "cost.per_request", "latency_s.ttft.p95", "latency_s.e2e.p95")


def plan_answer(
    base: Scenario, goal: Goal, wanted: Sequence[Requirement], search: Search, runs: CandidateRuns
) -> PlanSummary:
    """The object that ``plan --json`` prints: see `messsim.study.plan.cheapest.plan`."""
    clusters = {i: _candidate(goal, wanted, search, runs, i) for i in search.evaluated}
    order = sorted(clusters, key=lambda i: (clusters[i]["objective"] is None, clusters[i]["objective"] or 0.0, i))
    uncertain = any(c["verdict"] != FAILED for c in clusters.values())
    costlier = sum(
        search.costlier(i) and i not in search.evaluated and i not in search.too_small and i not in search.assumed
        for i in range(len(search.candidates))
    )
    return {
        "scenario": base.name,
        "version": __version__,
        "objective": goal.objective,
        "unit": "USD/h" if goal.objective == "usd" else "J",
        "requirements": [str(r) for r in wanted],
        "seed": base.seed,
        "replications": goal.seeds,
        "level": LEVEL,
        "status": MET if search.best is not None else UNCERTAIN if uncertain else FAILED,
        "best": None if search.best is None else clusters[search.best],
        "frontier": [clusters[i] for i in _frontier(order, clusters, wanted, search.best)],
        "clusters": [clusters[i] for i in order],
        "counts": {
            "candidates": len(search.candidates),
            "simulated": len(search.evaluated),
            "costlier": costlier,
            "too_small": len(search.too_small - set(search.evaluated)),
            "assumed": len((search.assumed - search.too_small) - set(search.evaluated)),
            "checked": len(search.checked),
            "unchecked": search.unchecked,
        },
        "violation": None if search.violation is None else clusters[search.violation],
        "kept_share": goal.kept_share,
        "assumptions": [
            *_assumptions(search, goal.objective),
            *_more_seeds(search, clusters, wanted, goal),
        ],
    }


def _interval(values: list[float]) -> IntervalSummary | None:
    return replication_interval(values).summary() if values else None


def _more_seeds(
    search: Search, clusters: Mapping[int, Cluster], wanted: Sequence[Requirement], goal: Goal
) -> list[str]:
    """What more seeds could tell, and what they could not."""
    promises = [k for k, r in enumerate(wanted) if is_promise(r)]
    if search.best is None or not promises:
        return []
    seeds, kept_share = goal.seeds, goal.kept_share
    kept = min(clusters[search.best]["requirements"][k].get("kept", 0) for k in promises)
    low, _ = share_interval(kept, seeds)
    needed = next((n for n in range(seeds, 2_000) if share_interval(n, n)[0] >= kept_share), None)
    tells = low < kept_share and needed
    sure = f"; {needed} seeds that all keep it would say so of {percent(kept_share, 0)}" if tells else ""
    return [
        f"the promise is kept in {kept} of {seeds} replications, so in {percent(low, 0)} of all or more (95 %){sure}",
        "no number of seeds moves the mean away from alpha: a router pays for no more than it promised",
    ]


def _candidate(goal: Goal, wanted: Sequence[Requirement], search: Search, runs: CandidateRuns, i: int) -> Cluster:
    rows, c = runs.of(i, runs.made[i]), search.candidates[i]
    verdicts = [_verdict(r, rows, goal) for r in wanted]
    fine = [row for row in rows if not isinstance(row, MesssimError)]
    energy, scenario = values_of(ENERGY, fine), runs.scenario(i)
    return {
        "pools": [_choice(a, k, r) for a, k, r in zip(goal.axes, c.kinds, c.replicas, strict=True)],
        "overrides": c.values(goal.axes),
        "gpus": sum(p.tp * p.replicas for p in scenario.fleet if p.kind == "gpu"),
        "objective": search.evaluated[i].value,
        "energy_j": _interval(energy),
        "figures": {path: _interval(values_of(path, fine)) for path in (*FIGURES, *fleet_figures(scenario))},
        "replications": len(rows),
        "kept": sum(row.get("sla_kept") is True for row in fine),
        "verdict": overall(verdicts),
        "requirements": verdicts,
    }


def _choice(axis: Axis, kind: Kind, replicas: int) -> PoolChoice:
    """A pool; one that changes its size has so many replicas at least."""
    choice: PoolChoice = {"pool": axis.pool, "gpu": kind.gpu, "tp": kind.tp, "replicas": replicas}
    return choice if axis.ceiling is None else choice | {"most": axis.ceiling}


def _verdict(requirement: Requirement, rows: Sequence[Row | MesssimError], goal: Goal) -> Verdict:
    """Of all replications; or of the first, which decides where the others could not make up for it."""
    verdict = verdict_of(requirement, rows, goal.kept_share)
    if len(rows) < goal.seeds and out_of_reach(requirement, rows, goal.seeds, goal.kept_share):
        return verdict | {"verdict": FAILED, "reason": "missed in the first replication: others cannot make up for it"}
    return verdict


def _frontier(
    order: Sequence[int], clusters: Mapping[int, Cluster], wanted: Sequence[Requirement], best: int | None
) -> list[int]:
    """The best, and candidates that no other beats in objective and in all requirements' margins; cheapest first."""

    def margins(i: int) -> list[float] | None:
        means = [mean for v in clusters[i]["requirements"] if (mean := v["mean"]) is not None]
        objective = clusters[i]["objective"]
        if objective is None or len(means) < len(wanted):
            return None
        return [-objective, *(r.margin(m) for r, m in zip(wanted, means, strict=True))]

    known = {i: m for i in order if (m := margins(i)) is not None}

    def beaten(i: int) -> bool:
        mine = known[i]
        return any(m != mine and all(a >= b for a, b in zip(m, mine, strict=True)) for m in known.values())

    return [i for i in known if i == best or not beaten(i)]


def _assumptions(search: Search, objective: str) -> list[str]:
    """What the answer rests on beyond its replications, in sentences."""
    if search.violation is not None:
        return [
            "a smaller cluster met what a larger one did not: nothing was assumed any more, and every cheaper cluster "
            "was simulated"
        ]
    collected = []
    if search.assumed - search.too_small - set(search.evaluated):
        costs = "costs more" if objective == "usd" else "draws more energy"
        more = "" if search.prices is not None else f", and a larger one than one that is met {costs}"
        collected.append(f"a cluster within one that is not met, with the same GPUs, is not met either{more}")
    if search.too_small - set(search.evaluated):
        collected.append(
            "a cluster whose load is above 1.25 times what the closed form sustains cannot keep its latencies"
        )
    if search.checked:
        rest = f" ({search.unchecked} more were not: at most {MOST_CHECKS} are)" if search.unchecked else ""
        collected.append(
            f"checked: runs of {len(search.checked)} of the largest clusters that were assumed to fail did fail{rest}"
        )
    return collected
