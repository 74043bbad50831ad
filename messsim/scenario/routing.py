"""What is promised, who decides, and what is learnt from users."""

import math
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from messsim.errors import ScenarioError

from .base import Count, Fraction, NonNegative, Part, Positive, Share
from .laws import DelayLaw, Immediate, WaitLaw
from .toml import Table

__all__ = ["Feedback", "Predictor", "Router", "Sla", "Slo", "Tenant", "Weights"]


class Sla(Part):
    """The promise."""

    alpha: Fraction = Field(description="fraction of answers that satisfies")
    window_s: Positive | None = Field(
        None,
        description="also judged in every period of this length, seconds (86400: each day from the start), by the "
        "requests that arrived in it",
    )
    window_requests: int | None = Field(
        None, ge=1, le=10_000_000, description="also judged over the last so many answers, after each answer"
    )

    @model_validator(mode="after")
    def _one_window(self) -> "Sla":
        if self.window_s is not None and self.window_requests is not None:
            raise ValueError("both window_s and window_requests are given; expected one of them")
        return self


class Slo(Part):
    """Latency objectives that are reported, not enforced."""

    ttft_s: Positive | None = Field(None, description="most time to first token, seconds")
    tpot_s: Positive | None = Field(None, description="most time per output token, seconds")
    e2e_s: Positive | None = Field(None, description="most time to the end of the answer, seconds")

    @property
    def stated(self) -> bool:
        """Whether there is an objective."""
        return any(s is not None for s in (self.ttft_s, self.tpot_s, self.e2e_s))


class Tenant(Part):
    """A customer with a share of the traffic and a promise of their own."""

    name: str = Field(min_length=1, description="the tenant's name")
    share: Share = Field(1.0, description="share of requests, relative to the other tenants")
    alpha: Fraction | None = Field(None, description="their promise; none: sla.alpha")
    priority: int = Field(
        0,
        ge=-1000,
        le=1000,
        description='where order = "priority": their requests go before those of tenants with a higher number',
    )
    objectives: Slo | None = Field(
        None, description="their latency objectives, such as {ttft_s = 0.5, e2e_s = 20}; none: those of slo"
    )


class Predictor(Part):
    """Logistic regression, a batch of one."""

    optimizer: Literal["sgd", "adagrad"] = Field(
        "sgd", description="sgd; adagrad: each parameter's step falls with the gradients that it has seen"
    )
    learning_rate: Positive = Field(0.05, description="step size")
    momentum: float = Field(0.0, ge=0, lt=1, description="share of the last step that is kept")
    weight_decay: NonNegative = Field(0.0, description="pull of all weights towards 0")
    clip: NonNegative = Field(0.0, description="largest norm of a gradient; 0: none")
    standardize: bool | None = Field(
        None,
        description="learn in units of each feature's standard deviation, as far as it is known; none: yes, unless "
        'features.kind is "difficulty"',
    )
    start: Literal["even", "means", "optimistic"] = Field(
        "even",
        description="what is predicted before anything is learnt: 1/2, each model's mean satisfaction, or 0.95, so "
        "that no model is left untried",
    )
    means: list[Fraction] | None = Field(
        None, description='start = "means": satisfaction of each model, in order; none: what the scenario says'
    )
    warm_start: str | None = Field(
        None,
        description="file of labelled rows to learn from before the first request, relative to the scenario's folder: "
        "columns feature__NAME and satisfied__MODEL",
    )

    @model_validator(mode="after")
    def _fits(self) -> "Predictor":
        if self.optimizer == "adagrad" and self.momentum > 0:
            raise ValueError(f'optimizer = "adagrad" and momentum = {self.momentum:g}: expected momentum = 0')
        if self.means is not None and self.start != "means":
            raise ValueError(f'means are given and start = "{self.start}": expected start = "means"')
        return self


# A number, or the word that leaves it to messsim; tagged, so that an error is about one of them.
PositiveOrAuto = Annotated[
    Annotated[Positive, Tag("number")] | Annotated[Literal["auto"], Tag("word")],
    Discriminator(lambda value: "word" if isinstance(value, str) else "number"),
]


class Weights(Part):
    """What a sum of several factors is made of; those that are used are scaled to add up to 1."""

    quality: NonNegative = Field(1.0, description="of predicted or known satisfaction")
    latency: NonNegative = Field(1.0, description="of how long a request is expected to take")
    cost: NonNegative = Field(1.0, description="of what it is expected to cost")
    load: NonNegative = Field(1.0, description="multi-factor: of unfinished requests per place")

    @model_validator(mode="after")
    def _some(self) -> "Weights":
        if self.quality + self.latency + self.cost <= 0:
            raise ValueError("quality, latency and cost are all 0; expected one above 0")
        return self

    def of(self, *names: str) -> list[float]:
        """The weights so named, adding up to 1."""
        given = [float(getattr(self, name)) for name in names]
        return [w / sum(given) for w in given]


class Router(Part):
    """The policy and its options; a policy ignores the options it does not know."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": {"type": "object"}})  # [router.NAME]

    policy: str = Field(
        "mess+",
        description="name of a policy, a built-in one (docs/rivals.md describes them, and a wrong name lists them) or "
        "an installed one, or a Python file of your own, relative to the scenario's folder",
    )
    V: PositiveOrAuto = Field(
        "auto",
        description='weight of cost against the virtual queue, 1 / cost.unit; "auto": 1 / the gap between the '
        "dearest and the cheapest model in expected cost",
    )
    explore: Literal["all", "chosen"] = Field(
        "all", description="an exploring request goes to every model, or to one drawn at random"
    )
    learn: Literal["every", "explored"] = Field(
        "every",
        description="each rated answer is a step on the model that gave it, or only the answers of exploring "
        "requests are, as in the MESS+ paper",
    )
    c: NonNegative = Field(0.1, description="exploration: probability min(1, c / t^kappa)")
    kappa: Fraction = Field(0.25, description="exploration: how fast it fades")
    cost_estimate: Literal["known", "mean", "last_explored", "marginal"] = Field(
        "known",
        description="the expected cost of this request on the model; the mean of what it has cost so far; "
        "what the last explored request cost; what this request adds to the batch of the replica that dispatch would "
        "choose for it, less what of its prompt is in that replica's prefix cache",
    )
    cost_prior: NonNegative | None = Field(
        None, description="estimate before any observation, in cost.unit; none: the known cost"
    )
    reference: str | None = Field(None, description="model whose answer the user gets when exploring; none: the last")
    predictor: Predictor = Field(Predictor(), description="what learns satisfaction")
    discount: float = Field(1.0, gt=0, le=1, description="Q <- max(0, discount Q + alpha - s)")
    window: Count | None = Field(None, le=10_000_000, description="Q over the last so many ratings only")
    initial_queue: NonNegative = Field(
        0.0,
        description="what Q starts at, for each tenant and instance: a place-holder, instead of the answers that fall "
        "short until Q is long enough; not with window",
    )
    target_queue: Positive | None = Field(None, description="steer V so that the queue hovers about this length")
    instances: int = Field(
        1,
        ge=1,
        le=1000,
        description="routers side by side, each with its own virtual queues and predictor; a request comes to one of "
        "them at random",
    )
    reconcile_s: Positive | None = Field(
        None,
        ge=1e-3,
        description="seconds between two reconciliations, at which the instances' queues and predictors become their "
        "means; none: never",
    )
    keep_session_model: bool = Field(
        False,
        description="a turn of a session goes to the model that answered the one before, where its prompt may be "
        "cached; the policy decides about first turns",
    )
    decision_s: WaitLaw | None = Field(
        None,
        description="how long a decision keeps one of the router's workers busy: seconds, or a law such as "
        '{kind = "exponential", mean_s = 0.02}; it looks at queues and servers at its end; none: no time',
    )
    workers: int = Field(
        1,
        ge=0,
        le=100_000,
        description="decisions that each instance of the router makes at once, others wait first in, first out; 0: as "
        "many as come",
    )
    gain: float = Field(0.01, gt=0, lt=1, description="how fast V is steered, per rating")
    eta: Positive = Field(
        0.5, description="step of the price of satisfaction: primal-dual, linucb, thompson, length-only"
    )
    width: NonNegative = Field(
        1.0,
        description="of the confidence bound of linucb, of the beliefs of thompson, in standard deviations; "
        "pareto-floor: 0.05 where none is given",
    )
    ridge: Positive = Field(1.0, description="of the regression of linucb, thompson and pareto-floor")
    forgetting: float = Field(
        0.997, gt=0, le=1, description="pareto-floor: what a lesson is worth a request later; 1: as much as before"
    )
    weights: Weights = Field(Weights(), description="route-balance, multi-factor: weights of what they add up")
    mix: list[NonNegative] | None = Field(
        None,
        description="static-mix: share of requests of each model, in order, relative to each other; none: the cheapest "
        "mix that keeps the promise on average",
    )
    threshold: Fraction | None = Field(
        None,
        description="threshold: the strong model answers where it beats the weak one at least with this probability; "
        "none: found by the calibration",
    )
    delay_weight: NonNegative | None = Field(
        None,
        description="load-aware: what a second of expected queueing costs, in cost.unit; "
        "none: as much as a request on the dearest model",
    )
    calibration: float = Field(
        0.05, gt=0, lt=1, description="threshold, route-balance: share of requests that calibrate it"
    )
    scorer: NonNegative = Field(
        3.0,
        description="cascade: how well its scorer tells good answers from bad ones, as the logit between their scores; "
        "0: not at all",
    )
    training: Count = Field(2_000, description="cascade: labelled requests that its chain is chosen on")
    overrides: dict[str, Table] = Field(
        default_factory=dict, description="options of one policy, as [router.NAME] tables"
    )

    @property
    def weight(self) -> float:
        """V as a number.

        Raises
        ------
        ScenarioError
            If it is left open, which only a run resolves.
        """
        if self.V == "auto":
            raise ScenarioError('router.V = "auto": nothing is known of costs here; expected a number')
        return self.V

    @property
    def policy_name(self) -> str:
        """The policy's name; of a file, its stem."""
        return PurePath(self.policy).stem if self.policy.endswith(".py") else self.policy

    @property
    def reconciled_s(self) -> float:
        """Seconds between two reconciliations; infinite where there is nothing to reconcile, or never."""
        return math.inf if self.reconcile_s is None or self.instances == 1 else self.reconcile_s

    @model_validator(mode="before")
    @classmethod
    def _gather_overrides(cls, data: Any) -> Any:
        """Tables inside `[router]` that are no option of its own are options of the policy so named."""
        if not isinstance(data, dict):
            return data
        tables = {k: v for k, v in data.items() if isinstance(v, dict) and k not in cls.model_fields}
        rest = {k: v for k, v in data.items() if k not in tables}
        return rest | {"overrides": rest.get("overrides", {}) | tables} if tables else rest

    @model_validator(mode="after")
    def _mixes_something(self) -> "Router":
        if self.mix is not None and not sum(self.mix) > 0:
            raise ValueError(f"mix = {self.mix}: expected a share above 0 for one model at least")
        return self

    @model_validator(mode="after")
    def _one_memory(self) -> "Router":
        if self.window is not None and self.discount < 1:
            raise ValueError("both window and discount are given; expected one of them")
        if self.window is not None and self.initial_queue > 0:
            raise ValueError(
                f"window = {self.window} and initial_queue = {self.initial_queue:g}: expected one of them; a windowed "
                "queue is what its ratings fell short, and starts at 0"
            )
        if self.window is not None and self.instances > 1:
            raise ValueError(
                f"window = {self.window} and instances = {self.instances}: expected one of them; windows of several "
                "instances have no mean"
            )
        return self


class Feedback(Part):
    """Which answers users rate, and when the router learns of it."""

    probability: Fraction = Field(1.0, description="probability that a request is rated")
    false_positive: Fraction = Field(
        0.0, description="probability that an answer that did not satisfy is rated as if it had"
    )
    false_negative: Fraction = Field(
        0.0, description="probability that an answer that satisfied is rated as if it had not"
    )
    satisfied_rate: Fraction = Field(
        1.0,
        description="of the users who would rate, the share of satisfied ones who do; 0: only complaints are heard",
    )
    one_sided: bool = Field(
        False,
        description="where several models answer to explore, only the answer that the user sees is rated",
    )
    delay: DelayLaw = Field(
        Immediate(),
        description='"immediate", seconds after the answer is complete, or a law such as '
        '{kind = "exponential", mean_s = 60}',
    )

    @property
    def raters_err(self) -> bool:
        """Whether ratings may differ from satisfaction: labels may be wrong, or come from the dissatisfied alone."""
        return self.false_positive > 0 or self.false_negative > 0 or self.satisfied_rate < 1
