"""The compiled engine: the whole event loop in C, driven page by page.

It returns the same records as the SimPy engine, bit for bit: the same kernels in the same order. Between calls into
C, which handle at most 2^16 events each, Python looks for signals, hands on finished records and draws the next page.
"""

import math
from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from messsim import _core
from messsim.errors import SimulationError
from messsim.workload import Chunk, Wait, wait_of
from messsim.workload.chunk import Floats
from messsim.workload.features import COLUMN as FEATURES
from messsim.workload.features import DifficultyLaw

from .autoscale import cold_phases
from .cluster import PoolPlan
from .dispatch import plan_of
from .drafts import drafts_of
from .outcome import (
    Outcome,
    PoolOutcome,
    Progress,
    RouterOutcome,
    TenantOutcome,
    TransferOutcome,
    assert_certified,
    assert_none_open,
    assert_paid,
)
from .records import (
    COLUMNS,
    COMPLETED,
    RecordChunk,
    Samples,
    Sink,
    Timeline,
    in_columns,
    of_turns,
    rows_of,
    too_many_open,
)
from .setup import Setup

__all__ = ["simulate"]

EVENTS_PER_CALL = 2**16
SMALL_FLEET = 256  # replicas; of more, turns of sessions end so much out of order that records are written row by row
NOT_COPIED = ("min_replicas", "initial_replicas", "target", "schedule", "cold_start")  # of an autoscaler, to C

Stream = tuple[int, int, int, int]


def contiguous(column: NDArray[Any] | None) -> NDArray[Any] | None:
    """A column by model as C has it."""
    return None if column is None else np.ascontiguousarray(column)


def in_rows_of(column: NDArray[Any] | None) -> NDArray[Any] | None:
    """The same with all values of a request side by side: turns of a large fleet come in an order of their own."""
    return None if column is None else np.ascontiguousarray(column.T)


def simulate(setup: Setup, sink: Sink, progress: Callable[[Progress], None] | None = None) -> Outcome:
    """Runs a scenario; parameters and errors as those of the SimPy engine."""
    run = _Run(setup, sink, progress)
    with closing(run.draws):
        return run.run()


class _Run:
    def __init__(self, setup: Setup, sink: Sink, progress: Callable[[Progress], None] | None) -> None:
        self.setup = setup
        self.scenario = setup.scenario
        self.sink = sink
        self.progress = progress
        self.draws = setup.draws(self._unread())
        self.pages: dict[int, tuple[_core.Page, Chunk, Floats]] = {}
        self.horizon_s = math.inf if self.scenario.horizon_s is None else self.scenario.horizon_s
        self.alphas = np.array(self.scenario.alphas)
        self.policies = setup.policy.copies(self.scenario.router.instances)
        self.events_per_call = EVENTS_PER_CALL // len(self.policies)  # a reconciliation takes them all
        self.is_large = sum(plan.replicas for plan in setup.pools) > SMALL_FLEET
        self.loop = self._make_loop()

    def _unread(self) -> frozenset[str]:
        """Columns that nobody reads: certain feedback, and without servers how long answers are that no user gets."""
        unread = set()
        if self.scenario.feedback.probability >= 1.0:
            unread.add("feedback_uniform")
        waits = self.setup.workload.answers_can_wait and self.scenario.router.decision_s is None
        if not self.setup.pools and waits and not self.setup.costs.limited:
            unread.add("output_tokens")
        if self._difficulty_law is not None:
            unread.add("features")
        return frozenset(unread)

    @property
    def _difficulty_law(self) -> DifficultyLaw | None:
        """By which the loop draws features when it asks for them; one router does so in order."""
        return self.setup.workload.difficulty_law if self.scenario.router.instances == 1 else None

    # ---- the run ------------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        loop = self.loop
        try:
            while True:
                status = loop.run(self.events_per_call)
                if status == _core.LOOP_OVER:
                    break
                self._hand_on(loop.release())
                if status == _core.LOOP_NEEDS_PAGE:
                    self._next_page()
                if self.progress is not None:
                    self._tell(self.progress)
        except SimulationError as error:
            issued = loop.issued
            raise type(error)(f"{error} (at {loop.now_s:.6g} s, after {issued} requests)") from None
        loop.check()
        if self.horizon_s < math.inf:
            loop.cut()
        assert_none_open(loop.open_count)
        self._hand_on(loop.left())
        return self._outcome()

    def _next_page(self) -> None:
        pair = next(self.draws, None)
        if pair is None:
            self.loop.no_more()
            return
        chunk, known = pair
        waiting = len(self.pages) + 1
        size, most = self.setup.workload.chunk_size, self.scenario.record.max_open
        if waiting * size > most + 2 * size:
            raise too_many_open(most, min(self.pages))
        in_rows = self.is_large and chunk.turns is not None
        by_model = in_rows_of if in_rows else contiguous
        costs: Any = by_model(known)
        drawn = {
            "arrival_s": chunk.arrival_s,
            "tenant": chunk.tenant,
            "instance": chunk.instance,
            "prompt_tokens": chunk.prompt_tokens,
            "output_tokens": by_model(chunk.output_tokens),
            "max_new_tokens": chunk.max_new_tokens,
            "features": by_model(chunk.features),
            "difficulty": chunk.difficulty,
            "known_costs": costs,
            "satisfied": by_model(chunk.satisfied),
            "facts": by_model(chunk.facts),
            "labels": by_model(chunk.labels),
            "uniforms": np.ascontiguousarray(chunk.policy_uniforms),
            "feedback_uniform": chunk.feedback_uniform,
            "delay_s": by_model(chunk.delay_s),
            "price_factor": by_model(chunk.price_factor),
            "turns": chunk.turns,
            "paths": chunk.paths,
        }
        known = costs.T if in_rows else costs  # turns write them
        if in_rows:  # those of the chunk are not read any more
            chunk.features = np.empty((0, len(chunk)))
        page = _core.Page(chunk.first, drawn, rows_of(len(chunk)) if in_rows else None)
        page.records["status"][:] = _core.NOT_SENT  # until a row stands
        self.pages[chunk.first] = (page, chunk, known)
        self.loop.turn_page(page)

    def _hand_on(self, pages: list[Any]) -> None:
        for page in pages:
            _, chunk, known = self.pages.pop(page.first)
            if chunk.turns is not None:
                if self.is_large:
                    self.rows = dict(page.records)  # the loop may ask for a line of its last page early
                    page.records.update(in_columns(page.records))
                sent = np.flatnonzero(page.records["status"] != _core.NOT_SENT)
                rows = slice(None) if len(sent) == len(chunk) else sent
                if len(sent):
                    self.sink(of_turns(_columns(page, chunk, rows), chunk, known, rows))
                continue
            count = min(len(chunk), self.loop.issued - chunk.first)
            if count > 0:
                if chunk.output_tokens is None:
                    tokens = self.setup.workload.answer_tokens(chunk.first, page.records["model"][:count])
                    page.records["output_tokens"][:count] = tokens
                self.sink(RecordChunk(_columns(page, chunk, slice(count)), chunk, known))

    # ---- what the loop is told ----------------------------------------------------------------------------

    def _make_loop(self) -> _core.Loop:
        s, setup, router = self.scenario, self.setup, self.scenario.router
        law, failures = s.arrivals, s.cluster.failures
        closed = law.kind == "closed"
        config = {
            "models": len(s.models),
            "tenants": len(self.alphas),
            "features": setup.workload.features,
            "reference": s.reference,
            "in_usd": s.cost.unit == "USD",
            "needs_loads": setup.needs_loads,
            "needs_destinations": setup.needs_destinations,
            "keeps_session_model": router.keep_session_model,
            **self._sight(),
            "uniforms": setup.policy.kernel.uniforms,
            "learns_every_answer": setup.policy.learns_every_answer,
            "raters_err": s.feedback.raters_err,
            "one_sided": s.feedback.one_sided,
            "keeps_delays": s.feedback.delay.kind != "immediate",
            "max_waiting": s.cluster.admission.max_waiting if s.cluster.admission else -1,
            "asks_next_model": s.cluster.when_full == "next_model",
            "feedback_probability": s.feedback.probability,
            "horizon_s": self.horizon_s,
            "length": -1 if setup.workload.length is None else setup.workload.length,
            "clients": law.clients if law.kind == "closed" else 0,
            "think_s": law.think_s if law.kind == "closed" else 0.0,
            "think_is_exponential": law.kind == "closed" and law.think == "exponential",
            "think": self._stream("think") if closed else (0, 0, 0, 0),
            "mtbf_s": (failures.mtbf_s or 0.0) if failures else 0.0,
            "mttr_s": failures.mttr_s if failures else 0.0,
            "patience": self._patience(),
            "lose_on_failure": failures is not None and failures.on_failure == "lose",
            "transfer_latency_s": s.cluster.transfer.latency_s,
            "transfer_bytes_per_s": s.cluster.transfer.bandwidth_gb_per_s * 1e9,
            "transfer_links": s.cluster.transfer.bandwidth_of,
            "initial_queue": router.initial_queue,
            "reconcile_s": router.reconciled_s,
            "decision": self._wait(wait_of(router.decision_s, setup.workload.chance, "decision")),
            "router_workers": router.workers,
        }
        priority, ttft_objective_s = setup.urgency or (None, None)
        return _core.Loop(
            config,
            self.alphas,
            router.discount,
            router.window or 0,
            [self._pool(p) for p in setup.pools],
            plan_of(s.cluster),
            self._dispatch_streams(),
            [p.kernel for p in self.policies],
            [p.predictor for p in self.policies],
            setup.policy.cost_estimate(router),
            math.nan if router.cost_prior is None else router.cost_prior,
            setup.costs.marginal(),
            self._breakdowns(),
            setup.costs.of_prompts() if s.sessions is not None else None,
            priority,
            ttft_objective_s,
            [] if setup.own_rule is None else [setup.own_rule.copy() for _ in s.models],
        )

    def _sight(self) -> dict[str, object]:
        """Who looks at features, and by what they are drawn when they are asked for."""
        law = self._difficulty_law or DifficultyLaw(0.0, 0.0, 1.0)
        return {
            "needs_features": "features" in self.setup.policy.needs,
            "draws_features": self._difficulty_law is not None,
            "difficulty": {"stream": self._stream(FEATURES), **law._asdict()},
        }

    def _patience(self) -> dict[str, object]:
        clients, chance, column = self.scenario.clients, self.setup.workload.chance, self.setup.workload.policy_column
        return {
            "wait": self._wait(wait_of(clients.patience_s, chance, "patience")),
            "until_first_token": clients.until == "first_token",
            "aborts": clients.abort,
            "rates_giving_up": clients.rate_giving_up,
            "retries": clients.retries,
            "backoff": self._wait(wait_of(clients.backoff_s, chance, "backoff")),
            "backoff_growth": clients.backoff_growth,
            "backoff_max_s": clients.backoff_max_s or 0.0,
            "backoff_jitter": clients.backoff_jitter,
            "jitter": self._stream("backoff-jitter"),
            "retry_after_max_s": clients.retry_after_max_s,
            "uniforms": (chance.seed, column, chance.replication, 0),
        }

    def _wait(self, wait: Wait) -> dict[str, object]:
        chance = self.setup.workload.chance
        stream = (chance.seed, wait.column, chance.replication, 0)
        return {
            "law": _core.WAITS[wait.law],
            "mean_s": wait.mean_s,
            "mu": wait.mu,
            "sigma": wait.sigma,
            "stream": stream,
        }

    def _dispatch_streams(self) -> list[Stream]:
        is_split = any(plan.role != "both" for plan in self.setup.pools)
        families = ["dispatch", "dispatch-decode"][: 1 + is_split]
        return [self._stream(family, name) for family in families for name in self.scenario.model_names]

    def _stream(self, family: str, model: str = "", sub: int = 0) -> Stream:
        chance = self.setup.workload.chance
        return chance.seed, chance.column(family, model), chance.replication, sub

    def _pool(self, plan: PoolPlan) -> dict[str, object]:
        serving = plan.serving
        return {
            "model": plan.model,
            "replicas": plan.replicas,
            "is_api": plan.is_api,
            "coefficients": plan.coefficients or None,
            "limits": plan.limits
            | {"drafts": drafts_of(plan, self.setup.workload.chance), "track_usage": self.scenario.cost.unit == "USD"},
            "most_tokens": plan.most_tokens,
            "most_prompt_tokens": plan.most_prompt_tokens,
            "kv_bytes_per_token": plan.kv_bytes_per_token,
            "front_end": self._wait(wait_of(serving.front_end_s, self.setup.workload.chance, "front-end", plan.name)),
            "front_end_workers": serving.front_end_workers,
            "detokenize_s": serving.detokenize_s,
            "usd_per_s": plan.usd_per_s,
            "latency_s": serving.latency_s,
            "tpot_s": serving.tpot_s,
            "usd_per_million_prompt_tokens": serving.usd_per_million_prompt_tokens,
            "usd_per_million_output_tokens": serving.usd_per_million_output_tokens,
            "usd_per_million_cached_prompt_tokens": serving.usd_per_million_cached_prompt_tokens or 0.0,
            "api_limits": plan.api_limits,
            "prompt_cache": plan.prompt_cache,
            "autoscale": self._autoscale(plan),
        }

    def _autoscale(self, plan: PoolPlan) -> dict[str, object] | None:
        autoscale = plan.serving.autoscale
        if autoscale is None:
            return None
        copied = [name for name in type(autoscale).model_fields if name not in NOT_COPIED]
        return {key: getattr(autoscale, key) for key in copied} | {
            "rule": _core.SCALING_RULES[autoscale.rule],
            "least": autoscale.min_replicas,
            "initial": autoscale.first,
            "by_price": plan.by_price(self.setup.pools),
            "target": plan.autoscale_target,
            "steps": len(autoscale.schedule),
            "step_s": [step.at_s for step in autoscale.schedule],
            "step_replicas": [step.replicas for step in autoscale.schedule],
            "cold_start": [self._wait(phase) for phase in cold_phases(plan, self.setup.workload.chance)],
        }

    def _breakdowns(self) -> list[dict[str, object]]:
        failures = self.scenario.cluster.failures
        if failures is None:
            return []
        nothing = (0, 0, 0, 0)
        first = {p.name: p.first_replica for p in self.setup.pools}
        planned = [
            {
                "replica": first[o.pool] + o.replica,
                "random": False,
                "count": 0,
                "fails": nothing,
                "repairs": nothing,
                "time_s": o.at_s,
                "for_s": o.for_s,
            }
            for o in failures.schedule
        ]
        random = [
            {
                "replica": plan.first_replica + number,
                "random": True,
                "count": 0,
                "fails": self._stream("failure", plan.name, number),
                "repairs": self._stream("repair", plan.name, number),
                "time_s": 0.0,
                "for_s": 0.0,
            }
            for plan in self.setup.pools
            for number in range(plan.replicas)
            if failures.mtbf_s is not None
        ]
        return planned + random

    # ---- what it tells ------------------------------------------------------------------------------------

    def _tell(self, progress: Callable[[Progress], None]) -> None:
        loop, tenants = self.loop, range(len(self.alphas))
        ledgers = [loop.ledger(k, tracked=False) for k in tenants]
        rated = sum(k.rated for k in ledgers)
        progress(
            Progress(
                loop.issued,
                self.setup.workload.length,
                loop.now_s,
                self.scenario.horizon_s,
                sum(k.satisfied for k in ledgers) / rated if rated else math.nan,
                sum(loop.ledger(k, tracked=True).queue for k in tenants),
                self._timeline,
                self._answered,
            )
        )

    def _answered(self) -> list[int]:
        """Answers by model, of pages that are not handed on; for a moment those that are on their way are nobody's."""
        models, counts = len(self.scenario.models), np.zeros(len(self.scenario.models), np.int64)
        for page, _, _ in self.pages.values():
            by = page.records["model"][page.records["status"] == COMPLETED]
            counts += np.bincount(by, minlength=models)
        return [int(count) for count in counts]

    def _outcome(self) -> Outcome:
        loop = self.loop
        end_s = loop.now_s if self.horizon_s == math.inf else self.horizon_s
        pools = [self._pool_outcome(k, end_s) for k in range(len(self.setup.pools))]
        if pools:
            assert_paid(loop.paid_j, sum(p.meter_j for p in pools))
        return Outcome(
            issued=loop.issued,
            attempts=loop.attempts,
            explored=loop.explored,
            rated=loop.rated,
            labels_of_lost=loop.labels_of_lost,
            last_arrival_s=loop.last_arrival_s,
            end_s=end_s,
            events=loop.events,
            updates=sum(p.predictor.version for p in self.policies if p.predictor is not None),
            tenants=[self._tenant_outcome(k, t.name) for k, t in enumerate(self.scenario.promises)],
            pools=pools,
            timeline=self._timeline(),
            turns_not_sent=loop.turns_not_sent,
            in_system_integral=loop.in_system_integral,
            router=RouterOutcome(loop.router_begun, loop.router_wait_s, loop.router_busy_s, loop.router_used_s),
            transfers=TransferOutcome(
                begun=loop.transfers,
                ended=loop.transferred,
                bytes=loop.transfer_bytes,
                wait_s=loop.transfer_wait_s,
                takes_s=loop.transfer_s,
            ),
        )

    def _tenant_outcome(self, k: int, name: str) -> TenantOutcome:
        delivered, tracked = self.loop.ledger(k, tracked=False), self.loop.ledger(k, tracked=True)
        assert_certified(delivered.holds and tracked.holds)
        return TenantOutcome.of(name, delivered, tracked)

    def _pool_outcome(self, k: int, end_s: float) -> PoolOutcome:
        plan = self.setup.pools[k]
        result = self.loop.pool(k, 0 if plan.is_api else plan.replicas, end_s)
        span_s = 0.0 if plan.is_api else self.loop.last_arrival_s * plan.replicas
        if plan.serving.autoscale is not None:
            span_s = result["rented_s"]
        until_s, in_usd = self.loop.last_arrival_s, self.scenario.cost.unit == "USD"
        return PoolOutcome.of(plan, result["busy_s"], result["idle_s"], span_s, until_s, result, in_usd)

    def _timeline(self) -> Timeline:
        columns, stride = self.loop.samples()
        timeline = Timeline(columns=Samples(columns))
        timeline.stride = stride
        return timeline


def _columns(page: _core.Page, chunk: Chunk, rows: slice | NDArray[np.intp]) -> dict[str, NDArray[Any]]:
    """The columns of COLUMNS, in their order and types, of some requests of a chunk."""
    tenant = chunk.tenant[rows]
    given = {
        "id": np.arange(chunk.first, chunk.first + len(chunk))[rows],
        "tenant": tenant,
        "instance": chunk.instance[rows] if chunk.instance is not None else np.zeros(len(tenant), np.int32),
        "explored": page.records["explored"][rows].view(np.bool_),
        "prompt_tokens": chunk.prompt_tokens[rows],
    }
    records = page.records
    return {
        name: given[name] if name in given else records[name][rows].astype(dtype, copy=False)
        for name, dtype in COLUMNS.items()
    }
