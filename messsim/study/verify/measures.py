"""What is read off a run to be compared with theory. Each returns one figure of a replication."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from messsim.engines import Outcome, RecordChunk, prepare
from messsim.engines.records import IN_FLIGHT
from messsim.results import Tally, summarise
from messsim.results.figures import figures, look_up
from messsim.scenario import Scenario
from messsim.summary import Summary

from ..simulation.single import ENGINES

__all__ = ["Figure", "Observed", "observe"]


@dataclass(frozen=True)
class Observed:
    """A run: its summary, its end, and those columns of its records that were asked for."""

    summary: Summary
    outcome: Outcome
    records: dict[str, NDArray[Any]]


def observe(scenario: Scenario, columns: tuple[str, ...]) -> Observed:
    """Simulates a scenario on one thread and keeps these columns of its records."""
    setup = prepare(scenario)
    tally = Tally(setup.scenario)
    kept: dict[str, list[NDArray[Any]]] = {name: [] for name in columns}

    def sink(chunk: RecordChunk) -> None:
        tally.add(chunk)
        for name, parts in kept.items():
            parts.append(chunk.columns[name])

    outcome = ENGINES[scenario.engine](setup, sink, None)
    summary = summarise(setup.scenario, outcome, tally, 0.0)
    records = {name: np.concatenate(parts) for name, parts in kept.items()}
    return Observed(summary, outcome, records)


@dataclass(frozen=True)
class Figure:
    """A figure of the summary, by its path."""

    path: str

    def __call__(self, run: Observed) -> float:
        """Its value."""
        value = look_up(self.path, figures(run.summary))
        assert value is not None, f"{self.path} is null"
        return value


def blocked(run: Observed) -> float:
    """Share of requests that were turned away."""
    requests = run.summary["requests"]
    return float(requests["rejected"] / requests["arrived"])


def gave_up(run: Observed) -> float:
    """Share of requests whose clients gave up."""
    requests = run.summary["requests"]
    return float(requests["timed_out"] / requests["arrived"])


def attempts(run: Observed) -> float:
    """Attempts by request, first ones included."""
    requests = run.summary["requests"]
    return float(requests["attempts"] / requests["arrived"])


def waited(run: Observed) -> float:
    """Share of requests that did not start as they arrived, without the first twentieth."""
    late = run.records["start_s"] > run.records["arrival_s"]
    return float(late[len(late) // 20 :].mean())


@dataclass(frozen=True)
class OfTenant:
    """Mean seconds between two times of the records, of one tenant's requests without the first twentieth."""

    tenant: int
    to: str
    since: str = "arrival_s"

    def __call__(self, run: Observed) -> float:
        """The mean."""
        own = run.records["tenant"] == self.tenant
        seconds = (run.records[self.to] - run.records[self.since])[own]
        return float(seconds[len(seconds) // 20 :].mean())


def hit_rate(run: Observed) -> float:
    """Share of the prompts' tokens that were cached, without the first twentieth of the requests."""
    cached, prompts = run.records["cached_prompt_tokens"], run.records["prompt_tokens"]
    first = len(cached) // 20
    return float(cached[first:].sum() / prompts[first:].sum())


def joules_per_request(run: Observed) -> float:
    """Energy of the servers, idle energy included, by request."""
    return (run.summary["energy"]["total_j"] or 0.0) / run.summary["requests"]["arrived"]


def gaps_scv(run: Observed) -> float:
    """Squared coefficient of variation of the gaps between departures, without the first twentieth."""
    finish_s = np.sort(run.records["finish_s"])
    gaps = np.diff(finish_s[len(finish_s) // 20 :])
    return float(gaps.var() / gaps.mean() ** 2)


def completions_per_s(run: Observed) -> float:
    """Completions a second between the first and the last fifth of them."""
    finish_s = np.sort(run.records["finish_s"])
    first, last = len(finish_s) // 5, len(finish_s) * 4 // 5
    return float((last - first) / (finish_s[last] - finish_s[first]))


@dataclass(frozen=True)
class ArrivalsTimesStay:
    """lambda W of a model's only pool: the stays of its requests until the last arrival, by second."""

    model: int

    def __call__(self, run: Observed) -> float:
        """The mean number of requests in the pool, by Little's law."""
        own, end_s = run.records["model"] == self.model, run.outcome.last_arrival_s
        stays_s = np.minimum(run.records["finish_s"][own], end_s) - run.records["arrival_s"][own]
        return float(stays_s.sum() / end_s)


@dataclass(frozen=True)
class SeenByArrivals:
    """L of a pool: the mean number of requests that an arriving request finds there."""

    pool: int

    def __call__(self, run: Observed) -> float:
        """The mean over the samples of the timeline (Poisson arrivals see time averages)."""
        return float(np.mean(run.outcome.timeline.columns()["in_system"][:, self.pool]))


def mean_stay_sum(run: Observed) -> float:
    """Stays of all requests in the records, by second."""
    records, end_s = run.records, run.outcome.end_s
    stays_s = np.where(records["status"] == IN_FLIGHT, end_s, records["finish_s"]) - records["arrival_s"]
    return float(np.nansum(stays_s) / end_s)


def mean_in_system(run: Observed) -> float:
    """The integral of the number of requests in the system that the event loop kept, by second."""
    return run.outcome.in_system_integral / run.outcome.end_s


def metered_j(run: Observed) -> float:
    """What the meters of all pools read, idle energy included."""
    return float(sum(p["energy_j"] + p["idle_energy_j"] for p in run.summary["pools"]))


def paid_and_idle_j(run: Observed) -> float:
    """What requests paid for, with the idle energy."""
    idle_j = sum(p["idle_energy_j"] for p in run.summary["pools"])
    return float(run.records["energy_j"].sum() + idle_j)
