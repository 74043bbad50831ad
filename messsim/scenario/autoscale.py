"""How a pool changes its size: the rule, its limits, and how long a replica takes to start."""

import math
from typing import Literal, Self

from pydantic import Field, model_validator

from .base import Fraction, NonNegative, Number, Part, Positive
from .laws import ConstantDelay, WaitLaw

__all__ = ["ASSUMED_WEIGHTS_GB", "Autoscale", "ColdStart", "Step", "WeightsOf"]

MOST_STEPS = 96  # MS_MOST_STEPS of csrc/autoscale_plan.h
MOST_LOOKS = 100_000  # that a window holds
MOST_LOOKS_A_DAY = 10_000  # that are gone through for `longest_s`
WeightsOf = Literal["scenario", "profile", "assumed"]  # who says how much a replica loads
ASSUMED_WEIGHTS_GB = 16.0  # of a replica of which neither the scenario nor a profile says any: Llama-3.1-8B's in bf16

DEFAULTS: dict[str, dict[str, float]] = {
    "schedule": {"period_s": 60.0, "zero_after_s": 0.0, "up_most_factor": 1.0},
    "target": {"period_s": 15.0, "zero_after_s": 300.0, "up_most_factor": 2.0},
    "saturation": {"period_s": 60.0, "zero_after_s": 600.0, "up_most_factor": 1.0},
    "concurrency": {"period_s": 2.0, "zero_after_s": 90.0, "up_most_factor": 1000.0},
}


class Step(Part):
    """From a time of the day on."""

    at_s: NonNegative = Field(description="time of the day, seconds from its start")
    replicas: Number = Field(description="so many replicas, until the next step")


class ColdStart(Part):
    """How long a replica takes until it serves: phases one after another, seconds or laws, drawn anew for each start.

    The defaults are what Llama-3.1-8B took on an L40S from nothing (Tensorfuse: download 61 s, weights 33, Dynamo 10,
    compilation 42, graphs 54, init 94). With weights on a local disk and a compile cache: 0, 18, 10, 13, 7 and 34.
    """

    fixed_s: WaitLaw = Field(
        ConstantDelay(mean_s=61.0), description="scheduling, and pulling the image and the weights, seconds, or a law"
    )
    weights_gb: NonNegative | None = Field(
        None,
        description="weights that a replica loads into all its GPUs together, GB; none: those of its profile, without "
        f"one {ASSUMED_WEIGHTS_GB:g}",
    )
    load_gb_per_s: Positive = Field(0.5, description="GB/s: a disk 1 to 3, the page cache about 7")
    compile_s: WaitLaw = Field(
        ConstantDelay(mean_s=106.0), description="compilation and CUDA graphs, seconds, or a law; little if cached"
    )
    init_s: WaitLaw = Field(
        ConstantDelay(mean_s=94.0), description="everything else that the engine does, seconds, or a law"
    )

    def weights(self, of_profile_gb: float | None) -> tuple[float, WeightsOf]:
        """What a replica loads, GB, and who says so; `of_profile_gb` is what its profile says, None without one."""
        if self.weights_gb is not None:
            return self.weights_gb, "scenario"
        return (ASSUMED_WEIGHTS_GB, "assumed") if of_profile_gb is None else (of_profile_gb, "profile")

    def phases(self, weights_gb: float) -> tuple[WaitLaw, WaitLaw, WaitLaw, WaitLaw]:
        """In order, with the laws of their seconds, where so many weights are loaded, GB."""
        load: WaitLaw = ConstantDelay(mean_s=weights_gb / self.load_gb_per_s)
        return self.fixed_s, load, self.compile_s, self.init_s

    def mean_s(self, weights_gb: float) -> float:
        """What a start takes in the mean, seconds."""
        return sum(phase.mean_s for phase in self.phases(weights_gb))

    def least_s(self, weights_gb: float) -> float:
        """The least that a start may take, seconds: laws that are not constant may draw next to nothing."""
        return sum(phase.mean_s for phase in self.phases(weights_gb) if isinstance(phase, ConstantDelay))


class Autoscale(Part):
    """When a pool changes its size; `replicas` is the most that it ever has."""

    rule: Literal["schedule", "target", "concurrency", "saturation"] = Field(
        description="schedule: by the time of day; target: so many unfinished requests a replica (KEDA and Kubernetes' "
        "HPA); concurrency: the same by means over a stable and a panic window (Knative); saturation: one more or "
        "fewer by memory in use and requests that wait (llm-d's workload variant autoscaler)"
    )
    min_replicas: Number = Field(1, description="the least, 0 allowed")
    initial_replicas: Number | None = Field(
        None, description="up as the run begins; none: the least, or what the schedule says"
    )
    period_s: Positive | None = Field(
        None,
        ge=1e-6,
        description="between two decisions, seconds; none: schedule and saturation 60, target 15, concurrency 2",
    )
    target: Positive | None = Field(
        None, description="unfinished requests that each replica is to have; none: 0.7 max_num_seqs"
    )
    tolerance: float = Field(0.1, ge=0, le=1, description="target: what the mean may be off by before anything happens")
    up_window_s: NonNegative = Field(0.0, description="target: grows by the least advice of so many seconds")
    down_window_s: NonNegative = Field(300.0, description="target: shrinks by the highest advice of so many seconds")
    up_most_factor: float | None = Field(
        None,
        ge=1,
        le=1e6,
        description="grows in one decision to at most so many times its size; none: target 2, concurrency 1000",
    )
    up_most_replicas: Number = Field(4, description="target: or by so many, if that is more")
    down_most_factor: float = Field(
        2.0, ge=1, le=1e6, description="concurrency: shrinks in one decision to no less than one of so many"
    )
    stable_window_s: Positive = Field(60.0, description="concurrency: over which the mean is taken, seconds")
    panic_window_s: Positive = Field(6.0, description="concurrency: in which a rush shows, seconds")
    panic_threshold: Positive = Field(
        2.0, description="concurrency: a rush wants so many times the replicas that are up"
    )
    saturated_usage: Fraction = Field(
        0.8, description="saturation: a replica is saturated from this share of its KV memory in use on"
    )
    saturated_waiting: Positive = Field(5.0, description="saturation: or from so many requests that wait for it on")
    spare_usage: Fraction = Field(
        0.1, description="saturation: one more when the others have less than this share left in the mean"
    )
    spare_waiting: NonNegative = Field(3.0, description="saturation: or room for fewer requests that wait")
    zero_after_s: NonNegative | None = Field(
        None,
        description="to zero after so many seconds with nothing to do; none: target 300, concurrency 90, "
        "saturation 600",
    )
    schedule: list[Step] = Field(
        default_factory=list,
        max_length=MOST_STEPS,
        description="replicas by time of day: rule schedule has as many, the others at least as many",
    )
    day_s: Positive = Field(86_400.0, description="length of that day, seconds")
    cold_start: ColdStart = Field(ColdStart(), description="how long a replica takes to start")

    @model_validator(mode="after")
    def _by_rule(self) -> Self:
        """Fills in what the rule's origin does; it does not count as set."""
        defaults = {k: v for k, v in DEFAULTS[self.rule].items() if getattr(self, k) is None}
        self.__dict__.update(defaults)
        return self

    @model_validator(mode="after")
    def _sound(self) -> Self:
        times = [step.at_s for step in self.schedule]
        if self.rule == "schedule" and not self.schedule:
            raise ValueError("schedule: missing; expected steps such as {at_s = 0, replicas = 2}")
        if times != sorted(set(times)):
            raise ValueError(f"schedule: at_s = {times}; expected rising times")
        if times and times[-1] >= self.day_s:
            raise ValueError(f"schedule: at_s = {times[-1]:g} is not within day_s = {self.day_s:g}")
        if self.rule == "schedule" and self.min_replicas == 0 and not any(step.replicas for step in self.schedule):
            raise ValueError("schedule: no step has replicas, and min_replicas = 0; expected one at least")
        if self.panic_window_s > self.stable_window_s:
            raise ValueError(
                f"panic_window_s = {self.panic_window_s:g} is longer than stable_window_s = {self.stable_window_s:g}"
            )
        for spare, saturated in (("spare_usage", "saturated_usage"), ("spare_waiting", "saturated_waiting")):
            if getattr(self, spare) > getattr(self, saturated):
                raise ValueError(
                    f"{spare} = {getattr(self, spare):g} is more than {saturated} = {getattr(self, saturated):g}; "
                    "expected less: nobody ever has so much to spare"
                )
        assert self.period_s is not None
        longest = max(self.up_window_s, self.down_window_s, self.stable_window_s)
        if longest > MOST_LOOKS * self.period_s:
            raise ValueError(
                f"period_s = {self.period_s:g}: windows of {longest:g} s hold more than {MOST_LOOKS} decisions; "
                "expected a longer period or shorter windows"
            )
        return self

    @property
    def longest_s(self) -> float:
        """From the decision of a schedule that starts a replica to that which takes it away, seconds at most.

        Infinite where it is not known: where the days' decisions come at other times each, or are very many.
        """
        assert self.period_s is not None
        looks = self.day_s / self.period_s
        if not looks.is_integer() or looks > MOST_LOOKS_A_DAY:
            return math.inf
        longest = up = 0
        for k in range(2 * int(looks)):
            up = up + 1 if self.floor_at(k * self.period_s) > 0 else 0
            longest = max(longest, up)
        return math.inf if longest >= looks else longest * self.period_s

    def floor_at(self, time_s: float) -> int:
        """Replicas that the schedule says at a time; 0 without one."""
        steps = [step for step in self.schedule if step.at_s <= time_s % self.day_s] or self.schedule[-1:]
        return steps[-1].replicas if steps else 0

    @property
    def first(self) -> int:
        """Replicas that are up as the run begins."""
        return max(self.min_replicas, self.floor_at(0.0)) if self.initial_replicas is None else self.initial_replicas
