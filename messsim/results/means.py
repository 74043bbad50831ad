"""Mean latencies and energy of a run: what a fit asks of thousands of short runs, at little more than their time."""

from typing import TypedDict, cast

from messsim import _core
from messsim.engines import Outcome, RecordChunk
from messsim.engines.records import STATUS
from messsim.scenario import Scenario
from messsim.summary import LATENCIES, Energy
from messsim.summary import Latencies as LatenciesSummary
from messsim.workload.chunk import requests_at_once

from .blocks import Block, Blocks
from .histogram import BINS, BINS_PER_OCTAVE, LEAST, LogHistogram
from .sums import Sums

__all__ = ["Latencies", "LatencyMeans", "Means", "energy_of"]


class LatencyMeans(TypedDict):
    """Mean latencies, seconds; None where there are none."""

    ttft: float | None
    tpot: float | None
    e2e: float | None
    queueing: float | None


class Latencies:
    """Histograms of the four latencies of one tenant or all, seconds; of one bin where only means are asked for."""

    def __init__(self, warmup: int, tenant: int | None = None, bins: int = BINS) -> None:
        self._warmup, self._tenant = warmup, -1 if tenant is None else tenant
        self.histograms, self._arrays = LogHistogram.several(len(LATENCIES), bins)

    def add(self, records: _core.Records) -> None:
        """Counts answered requests after the warm-up."""
        records.add_latencies(*self._arrays, LEAST, BINS_PER_OCTAVE, self._warmup, self._tenant)

    def summary(self) -> LatenciesSummary:
        """Mean and percentiles of each."""
        collected = {name: h.summary() for name, h in zip(LATENCIES, self.histograms, strict=True)}
        return cast("LatenciesSummary", collected)

    def means(self) -> LatencyMeans:
        """Mean of each, the same bits as in `summary`."""
        collected = {name: h.mean for name, h in zip(LATENCIES, self.histograms, strict=True)}
        return cast("LatencyMeans", collected)


class Means(Sums):
    """Sums over the records of a run with servers; `add` is the sink of an engine.

    After `close` the sums are those of all records. They are summed `block` at a time, on which their last bits depend:
    unless given so many as a chunk has by default, so that nothing is copied.
    """

    def __init__(self, scenario: Scenario, block: int | None = None, bins: int = 1) -> None:
        super().__init__(len(STATUS), len(scenario.models), len(scenario.alphas))
        self._scenario = scenario
        self._blocks = Blocks(block or requests_at_once(len(scenario.models)))
        self.latencies = Latencies(scenario.warmup, bins=bins)

    def add(self, chunk: RecordChunk) -> None:
        """Takes a chunk of records."""
        for block in self._blocks.add(chunk):
            self._count(block, _core.Records(block.columns))

    def close(self) -> None:
        """Counts what is left, at the end of a run."""
        for block in self._blocks.left():
            self._count(block, _core.Records(block.columns))

    def _count(self, block: Block, records: _core.Records) -> None:
        self.add_records(records)
        if self._scenario.cluster.mode != "none":  # there answers come at once: no latency to speak of
            self.latencies.add(records)


def energy_of(outcome: Outcome, sums: Sums) -> Energy:
    """Joules of a run: of its requests, and of replicas with nothing to do."""
    if not outcome.pools:
        return {"total_j": None, "idle_j": None, "j_per_output_token": None, "measured": None}
    idle_j = sum(p.idle_energy_j for p in outcome.pools)
    total_j = sums.energy_j + idle_j
    return {
        "total_j": total_j,
        "idle_j": idle_j,
        "j_per_output_token": total_j / sums.output_tokens if sums.output_tokens else None,
        "measured": all(p.energy_measured for p in outcome.pools),
    }
