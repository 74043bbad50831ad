"""What a run amounts to beyond its records."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from messsim import _core
from messsim.scenario.engines import followed

from .cluster import UNLIMITED_TOKENS, PoolPlan
from .records import Timeline

__all__ = [
    "Outcome",
    "PoolOutcome",
    "Progress",
    "RouterOutcome",
    "TenantOutcome",
    "TransferOutcome",
    "assert_certified",
    "assert_none_open",
    "assert_paid",
]


def assert_paid(paid_j: float, metered_j: float) -> None:
    """Asserts that what requests paid for is what the replicas drew."""
    if abs(paid_j - metered_j) > 1e-9 * metered_j + 1e-9:
        raise AssertionError(f"requests paid for {paid_j} J of {metered_j} J: a bug in messsim")


def assert_none_open(count: int) -> None:
    """Asserts that nobody is left when nothing happens any more."""
    if count:
        raise AssertionError(f"nothing happens any more and {count} requests are open: a bug in messsim")


def assert_certified(holds: bool) -> None:
    """Asserts a sample-path certificate."""
    if not holds:
        raise AssertionError("the sample-path certificate does not hold: a bug in messsim")


@dataclass(frozen=True)
class TenantOutcome:
    """The promise to one tenant at the end: the queues, what was rated, and the sum of the ratings.

    What was rated is summed over the instances of the router, and so are its queues: `queue_tracked`, by which it
    decides, and `queue_plain`, neither discounted nor windowed, of which the certificate speaks. Those of what was
    delivered are plain. `queue_initial` is what the tracked ones started at.
    """

    name: str
    alpha: float
    delivered: int
    queue_delivered: float
    queue_delivered_max: float
    rated: int
    rated_satisfied: float
    queue_tracked: float
    queue_plain: float
    queue_initial: float
    certificate: float

    @classmethod
    def of(cls, name: str, delivered: _core.Ledger, tracked: _core.Ledger) -> Self:
        """By the ledger of all answers, and by that of what the router knows."""
        return cls(
            name=name,
            alpha=delivered.alpha,
            delivered=delivered.rated,
            queue_delivered=delivered.plain,
            queue_delivered_max=delivered.plain_max,
            rated=tracked.rated,
            rated_satisfied=tracked.satisfied,
            queue_tracked=tracked.queue,
            queue_plain=tracked.plain,
            queue_initial=tracked.initial,
            certificate=tracked.certificate,
        )


@dataclass(frozen=True)
class RouterOutcome:
    """Decisions that were begun where they take time, seconds that requests waited for one, and that these take.

    `used_s` is the workers' time in decisions up to the last arrival.
    """

    begun: int
    wait_s: float
    busy_s: float
    used_s: float


@dataclass(frozen=True)
class TransferOutcome:
    """Transfers of KV from prefill to decode.

    How many were begun and have ended, bytes of those that were begun, seconds that prefilled requests waited for them
    to begin, and that those took that have ended.
    """

    begun: int = 0
    ended: int = 0
    bytes: float = 0.0
    wait_s: float = 0.0
    takes_s: float = 0.0


@dataclass(frozen=True)
class PoolOutcome:
    """A pool, measured to the last arrival (`utilization`, idle energy) and to the end (the meter).

    Attributes
    ----------
    schedule, engine
        Whose rules plan iterations, and whose defaults there are, each with a version; None for an API, and where the
        scenario names no engine.
    kv_capacity_tokens
        What the cache of a replica holds; None without a limit.
    mean_replicas
        Replicas that were not off, on average until the last arrival; of a pool of one size that.
    utilization
        Share of replica-time, failures left out of neither side, that iterations were running; None for an API.
    meter_j
        Energy of all iterations, joules.
    idle_energy_j
        Energy of replicas that were up with nothing to do, joules.
    idle_cost
        The same in the scenario's unit.
    owned_usd
        Price of owning all its GPUs until the last arrival, USD; 0 where no price is given.
    """

    name: str
    model: int
    gpu: str
    gpus: int
    schedule: str | None
    engine: str | None
    kv_capacity_tokens: int | None
    replicas: int
    mean_replicas: float
    utilization: float | None
    meter_j: float
    idle_energy_j: float
    idle_cost: float
    owned_usd: float
    preemptions: int
    jumps: int
    energy_measured: bool

    @classmethod
    def of(
        cls,
        plan: PoolPlan,
        busy_s: float,
        idle_s: float,
        span_s: float,
        until_s: float,
        counted: Mapping[str, Any],
        in_usd: bool,
    ) -> "PoolOutcome":
        """From seconds busy and idle until the last arrival at `until_s`, `span_s` of replica-time, and counts."""
        idle_energy_j = plan.idle_w * idle_s
        scaled = plan.serving.autoscale is not None and until_s > 0
        return cls(
            name=plan.name,
            model=plan.model,
            gpu=plan.gpu,
            gpus=plan.gpus,
            schedule=None if plan.is_api else followed(plan.serving.schedule),
            engine=None if plan.serving.engine is None else followed(plan.serving.engine),
            kv_capacity_tokens=plan.kv_capacity_tokens if plan.kv_capacity_tokens < UNLIMITED_TOKENS else None,
            replicas=plan.replicas,
            mean_replicas=span_s / until_s if scaled else float(plan.replicas),
            utilization=busy_s / span_s if span_s > 0 else None,
            meter_j=counted["meter_j"],
            idle_energy_j=idle_energy_j,
            idle_cost=plan.usd_per_s * idle_s if in_usd else idle_energy_j,
            owned_usd=plan.owned_usd_per_s * span_s,
            preemptions=counted["preemptions"],
            jumps=counted["jumps"],
            energy_measured=plan.energy_measured,
        )


@dataclass(frozen=True)
class Outcome:
    """The end of a run.

    Attributes
    ----------
    issued
        Requests that arrived.
    attempts
        Routing decisions: more than requests where clients ask again.
    turns_not_sent
        Turns of sessions that were not sent since there was no answer to the turn before.
    labels_of_lost
        Requests whose label was used before they were lost.
    last_arrival_s, end_s
        Seconds.
    in_system_integral
        Integral of the number of requests in the servers over time, request-seconds: Little's law's side. Those that
        wait for a decision which takes time are among them.
    router
        Where decisions take time: how many, and for how long.
    transfers
        With split prefill and decode.
    """

    issued: int
    attempts: int
    explored: int
    rated: int
    labels_of_lost: int
    last_arrival_s: float
    end_s: float
    events: int
    updates: int
    tenants: list[TenantOutcome]
    pools: list[PoolOutcome]
    timeline: Timeline
    in_system_integral: float
    router: RouterOutcome
    turns_not_sent: int = 0
    transfers: TransferOutcome = TransferOutcome()


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    `timeline` gives its samples so far, `answered` by model the answers whose records are not handed on yet.
    """

    requests: int
    total: int | None
    time_s: float
    horizon_s: float | None
    satisfaction: float
    queue: float
    timeline: Callable[[], Timeline] = Timeline
    answered: Callable[[], Sequence[int]] = tuple
