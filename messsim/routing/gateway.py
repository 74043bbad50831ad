"""MESS+ as an object: what was studied here can run in a gateway.

    router = MessPlus(["8b", "70b"], features=16, alpha=0.8, V=1e-4)
    route = router.route(features, costs=[120.0, 900.0])
    ...                                   # send the request to every model of route.models
    router.feedback(route.request, True)  # when the user has rated route.answer_from's answer

The kernels are the simulator's: the same requests and ratings in the same order give the same decisions, bit for bit.
"""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from messsim import _core, files
from messsim.errors import KernelError, OutputError, ScenarioError
from messsim.scenario.routing import Router
from messsim.scenario.seeds import column_id

from .contract import OF_QUEUE, PLAN_ALL, PLAN_EXPLORE, PLAN_MODEL, ledger_of
from .gateway_input import (
    LARGEST,
    MOST_PENDING,
    Saved,
    check_known,
    check_saved,
    is_real,
    numbers,
    plain,
    prices,
    read_saved,
    router_of,
    rows_of_numbers,
    validated,
)
from .learning import warm_start
from .mess_plus import build
from .tradeoff import automatic_v

__all__ = ["MessPlus", "Route", "check_options"]

FORMAT = 2

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Route:
    """Where a request goes.

    Attributes
    ----------
    request
        Its number, by which `MessPlus.feedback` knows it.
    models
        Who must be asked: one model, or all of them while exploring.
    answer_from
        Whose answer the user gets.
    explores
        Whether the predictor wants to learn from this request.
    queue
        The virtual queue at the decision.
    scores
        Predicted satisfaction by model.
    """

    request: int
    models: tuple[str, ...]
    answer_from: str
    explores: bool
    queue: float
    scores: dict[str, float]


class MessPlus:
    """MESS+ (arXiv 2505.19947) for one promise, outside the simulator.

    Not for several threads at once: callers hold a lock of their own.

    Parameters
    ----------
    models
        Names in rising order of cost.
    features
        How many features a request has.
    alpha
        The promise: at least this fraction of the rated answers satisfies.
    seed
        Of its exploration.
    max_pending
        How many requests may wait for feedback: with one more, the oldest is forgotten (see `forgotten`).
    options
        As in a scenario's ``[router]``: ``V``, ``c``, ``kappa``, ``explore``, ``learn``, ``predictor``,
        ``reference``, ``discount``, ``window``, ``initial_queue``, ``target_queue``, ``gain``.

    Raises
    ------
    ScenarioError
        If an option is unknown or out of range, alpha is no fraction, or features no count.
    """

    def __init__(
        self,
        models: Sequence[str],
        features: int,
        alpha: float,
        *,
        seed: int = 0,
        max_pending: int = MOST_PENDING,
        **options: Any,
    ) -> None:
        names = models if isinstance(models, str) or not isinstance(models, Iterable) else list(models)
        given = {"models": names, "features": features, "alpha": alpha, "seed": seed, "max_pending": max_pending}
        door = validated(plain(given))
        self.models = tuple(door.models)
        self.features, alpha = door.features, door.alpha
        self._seed, self._most_pending = door.seed, door.max_pending
        self._options = plain(options)
        router = router_of(self._options, OURS, self.models)
        self._reference = self.models.index(router.reference) if router.reference else len(self.models) - 1
        self._finds_weight = router.V == "auto"
        self._cost_sums, self._weight = np.zeros(len(self.models)), 1.0 if router.V == "auto" else router.V
        self._policy = build(_resolved(router, self._weight), len(self.models), self.features)
        self._ledger = ledger_of(alpha, router)
        self._column = column_id("policy:mess+")
        self._routed = self._forgotten = 0
        self._pending: dict[int, tuple[int, list[float] | None]] = {}  # plan, and features where they teach

    @property
    def alpha(self) -> float:
        """The promise."""
        return self._ledger.alpha

    @property
    def weight(self) -> float:
        """V, the weight of cost; where it is automatic, by the costs of all requests routed so far."""
        return self._weight

    @property
    def queue(self) -> float:
        """The virtual queue Q."""
        return self._ledger.queue

    @property
    def certificate(self) -> float:
        """A lower bound on the mean satisfaction of the answers rated so far; NaN before any."""
        return self._ledger.certificate

    @property
    def pending(self) -> int:
        """Requests that have been routed and not rated: `forget` those that nobody will rate."""
        return len(self._pending)

    @property
    def forgotten(self) -> int:
        """Requests whose feedback is waited for no longer since `max_pending` others came after them."""
        return self._forgotten

    def route(self, features: ArrayLike, costs: Sequence[float] | Mapping[str, float]) -> Route:
        """Decides the next request.

        Parameters
        ----------
        features : array_like [features]
        costs
            Expected cost of this request on each model, by name or in the order of `models`, in any unit; V is in 1
            over that unit.

        Raises
        ------
        ScenarioError
            If there are not as many of them as there should be, one is not a finite number, or a cost is negative.
        """
        x, prices = numbers("features", features, self.features), self._prices(costs)
        self._cost_sums += prices
        self._weigh(self._cost_sums)
        route, plan = self._decide(x, prices)
        self._routed += 1
        teaches = route.explores or self._policy.learns_every_answer
        self._pending[route.request] = (plan, x.tolist() if teaches else None)
        if len(self._pending) > self._most_pending:
            del self._pending[next(iter(self._pending))]  # a dict keeps the order of coming
            self._forgotten += 1
        return route

    def preview(self, features: ArrayLike, costs: Sequence[float] | Mapping[str, float]) -> Route:
        """What `route` would decide now; nothing is counted."""
        prices, kept = self._prices(costs), (self._weight, self._policy.kernel.state.copy())
        self._weigh(self._cost_sums + prices)
        route = self._decide(numbers("features", features, self.features), prices)[0]
        self._weight, self._policy.kernel.state[:] = kept
        return route

    def _prices(self, costs: Sequence[float] | Mapping[str, float]) -> Floats:
        return prices(self._in_order(costs) if isinstance(costs, Mapping) else costs, len(self.models))

    def _weigh(self, cost_sums: Floats) -> None:
        """Puts an automatic V into the scale of the mean costs so far, those of the request at hand included."""
        if self._finds_weight:
            weight = automatic_v((cost_sums / (self._routed + 1)).tolist())
            self._policy.kernel.state[0] *= weight / self._weight  # which target_queue steers
            self._weight = weight

    def _decide(self, x: Floats, prices: Floats) -> tuple[Route, int]:
        models, request, queue = len(self.models), self._routed, self._ledger.queue
        scores = np.empty((models, 1))
        assert self._policy.predictor is not None
        self._policy.predictor.score(np.ascontiguousarray(x.reshape(-1, 1)), scores)
        uniforms = np.empty((1, 2))
        _core.Stream(self._seed, self._column).uniform_pair(request, uniforms)
        plan = self._policy.kernel.decide(
            request, request + 1, self.alpha, queue, scores[:, 0].copy(), prices, np.zeros(models), uniforms[0]
        )
        seen = self._reference if plan == PLAN_ALL else plan & PLAN_MODEL
        route = Route(
            request,
            self.models if plan == PLAN_ALL else (self.models[seen],),
            self.models[seen],
            bool(plan & (PLAN_ALL | PLAN_EXPLORE)),
            queue,
            dict(zip(self.models, scores[:, 0].tolist(), strict=True)),
        )
        return route, plan

    def _in_order(self, costs: Mapping[str, float]) -> list[float]:
        if set(costs) != set(self.models):
            raise ScenarioError(f"costs: has {', '.join(map(str, costs))}; expected {', '.join(self.models)}")
        return [costs[name] for name in self.models]

    def feedback(self, request: int, satisfied: float | Mapping[str, float]) -> None:
        """Tells whether answers satisfied; once for each request, in any order.

        Parameters
        ----------
        request
            From `route`.
        satisfied
            In [0, 1]: of the answer that the user got; or by model, where several were asked and judged. The answer
            that the user got must be among them.

        Raises
        ------
        ScenarioError
            If the request is not waiting for feedback, or a label is missing or not in [0, 1].
        """
        if not self._waits(request):
            raise ScenarioError(f"request {request}: does not wait for feedback; expected a number of route(), once")
        plan, features = self._pending[request]
        seen = self._reference if plan == PLAN_ALL else plan & PLAN_MODEL
        labels = self._labels(satisfied, seen, plan == PLAN_ALL)
        del self._pending[request]
        self._ledger.rate(labels[seen])
        self._policy.kernel.rated(request, seen, self.alpha, labels[seen], self._ledger.queue)
        if features is not None and self._policy.predictor is not None:
            self._policy.predictor.learn(np.array(features), labels)

    def _labels(self, satisfied: float | Mapping[str, float], seen: int, everyone: bool) -> Floats:
        labels = np.full(len(self.models), np.nan)
        given: Mapping[str, Any] = satisfied if isinstance(satisfied, Mapping) else {self.models[seen]: satisfied}
        for name, label in given.items():
            if name not in self.models or not (everyone or name == self.models[seen]):
                raise ScenarioError(f"satisfied: {name!r} was not asked")
            if not is_real(label) or not 0.0 <= label <= 1.0:
                raise ScenarioError(f"satisfied: {name!r} has {label!r}; expected a number from 0 to 1")
            labels[self.models.index(name)] = label
        if np.isnan(labels[seen]):
            raise ScenarioError(f"satisfied: has no label of {self.models[seen]!r}, whose answer the user got")
        return labels

    def observe(self, features: ArrayLike, model: str, satisfied: float) -> None:
        """Learns from a rated answer that another router asked for: the queue moves, and the predictor takes a step.

        For a shadow beside a router at work, or to begin with what a log knows.

        Raises
        ------
        ScenarioError
            As `route` and `feedback`.
        """
        x = numbers("features", features, self.features)
        if model not in self.models:
            raise ScenarioError(f"model = {model!r}: expected one of {', '.join(self.models)}")
        seen = self.models.index(model)
        labels = self._labels(satisfied, seen, everyone=False)
        self._ledger.rate(labels[seen])
        self._policy.kernel.rated(-1, seen, self.alpha, labels[seen], self._ledger.queue)
        assert self._policy.predictor is not None
        self._policy.predictor.learn(x, labels)

    def learn_from(self, features: ArrayLike, satisfied: ArrayLike) -> None:
        """Learns from labelled requests of before, one after the other; the queue does not move.

        Parameters
        ----------
        features : array_like [n, features]
        satisfied : array_like [n, models]
            In [0, 1]; NaN, None or pandas' NA where nobody rated that model's answer.

        Raises
        ------
        ScenarioError
            If they are not of these shapes, or a value is out of range.
        """
        x, labels = (rows_of_numbers(name, a) for name, a in (("features", features), ("satisfied", satisfied)))
        if x.shape != (len(labels), self.features) or labels.shape[1] != len(self.models):
            raise ScenarioError(
                f"features and satisfied: are {list(x.shape)} and {list(labels.shape)}; "
                f"expected [n, {self.features}] and [n, {len(self.models)}]"
            )
        if not (np.abs(x) <= LARGEST).all() or not (np.isnan(labels) | ((labels >= 0.0) & (labels <= 1.0))).all():
            raise ScenarioError(
                f"features and satisfied: expected numbers up to {LARGEST:g}, and labels from 0 to 1 or NaN"
            )
        assert self._policy.predictor is not None
        warm_start(self._policy.predictor, x, labels)

    def forget(self, request: int) -> None:
        """Waits no longer for the feedback of a request."""
        if self._waits(request):
            del self._pending[request]

    def _waits(self, request: object) -> bool:
        try:
            return request in self._pending
        except TypeError:  # a list, an array
            return False

    # ---- keeping it ---------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Writes all it knows to a JSON file, whole or not at all.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        assert self._policy.predictor is not None
        whole = {
            "messsim_mess_plus": FORMAT,
            "models": self.models,
            "features": self.features,
            "alpha": self.alpha,
            "seed": self._seed,
            "options": self._options,
            "max_pending": self._most_pending,
            "routed": self._routed,
            "V": self._weight,
            "cost_sums": self._cost_sums.tolist(),
            "forgotten": self._forgotten,
            "state": self._policy.kernel.state.tolist(),
            "predictor": self._policy.predictor.saved(),
            "ledger": self._ledger.saved(),
            "pending": [[request, plan, features] for request, (plan, features) in self._pending.items()],
        }
        target = Path(path)
        beside = files.partial_name(target)
        try:
            beside.write_text(files.json_text(whole, indent=None), encoding="utf-8")
            beside.replace(target)
        except OSError as error:
            raise OutputError(f"{target}: cannot be written: {error.strerror}") from None
        finally:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Goes on where `save` left off.

        Raises
        ------
        ScenarioError
            If the file is not one that `save` wrote, with the key that is wrong.
        """
        saved = read_saved(Path(path), FORMAT)
        try:
            own = {"seed": saved.seed, "max_pending": saved.max_pending}
            if taken := sorted({"models", "features", "alpha", *own} & set(saved.options)):
                raise ScenarioError(f"options.{taken[0]}: no such option")
            options: Any = saved.options
            self = cls(saved.models, saved.features, saved.alpha, **own, **options)
            self._restore(saved)
        except (ScenarioError, KernelError) as error:
            raise ScenarioError(str(error), str(path)) from None
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            text = f"predictor: is not what MessPlus.save wrote ({type(error).__name__}: {error})"
            raise ScenarioError(text, str(path)) from None
        return self

    def _restore(self, saved: Saved) -> None:
        check_saved(saved, len(self._policy.kernel.state), self._ledger.saved()["recent"])
        assert self._policy.predictor is not None
        self._policy.predictor.restore(saved.predictor.model_dump())
        self._policy.kernel.state[:] = saved.state
        self._ledger.restore(saved.ledger.model_dump())
        self._routed, self._forgotten = saved.routed, saved.forgotten
        self._weight, self._cost_sums = saved.V, np.array(saved.cost_sums, dtype=np.float64)
        self._pending = {request: (plan, features) for request, plan, features in saved.pending}


OURS = OF_QUEUE | {"V", "c", "kappa", "explore", "learn", "predictor", "reference", "target_queue", "gain"}


def check_options(options: Mapping[str, Any]) -> None:
    """Raises a ScenarioError for what is no option of `MessPlus`, its arguments among them."""
    check_known(options, OURS)


def _resolved(router: Router, weight: float) -> Router:
    """Options without a word left open: requests in a gateway have features of any scale."""
    predictor = router.predictor
    if predictor.standardize is None:
        predictor = predictor.model_copy(update={"standardize": True})
    return router.model_copy(update={"V": weight, "predictor": predictor})
