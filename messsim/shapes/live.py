"""How a run stands while it goes."""

from pydantic import BaseModel, ConfigDict

__all__ = ["LiveLatency", "LiveModel", "LivePool", "Snapshot"]


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False, defer_build=True)


class LiveModel(_Shape):
    """A model and how many answers it gave."""

    name: str
    answered: int


class LivePool(_Shape):
    """A pool: requests in it, waiting or running, and its power, watts."""

    name: str
    replicas: int
    in_system: int
    power_w: float | None


class LiveLatency(_Shape):
    """Percentiles of a latency, seconds."""

    name: str
    p50_s: float | None
    p95_s: float | None


class Snapshot(_Shape):
    """How a run stands.

    Attributes
    ----------
    requests, total
        Arrived, and to come in all; None where the run lasts for a time (`horizon_s`).
    satisfaction, promise
        Of the answers so far; None before any. `promise` is the mean over them where tenants have several.
    queue, certificate
        The virtual queue, and the lower bound on satisfaction.
    satisfaction_curve, queue_curve
        Along the run so far.
    done
        Whether it is over.
    """

    scenario: str
    policy: str
    requests: int
    total: int | None
    time_s: float
    horizon_s: float | None
    satisfaction: float | None
    promise: float | None
    queue: float
    certificate: float | None
    explored: int
    cost_per_request: float | None
    cost_unit: str
    models: list[LiveModel]
    latencies: list[LiveLatency]
    pools: list[LivePool]
    satisfaction_curve: list[float]
    queue_curve: list[float]
    done: bool
