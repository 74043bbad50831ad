"""Everything that is summed over the records of a run, a block at a time."""

from typing import Any

import numpy as np

from messsim.engines import RecordChunk
from messsim.engines.records import COMPLETED, IN_FLIGHT, LOST, REJECTED
from messsim.routing.oracle_dual import Frontier
from messsim.scenario import Scenario
from messsim.workload.chunk import Floats

from .applicability import refusal
from .blocks import Block, Blocks
from .histogram import LogHistogram, ScoreHistogram
from .running import Running
from .steady import Batches
from .windows import windows_of

__all__ = ["Latencies", "Tally"]

BLOCK = 65_536  # requests that are summed at once: the size of a chunk by default, so that nothing is copied


class Latencies:
    """Histograms of the four latencies, seconds."""

    NAMES = ("ttft", "tpot", "e2e", "queueing")

    def __init__(self) -> None:
        self.histograms = {name: LogHistogram() for name in self.NAMES}

    def add(self, values: dict[str, Floats], where: Any) -> None:
        """Counts requests where the mask says so."""
        for name, histogram in self.histograms.items():
            histogram.add(values[name][where])

    def summary(self) -> dict[str, dict[str, float | None]]:
        """Mean and percentiles of each."""
        return {name: h.summary() for name, h in self.histograms.items()}


def latencies_of(columns: dict[str, Any]) -> dict[str, Floats]:
    """TTFT, TPOT (NaN for answers of one token), end-to-end and queueing time, seconds."""
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


class Tally:
    """Sums over records; `add` is the sink of an engine, and after `close` the sums are those of all records."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._blocks = Blocks(BLOCK, self._count)
        self._alphas = np.array([t.alpha or 0.0 for t in scenario.promises])
        tenants, models = len(self._alphas), len(scenario.models)
        self.arrived = 0
        self.by_status = np.zeros(4, np.int64)
        self.running = Running()
        self.windows = windows_of(scenario.sla)
        self.tenant_windows = [windows_of(scenario.sla) for _ in range(tenants)]
        self.scores = ScoreHistogram()
        self.latencies = Latencies()
        self.series = {n: Batches() for n in Latencies.NAMES} if refusal(scenario, "latency") is None else {}
        self.by_tenant = [Latencies() for _ in range(tenants)] if tenants > 1 else [self.latencies]
        self.tenant_answered = np.zeros(tenants, np.int64)
        self.tenant_satisfied = np.zeros(tenants)
        self.answered = np.zeros(models, np.int64)
        self.satisfied = np.zeros(models)
        self.visible_cost = np.zeros(models)
        self.cost = self.exploration_cost = self.lost_cost = self.paper_cost = self.energy_j = 0.0
        self.with_feedback = self.preemptions = self.output_tokens = self.prompt_tokens = 0
        self.attained = 0
        self.frontier = Frontier(models, tenants)  # what other choices would have given on the same requests

    def add(self, chunk: RecordChunk) -> None:
        """Takes a chunk of records."""
        self._blocks.add(chunk)

    def close(self) -> None:
        """Counts what is left, at the end of a run."""
        self._blocks.close()

    def _count(self, block: Block) -> None:
        c = block.columns
        status, done = c["status"], c["status"] == COMPLETED
        visible = c["cost"] - c["exploration_cost"]
        self.arrived += len(block)
        self.by_status += np.bincount(status, minlength=4)
        self.running.add(c["id"], c["satisfied"], self._alphas[c["tenant"]], c["cost"])
        self._add_windows(c, done)
        self.scores.add(c["score"], c["satisfied"])
        self._add_groups(c, done, visible)
        self.cost += float(c["cost"].sum())
        self.exploration_cost += float(c["exploration_cost"].sum())
        self.lost_cost += float(c["cost"][(status == LOST) | (status == REJECTED)].sum())
        self.paper_cost += float(visible[done & ~c["explored"]].sum())
        self.energy_j += float(c["energy_j"].sum())
        self.with_feedback += int(np.count_nonzero(~np.isnan(c["feedback_s"])))
        self.preemptions += int(c["preemptions"].sum())
        self.output_tokens += int(c["output_tokens"][done].sum(dtype=np.int64))
        self.prompt_tokens += int(c["prompt_tokens"][done].sum(dtype=np.int64))
        self._add_latencies(c, done)
        self.frontier.add(block.satisfied, block.known_costs, c["tenant"])

    def _add_windows(self, c: dict[str, Any], done: Any) -> None:
        for k, windows in enumerate([self.windows, *self.tenant_windows]):
            if windows is not None:
                where = done if k == 0 else done & (c["tenant"] == k - 1)
                windows.add(c["arrival_s"][where], c["satisfied"][where], self._alphas[c["tenant"][where]])

    def _add_groups(self, c: dict[str, Any], done: Any, visible: Floats) -> None:
        model, tenant, satisfied = c["model"], c["tenant"], c["satisfied"]
        if not done.all():
            model, tenant, satisfied, visible = model[done], tenant[done], satisfied[done], visible[done]
        models, tenants = len(self.answered), len(self.tenant_answered)
        self.answered += np.bincount(model, minlength=models)
        self.satisfied += np.bincount(model, weights=satisfied, minlength=models)
        self.visible_cost += np.bincount(model, weights=visible, minlength=models)
        self.tenant_answered += np.bincount(tenant, minlength=tenants)
        self.tenant_satisfied += np.bincount(tenant, weights=satisfied, minlength=tenants)

    def _add_latencies(self, c: dict[str, Any], done: Any) -> None:
        if self._scenario.cluster.mode == "none":
            return  # answers are there at once: there is no latency to speak of
        values = latencies_of(c)
        counted = done & (c["id"] >= self._scenario.warmup)
        self.latencies.add(values, counted)
        for name, batches in self.series.items():
            batches.add(values[name][counted])
        if len(self.by_tenant) > 1:
            for k, latencies in enumerate(self.by_tenant):
                latencies.add(values, counted & (c["tenant"] == k))
        slo = self._scenario.slo
        met = done.copy()
        if slo.ttft_s is not None:
            met &= values["ttft"] <= slo.ttft_s
        if slo.tpot_s is not None:
            met &= ~(values["tpot"] > slo.tpot_s)  # an answer of one token has no TPOT to miss
        self.attained += int(np.count_nonzero(met))

    def count(self, status: str) -> int:
        """Requests that ended so."""
        codes = {"completed": COMPLETED, "rejected": REJECTED, "lost": LOST, "in_flight": IN_FLIGHT}
        return int(self.by_status[codes[status]])
