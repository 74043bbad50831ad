"""Why a request went where it went."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

from messsim.engines import Progress, RecordChunk, prepare
from messsim.engines.brain import destined
from messsim.errors import OutputError, ScenarioError
from messsim.results import Result, check_whole, reading_records
from messsim.routing import PLAN_ALL, PLAN_CHAIN, PLAN_EXPLORE, PLAN_MODEL
from messsim.scenario import Scenario, load
from messsim.scenario.overrides import format_value
from messsim.shapes.checks import Explanation, Record
from messsim.summary import Summary

from .single import simulated
from .starts import start_of

__all__ = ["explain"]


class Seen(TypedDict):
    """What a decision was made of: lists by model."""

    step: int
    alpha: float
    queue: float
    V: float
    scores: list[float]
    costs: list[float]
    loads: list[float]
    uniforms: list[float]
    plan: int


class _Watch:
    """A policy's kernel that notes what one decision was made of, whichever instance of the router makes it."""

    def __init__(self, kernel: Any, request: int, seen: list[Seen]) -> None:
        self._kernel = kernel
        self._request = request
        self._seen = seen

    def copy(self) -> "_Watch":
        return _Watch(self._kernel.copy(), self._request, self._seen)

    def decide(self, request: int, step: int, alpha: float, queue: float, *facts: Any) -> int:
        tenant, state = (int(facts[6]) if len(facts) > 6 else 0), self._kernel.state
        v = float(state[min(tenant, len(state) - 2)])  # a steered V is one of several; behind them one number of room
        plan = int(self._kernel.decide(request, step, alpha, queue, *facts))
        if request == self._request:
            scores, costs, loads, uniforms = (list(map(float, f)) for f in facts[:4])
            self._seen.append(
                {
                    "step": step,
                    "alpha": alpha,
                    "queue": queue,
                    "V": v,
                    "scores": scores,
                    "costs": costs,
                    "loads": loads,
                    "uniforms": uniforms,
                    "plan": plan,
                }
            )
        return plan

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kernel, name)


def explain(
    directory: str | Path,
    request: int,
    progress: Callable[[Progress], None] | None = None,
    *,
    run_policy: bool = False,
) -> Explanation:
    """Replays a run up to one request and returns what its decision was made of: that on the last attempt.

    The replay is the run itself: chance is drawn before routing. It is the SimPy engine's, which can be watched
    from Python and makes the same records. What it finds is compared with the record, bit for bit.

    Parameters
    ----------
    directory
        What the ``--out`` of a run wrote.
    request
        Which request, from 0.
    progress
        Called now and then with how far the replay is.
    run_policy
        Whether a policy, or a rule of dispatch, that is a Python file may be run.

    Raises
    ------
    OutputError
        If the directory holds no such run or request, its policy is a Python file that may not be run, or the replay
        disagrees with the record (another version of messsim wrote it).
    """
    path = Path(directory)
    result = Result.read(path)
    check_whole(result)
    last = _last_of(result, path)
    if not 0 <= request <= last:
        raise OutputError(f"{path}: --request {request}: expected 0 to {last}")
    scenario = _scenario(path, run_policy)
    _check_unchanged(path / "scenario.toml", scenario, result.summary)
    record = _record(result, path, request)
    scenario = scenario.changed(engine="simpy")
    if record["model"] is None:
        raise OutputError(
            f"{path}: request {request} was never decided: "
            + ("it is too long for every model" if record["status"] == "too_long" else "it waited for the router")
        )
    setup = prepare(_up_to(scenario, request, record))
    decisions: list[Seen] = []
    watched = dataclasses.replace(setup.policy, kernel=_Watch(setup.policy.kernel, request, decisions))  # type: ignore[arg-type]
    simulated(dataclasses.replace(setup, policy=watched), _nowhere, progress)
    seen = decisions[-1]  # that on the last attempt
    kept = scenario.router.keep_session_model and record.get("turn", 0) > 0
    moves = scenario.cluster.when_full == "next_model"
    _compare(path, record, seen, scenario.model_names, scenario.reference, kept, moves=moves)
    who = setup.workload.columns(request, 1).instance
    instance = None if who is None else int(who[0])
    reported = _explanation(scenario.model_names, seen, record, setup.policy.name, instance, scenario.router.instances)
    if starts := {plan.name: start for plan in setup.pools if (start := start_of(plan)) is not None}:
        reported["starts"] = starts
    reported["how"] = _how(reported, record, kept, moves)
    return reported


def _how(reported: Explanation, record: Record, kept: bool, moves: bool) -> str:
    """How its model was found, where that is not all that the decision says."""
    if kept:
        return f"{record['model']} is kept, which answered the turn before"
    wanted = [model["name"] for model in reported["models"] if model["chosen"]]
    is_moved = moves and len(wanted) == 1 and wanted[0] != record["model"] and not reported["how"].startswith("chain")
    return reported["how"] + f"; {wanted[0]} takes no more, so it goes to {record['model']}" * is_moved


def _last_of(result: Result, path: Path) -> int:
    """The greatest number of a request: turns of sessions that were not sent have numbers, too."""
    if result.summary["sessions"] is None:
        return result.summary["requests"]["arrived"] - 1
    with reading_records(path):
        return int(result.requests.select("id").max().collect().item())


def _scenario(path: Path, run_policy: bool) -> Scenario:
    """The scenario of a run, whose code is run only where it may be."""
    try:
        scenario = load(path / "scenario.toml")
    except ScenarioError as error:
        raise OutputError(f"{path}: its scenario cannot be run any more: {error}") from None
    for key, file in scenario.python_files if not run_policy else []:
        what = {"router.policy": "policy", "cluster.dispatch": "rule of dispatch"}[key]
        raise OutputError(
            f"{path}: its {what} is a Python file, {file}, which explaining a request would run; "
            "expected --run-policy (run_policy=True in Python) if you trust that file"
        )
    return scenario


def _check_unchanged(file: Path, scenario: Scenario, summary: Summary) -> None:
    """Raises where what a run says of its scenario is not what the file says now."""
    of_run = (summary["scenario"], summary["seed"], summary["replication"], [m["name"] for m in summary["models"]])
    of_file = (scenario.name, scenario.seed, scenario.replication, scenario.model_names)
    for key, was, now in zip(("name", "seed", "replication", "models"), of_run, of_file, strict=True):
        if was != now:
            raise OutputError(
                f"{file}: {key} = {format_value(now)}, and the run was of {format_value(was)}: it was changed; "
                "expected the file as the run wrote it"
            )


def _up_to(scenario: Scenario, request: int, record: Record) -> Scenario:
    """The same run, ended by that request where nothing of it depends on later ones.

    A closed loop's later requests depend on earlier answers only, a later attempt on requests in between, as does a
    decision that takes time, and a turn of a session on both.
    """
    at_once = record["attempts"] == 1 and scenario.router.decision_s is None
    if scenario.arrivals.kind == "closed" or scenario.has_sessions or not at_once:
        return scenario
    return scenario.changed(requests=request + 1, horizon_s=None, warmup=0)


def _record(result: Result, path: Path, request: int) -> Record:
    with reading_records(path):
        rows = result.requests.filter(id=request).collect()
    if rows.height == 0 and "session" in rows.columns:
        raise OutputError(
            f"{path}: request {request} has no record: it is a turn that was not sent, or a part of them is missing"
        )
    if rows.height != 1:
        raise OutputError(f"{path}/requests: request {request} has {rows.height} records; a part of them is missing")
    record = rows.row(0, named=True)
    for column in ("attempts", "explored", "queue", "score"):
        if column not in record:
            raise OutputError(f"{path}/requests: the column {column} is missing; another version of messsim wrote it")
    return record


def _nowhere(_: RecordChunk) -> None:
    """Records of the replay are not needed."""


def _compare(
    path: Path, record: Record, seen: Seen, names: list[str], reference: int, kept: bool, *, moves: bool = False
) -> None:
    """Whether the record says what the replay saw.

    `kept`: the model is that of the turn before; `moves`: a model that takes no more hands a request on.
    """
    plan = seen["plan"]
    compared: Record = {"queue": seen["queue"]}
    if record["attempts"] == 1 and not kept:
        compared["explored"] = bool(plan & (PLAN_ALL | PLAN_EXPLORE))
    if not plan & PLAN_CHAIN and not kept:  # of a chain, the record names who answered in the end
        model = destined(reference if plan == PLAN_ALL else plan & PLAN_MODEL, seen["costs"])
        if moves and plan != PLAN_ALL:
            model = names.index(record["model"])
        compared["model"] = names[model]
        if record["score"] is not None:
            compared["score"] = seen["scores"][model]
    for key, value in compared.items():
        if record[key] != value:
            raise OutputError(
                f"{path}: the replay decides request {record['id']} with {key} = {value!r}, the record says "
                f"{record[key]!r}: another version of messsim, or other data files, made it, or its scenario.toml was "
                "changed"
            )


def _explanation(
    names: list[str],
    seen: Seen,
    record: Record,
    policy: str,
    instance: int | None,
    instances: int,
) -> Explanation:
    plan = seen["plan"]
    how = {
        PLAN_ALL: "explored: every model got a copy",
        PLAN_EXPLORE: "explored: one model drawn at random",
        PLAN_CHAIN: "chain: the first model to be asked",
    }.get(plan & ~PLAN_MODEL, "exploited")
    v, queue, alpha = seen["V"], seen["queue"], seen["alpha"]
    argmin = policy == "mess+"
    goes_to = plan if plan == PLAN_ALL else destined(plan, seen["costs"]) & PLAN_MODEL
    return {
        "request": record["id"],
        "policy": policy,
        "how": how,
        "step": seen["step"],
        "alpha": alpha,
        "queue": queue,
        "V": v if argmin else None,
        "uniforms": seen["uniforms"],
        "models": [
            {
                "name": name,
                "score": score,
                "cost": cost if can_be_had else None,
                "v_cost": v * cost if argmin and can_be_had else None,
                "q_shortfall": queue * (alpha - score) if argmin else None,
                "total": v * cost + queue * (alpha - score) if argmin and can_be_had else None,
                "chosen": can_be_had and goes_to in (PLAN_ALL, m),
            }
            for m, (name, score, cost) in enumerate(zip(names, seen["scores"], seen["costs"], strict=True))
            for can_be_had in [cost < math.inf]
        ],
        "record": {k: str(v) if k in ("tenant", "model", "status") else v for k, v in record.items()},
        "instance": instance,
        "instances": instances,
    }
