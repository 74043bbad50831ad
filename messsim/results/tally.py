"""Everything that is summed over the records of a run, a block at a time."""

import math
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from messsim import _core
from messsim.engines.records import COMPLETED, STATUS
from messsim.routing.oracle_dual import Frontier
from messsim.scenario import Scenario
from messsim.scenario.routing import Slo
from messsim.summary import LATENCIES
from messsim.summary import Latencies as LatenciesSummary
from messsim.workload.chunk import Floats

from .applicability import refusal
from .blocks import Block
from .histogram import BINS, LogHistograms, ScoreHistogram
from .means import Latencies, Means
from .running import Running
from .steady import Batches
from .windows import windows_of

__all__ = ["Tally"]

Columns = dict[str, NDArray[Any]]  # of records

FEW_TENANTS = 64  # for whom a whole histogram each is the faster way


class ManyLatencies:
    """The same of each of many tenants, of whom most have few answers."""

    def __init__(self, warmup: int, tenants: int) -> None:
        self._warmup = warmup
        self._histograms = {name: LogHistograms(tenants) for name in LATENCIES}

    def add(self, columns: Columns) -> None:
        """Counts answered requests after the warm-up."""
        counted = (columns["status"] == COMPLETED) & (columns["id"] >= self._warmup)
        tenant, values = columns["tenant"][counted].astype(np.int64), latencies_of(columns)
        for name, histograms in self._histograms.items():
            histograms.add(tenant, values[name][counted])

    def summary(self, tenant: int) -> LatenciesSummary:
        """Mean and percentiles of each, of one tenant."""
        collected = {name: histograms.summary(tenant) for name, histograms in self._histograms.items()}
        return cast("LatenciesSummary", collected)


def latencies_of(columns: Columns) -> dict[str, Floats]:
    """TTFT, TPOT (NaN for answers of one token), end-to-end and queueing time of each request, seconds."""
    arrival, first, finish = columns["arrival_s"], columns["first_token_s"], columns["finish_s"]
    further = columns["output_tokens"] - 1
    with np.errstate(invalid="ignore", divide="ignore"):
        tpot = np.where(further > 0, (finish - first) / further, np.nan)
    return {
        "ttft": first - arrival,
        "tpot": tpot,
        "e2e": finish - arrival,
        "queueing": columns["start_s"] - arrival,
    }


def _objectives(slo: Slo) -> list[float]:
    """TTFT, TPOT and end to end, seconds; infinite where there is none."""
    return [math.inf if s is None else s for s in (slo.ttft_s, slo.tpot_s, slo.e2e_s)]


class Tally(Means):
    """Sums over records; `add` is the sink of an engine, and after `close` the sums are those of all records.

    Records are summed `block` at a time: their last bits depend on it.
    """

    def __init__(self, scenario: Scenario, block: int | None = None) -> None:
        super().__init__(scenario, block, BINS)
        self._alphas = np.array(scenario.alphas)
        self._alike: Floats = np.empty(0)
        tenants, models = len(self._alphas), len(scenario.models)
        self.arrived = 0
        self.last_answer_s = 0.0  # when the last answer was complete; 0 without servers
        self.sessions = 0
        self.running = Running()
        has_sessions = scenario.has_sessions
        self.windows = windows_of(scenario.sla, has_sessions)
        self.tenant_windows = [windows_of(scenario.sla, has_sessions) for _ in range(tenants)]
        self.scores = ScoreHistogram()
        self.series = {n: Batches() for n in LATENCIES} if refusal(scenario, "latency") is None else {}
        few = 1 < tenants <= FEW_TENANTS
        self.by_tenant = [Latencies(scenario.warmup, k) for k in range(tenants)] if few else []
        self.of_many = ManyLatencies(scenario.warmup, tenants) if tenants > FEW_TENANTS else None
        self._objectives = np.array([_objectives(slo) for slo in scenario.objectives]).T.copy()
        self.tenant_arrived, self.tenant_attained = np.zeros((2, tenants), np.int64)
        self.frontier = Frontier(models, tenants)  # what other choices would have given on the same requests

    def _count(self, block: Block, records: _core.Records) -> None:
        super()._count(block, records)
        c = block.columns
        self.arrived += len(block)
        self.sessions += int((c["turn"] == 0).sum()) if "turn" in c else 0
        self.running.add(c["id"], c["satisfied"], self._alphas_of(c["tenant"]), c["cost"])
        self._add_windows(c)
        self.scores.add(c["score"], c["satisfied"])
        if self._scenario.cluster.mode != "none":  # there answers come at once: no latency to speak of
            self._add_latencies(c, records)
        self.frontier.add(block.satisfied, block.known_costs, c["tenant"])

    def _alphas_of(self, tenants: NDArray[np.int32]) -> Floats:
        """What each request was promised; of one tenant always the same array, as long as the longest block so far."""
        if len(self._alphas) > 1:
            return self._alphas[tenants]
        if len(self._alike) < len(tenants):
            self._alike = np.full(len(tenants), self._alphas[0])
        return self._alike[: len(tenants)]

    def _add_windows(self, c: Columns) -> None:
        if self.windows is None:
            return
        done = np.flatnonzero(c["status"] == COMPLETED)
        by_tenant = done[np.argsort(c["tenant"][done], kind="stable")]
        tenants, starts = np.unique(c["tenant"][by_tenant], return_index=True)
        parts = zip(tenants.tolist(), np.split(by_tenant, starts[1:]), strict=True) if len(tenants) else ()
        for windows, where in [(self.windows, done), *((self.tenant_windows[k], part) for k, part in parts)]:
            if windows is not None:
                windows.add(c["arrival_s"][where], c["satisfied"][where], self._alphas_of(c["tenant"][where]))

    def _add_latencies(self, c: Columns, records: _core.Records) -> None:
        done = c["status"] == COMPLETED
        self.last_answer_s = float(np.max(c["finish_s"], where=done, initial=self.last_answer_s))
        if self.series:
            values = latencies_of(c)
            counted = done & (c["id"] >= self._scenario.warmup)
            for name, batches in self.series.items():
                batches.add(values[name][counted])
        for latencies in self.by_tenant:
            latencies.add(records)
        if self.of_many is not None:
            self.of_many.add(c)
        records.attained(self._objectives, self.tenant_arrived, self.tenant_attained)

    def latencies_of_tenant(self, k: int) -> LatenciesSummary:
        """Mean and percentiles of the latencies of one of several tenants, seconds."""
        if self.of_many is not None:
            return self.of_many.summary(k)
        return self.by_tenant[k].summary()

    def count(self, status: str) -> int:
        """Requests that ended so."""
        return int(self.by_status[STATUS.index(status)])
