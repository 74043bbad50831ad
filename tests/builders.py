"""Small scenarios as dictionaries, and one run of them in memory: own coefficients, IRT, no data files.

Iterations last a quarter of a second unless a test says otherwise: sums of quarters are exact in binary, so
times worked out by hand are compared for equality.
"""

from __future__ import annotations

import ctypes
import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from messsim import _core
from messsim.engines import Outcome, RecordChunk, Setup, prepare
from messsim.engines.records import COLUMNS, STATUS
from messsim.logs.traces import TraceColumns, plan_reading, read_requests
from messsim.results import Tally, summarise
from messsim.routing import Policy
from messsim.scenario import parse
from messsim.study.simulation.single import ENGINES
from messsim.workload.choosing import Chooser

# Mean satisfactions so near the ends that no draw of a test falls on the other side.
ALWAYS, NEVER = 1 - 1e-12, 1e-12

STEP_S = 0.25
POWER_W = 100.0
IDLE_W = 10.0
COEFFICIENTS = {"a0_s": STEP_S, "p0_w_per_gpu": POWER_W, "p_idle_w_per_gpu": IDLE_W}


def model(name: str, satisfaction: float = 0.6, **more: Any) -> dict[str, Any]:
    """A model with its single pool of one replica, unless `more` says otherwise."""
    return {"name": name, "satisfaction": satisfaction, "coefficients": COEFFICIENTS, "max_num_seqs": 4} | more


def pool(serves: str, **more: Any) -> dict[str, Any]:
    """One of several pools of a model that is itself ``{"name": ..., "satisfaction": ...}`` only."""
    return {"model": serves, "coefficients": COEFFICIENTS, "max_num_seqs": 4} | more


def api(**more: Any) -> dict[str, Any]:
    """How an API serves, in `[[models]]` or `[[pools]]`: the first token after half a second, and one each quarter."""
    return {"kind": "api", "latency_s": 0.5, "tpot_s": 0.25, "usd_per_million_output_tokens": 5.0} | more


def scenario(**changes: Any) -> dict[str, Any]:
    """Two models, one replica each, 40 Poisson requests of 1 prompt and 3 output tokens; tables are merged.

    A key that is given as None goes.
    """
    data: dict[str, Any] = {
        "requests": 40,
        "sla": {"alpha": 0.5},
        "arrivals": {"kind": "poisson", "rate_rps": 2.0},
        "tokens": {"prompt": 1, "output": 3},
        "satisfaction": {"kind": "irt"},
        "features": {"dimensions": 3},
        "models": [model("small", 0.4), model("large", 0.8)],
        "router": {"V": 1e-2},
    }
    for key, value in changes.items():
        old = data.get(key)
        data[key] = old | value if isinstance(old, dict) and isinstance(value, dict) and key != "arrivals" else value
    return {k: v for k, v in data.items() if v is not None}


def trace(folder: Path, times_s: Iterable[float], **columns: Iterable[int]) -> dict[str, Any]:
    """``[arrivals]`` with requests at these times, the first at 0; `columns` are prompt_tokens and output_tokens."""
    file = folder / "trace.csv"
    rows = zip(times_s, *columns.values(), strict=True)
    file.write_text("\n".join([",".join(["arrival_s", *columns]), *(",".join(map(str, r)) for r in rows)]) + "\n")
    return {"kind": "trace", "file": str(file), "repeat": False}


@dataclasses.dataclass(frozen=True)
class Run:
    """A run with everything that a test may want to compare.

    `records` has one array a column, `satisfied`, `labels` and `known` are [models, n] and `uniforms` [n, 2].
    """

    setup: Setup
    outcome: Outcome
    chunks: list[RecordChunk]
    records: SimpleNamespace
    satisfied: np.ndarray
    labels: np.ndarray
    known: np.ndarray
    features: np.ndarray
    uniforms: np.ndarray
    feedback: np.ndarray
    delays: np.ndarray | None
    tally: Tally

    @property
    def statuses(self) -> list[str]:
        return [STATUS[s] for s in self.records.status]

    @property
    def summary(self) -> dict[str, Any]:
        return summarise(self.setup.scenario, self.outcome, self.tally, 1.0)

    def __len__(self) -> int:
        return len(self.records.id)


def run(data: dict[str, Any], engine: str = "simpy") -> Run:
    """Simulates a scenario in memory."""
    setup = prepare(parse(data | {"engine": engine}))
    tally, chunks = Tally(setup.scenario), []

    def sink(chunk: RecordChunk) -> None:
        tally.add(chunk)
        chunks.append(chunk)

    outcome = ENGINES[engine](setup, sink, None)

    def joined(of: Callable[[RecordChunk], Any], axis: int = -1) -> Any:
        return np.concatenate([of(c) for c in chunks], axis=axis) if chunks else np.empty(0)

    late = chunks and chunks[0].drawn.delay_s is not None
    features = joined(lambda c: c.drawn.features[:, : len(c)])
    if chunks and len(features) == 0:  # the compiled loop draws them itself
        everyone = np.concatenate([c.features for c in setup.workload.chunks(setup.workload.chunk_size)], axis=1)
        features = everyone[:, joined(lambda c: c.columns["id"])]
    return Run(
        setup,
        outcome,
        chunks,
        SimpleNamespace(**{n: joined(lambda c, n=n: c.columns[n]) for n in (chunks[0].columns if chunks else COLUMNS)}),
        joined(lambda c: c.drawn.satisfied[:, : len(c)]),
        joined(lambda c: (c.drawn.satisfied if c.drawn.labels is None else c.drawn.labels)[:, : len(c)]),
        joined(lambda c: c.known_costs[:, : len(c)]),
        features,
        joined(lambda c: c.drawn.policy_uniforms[: len(c)], 0),
        joined(lambda c: np.zeros(len(c)) if c.drawn.feedback_uniform is None else c.drawn.feedback_uniform[: len(c)]),
        joined(lambda c: c.drawn.delay_s[:, : len(c)]) if late else None,
        tally,
    )


# ---- a policy of one's own ------------------------------------------------------------------------------

INT, DOUBLE, ARRAY = ctypes.c_int64, ctypes.c_double, ctypes.POINTER(ctypes.c_double)
DECIDE = ctypes.CFUNCTYPE(INT, *[INT] * 5, DOUBLE, DOUBLE, *[ARRAY] * 8)
FINISH = ctypes.CFUNCTYPE(INT, *[INT] * 5, *[ARRAY] * 6)
RATED = ctypes.CFUNCTYPE(INT, *[INT] * 3, *[DOUBLE] * 3, ARRAY, ARRAY)


class OwnPolicy:
    """A policy made of Python functions, to be put into `routing.POLICIES`; keeps its callbacks alive.

    ``decide(ask)`` gets a namespace of what a decision is told and returns a plan; ``finish(request, stage,
    model)`` the model to ask next or the number of models; ``rated(request, model, satisfaction, queue)`` nothing;
    ``on_finish`` hears the facts that `finish` is told.
    """

    def __init__(
        self, decide: Any, finish: Any = None, rated: Any = None, on_finish: Any = None, **policy: Any
    ) -> None:
        self.asked: list[SimpleNamespace] = []
        self._on_finish = on_finish
        self._decide, self._finish, self._rated, self.policy = decide, finish, rated, policy
        self._kept = [DECIDE(self._decided), FINISH(self._ended), RATED(self._heard)]

    def build(self, options: Any, models: int, features: int) -> Policy:
        address = [ctypes.cast(f, ctypes.c_void_p).value for f in self._kept]
        finish, rated = address[1] if self._finish else 0, address[2] if self._rated else 0
        kernel = _core.Policy(address[0], [], [], finish=finish, rated=rated)
        return Policy("own", kernel, **{"options": frozenset({"cost_estimate", "cost_prior"})} | self.policy)

    def _decided(self, request, step, tenant, models, dimensions, alpha, queue, *arrays):
        scores, costs, loads, facts, features, uniforms, _, _ = arrays
        ask = SimpleNamespace(request=request, step=step, tenant=tenant, models=models, alpha=alpha, queue=queue)
        ask.features = features[:dimensions]
        ask.scores, ask.costs, ask.loads = scores[:models], costs[:models], loads[:models]
        ask.uniforms, ask.facts = uniforms[:2], facts[:models] if facts else None
        self.asked.append(ask)
        return self._decide(ask)

    def _ended(self, request, stage, tenant, model, models, scores, costs, facts, uniforms, params, state):
        if self._on_finish is not None:
            self._on_finish(facts[:models])
        return self._finish(request, stage, model)

    def _heard(self, request, tenant, model, alpha, satisfaction, queue, *_):
        self._rated(request, model, satisfaction, queue)
        return 0


def replicas_of(folder, times_s, engine, cluster, replicas=3, **changes):
    """Where requests of two iterations go among the replicas of one model; `columns` are token counts of a trace."""
    serving, columns = changes.pop("serving", {}), changes.pop("columns", {})
    tokens = {"prompt": {"kind": "trace"}, "output": {"kind": "trace"}} if columns else {"prompt": 1, "output": 2}
    data = {"tokens": tokens, "requests": len(times_s), "arrivals": trace(folder, times_s, **columns)} | changes
    r = run(scenario(**data, models=[model("only", replicas=replicas, **serving)], cluster=cluster), engine)
    return r.records.replica.tolist()


def imported_log(file, columns=None, *, kind="log", skip=False):
    """The trace of a log."""
    reading = plan_reading(file, columns or TraceColumns(), None, Chooser(tokens=("",) if skip else ()), kind)
    return read_requests(file, reading)


def imported_vllm(file):
    """The trace of a benchmark."""
    return imported_log(file, kind="vllm")
