"""What `MessPlus` takes and what it reads back from a file, checked before anything is done with it."""

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, ValidationError

from messsim.errors import ScenarioError
from messsim.files import read_json, why
from messsim.scenario.base import SMALLEST, Count, Fraction, Number, Part
from messsim.scenario.problems import checked
from messsim.scenario.python_values import without_numpy
from messsim.scenario.routing import Router

from .contract import PLAN_ALL, PLAN_EXPLORE

__all__ = [
    "LARGEST",
    "MOST_PENDING",
    "Door",
    "Saved",
    "check_known",
    "check_saved",
    "is_real",
    "numbers",
    "plain",
    "prices",
    "read_saved",
    "router_of",
    "rows_of_numbers",
    "validated",
]

SLACK = 1e-9  # of sums of many fractions
MOST_PENDING = 100_000  # by default
MOST_FEATURES = 4096  # as features.dimensions of a scenario
# No feature and no cost is larger, and nothing learned of them further from 0: sums of squares stay finite.
LARGEST, FARTHEST = 1e50, 1e100
PLAIN = {int, float, np.float64}
FLOATS_BY_CHANCE = (np.complexfloating, np.timedelta64, np.datetime64)  # which float() takes

Floats = NDArray[np.float64]


class Door(Part):
    """The arguments of `MessPlus` that are no options of ``[router]``."""

    models: list[str] = Field(min_length=1, description="at least one, each with a name of its own")
    features: int = Field(ge=0, le=MOST_FEATURES, description=f"how many a request has, 0 to {MOST_FEATURES}")
    alpha: Fraction = Field(description="a number from 0 to 1")
    seed: int = Field(ge=0, lt=2**32, description="a whole number from 0 to 4294967295")
    max_pending: Count = Field(description="how many requests may wait for feedback, 1 to 2147483647")


class Counted(Part):
    """What a virtual queue has counted (`_core.Ledger.saved`)."""

    queue: float = Field(ge=0)
    plain: float = Field(ge=0)
    plain_max: float = Field(ge=0)
    rated: Number
    satisfied: float = Field(ge=0)
    promised: float = Field(ge=0)
    recent: list[float]
    recent_sum: float


class Learnt(Part):
    """What the predictor has learnt (`_core.Predictor.saved`); its shapes are for `restore` to check."""

    version: Number
    weights: list[list[float]]
    bias: list[float]
    velocity: list[list[float]]
    seen: Number
    mean: list[float]
    squares: list[float]


class Saved(Part):
    """What `MessPlus.save` writes."""

    messsim_mess_plus: int
    models: list[str]
    features: int
    alpha: float
    seed: int
    options: dict[str, object]
    max_pending: int = MOST_PENDING
    routed: Number
    forgotten: Number = 0
    V: float = Field(ge=1 / FARTHEST, le=FARTHEST)
    cost_sums: list[float]
    state: list[float]
    predictor: Learnt
    ledger: Counted
    pending: list[tuple[Number, Number, list[float] | None]]


def plain(value: Any) -> Any:
    """A value without NumPy: its scalars are numbers of Python, which JSON can write; so are they inside tables."""
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    return without_numpy(value) if isinstance(value, np.generic) else value


def validated(door: Mapping[str, Any]) -> Door:
    """The arguments of `MessPlus`.

    Raises
    ------
    ScenarioError
        Naming the argument, its value and what was expected.
    """
    try:
        checked = Door.model_validate(door)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        raise ScenarioError(f"{key} = {_short(door[key])}: expected {Door.model_fields[key].description}") from None
    if len(set(checked.models)) != len(checked.models) or "" in checked.models:
        raise ScenarioError(f"models = {_short(checked.models)}: expected {Door.model_fields['models'].description}")
    return checked


def check_known(options: Iterable[str], known: frozenset[str]) -> None:
    """Raises a ScenarioError for a name that is none of those that are known."""
    if strange := sorted(set(options) - known):
        raise ScenarioError(f"{strange[0]}: no such option; expected any of {', '.join(sorted(known))}")


def router_of(options: Mapping[str, Any], known: frozenset[str], models: Sequence[str]) -> Router:
    """The options of ``[router]``, by the rules of a scenario.

    Raises
    ------
    ScenarioError
        Naming the option, its value and what was expected.
    """
    check_known(options, known)
    if options.get("reference") not in (None, *models):
        raise ScenarioError(f"reference = {options['reference']!r}: expected one of {', '.join(models)}")
    predictor = options.get("predictor")
    if isinstance(predictor, Mapping) and predictor.get("warm_start") is not None:
        raise ScenarioError("predictor.warm_start: a file is read by a scenario's run; expected learn_from(), later")
    return checked(Router, options)


def prices(values: ArrayLike, count: int) -> Floats:
    """What a request costs on so many models.

    Raises
    ------
    ScenarioError
        As `numbers` does; for True and False, which are no costs; and where the dearest is next to nothing, and not 0.
    """
    array = numbers("costs", values, count, least=0.0)
    if 0.0 < (dearest := array.max()) < SMALLEST:
        raise ScenarioError(f"costs: has {dearest:g}; expected 0 for all, or {SMALLEST:g} at least for the dearest")
    if isinstance(values, (list, tuple)) and PLAIN.issuperset(map(type, values)):  # as most are: a tenth of a decision
        return array
    for cost in np.asarray(values, dtype=object).reshape(-1):
        if isinstance(cost, (bool, np.bool_)):
            raise ScenarioError(f"costs: has {cost}; expected {count} numbers of at least 0")
    return array


def is_real(value: Any) -> bool:
    """Whether it is one real number, of Python's or NumPy's; NaN too. A time that passed is none."""
    real = isinstance(value, (int, float, np.bool_, np.integer, np.floating))
    return real and not isinstance(value, np.timedelta64)


def rows_of_numbers(name: str, values: ArrayLike) -> Floats:
    """Numbers in rows of equal length; NaN may be among them, as which None and NA of pandas are read.

    Raises
    ------
    ScenarioError
        If they are none; text that is a number is one, a complex number, a duration and a date are not.
    """
    try:
        given = np.asarray(values)
    except (TypeError, ValueError, OverflowError):
        raise ScenarioError(f"{name}: expected rows of numbers") from None
    if given.dtype.kind in "mM":  # NumPy makes floats of them, and as objects whole numbers
        raise ScenarioError(f"{name}: has values of {given.dtype}; expected rows of numbers")
    if given.dtype.kind not in "biuf":
        given = np.frompyfunc(partial(_cell, name), 1, 1)(np.asarray(values, dtype=object))
    return np.array(given, dtype=np.float64, ndmin=2)


def _cell(name: str, value: Any) -> float:
    if value is None or value is getattr(sys.modules.get("pandas"), "NA", None):
        return math.nan
    try:
        if isinstance(value, FLOATS_BY_CHANCE):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ScenarioError(f"{name}: has {_short(value)}; expected rows of numbers") from None


def numbers(name: str, values: ArrayLike, count: int, least: float = -math.inf) -> Floats:
    """So many finite numbers.

    Raises
    ------
    ScenarioError
        If they are not numbers, not as many, not finite, or one is below `least` or beyond 1e50.
    """
    try:
        given = np.asarray(values)
        if given.dtype.kind not in "biuf":
            raise TypeError
        array = np.ascontiguousarray(given, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError, OverflowError):
        raise ScenarioError(f"{name}: expected {count} numbers") from None
    if len(array) != count:
        raise ScenarioError(f"{name}: has {len(array)} values; expected {count} finite numbers")
    if not np.isfinite(array).all():
        raise ScenarioError(f"{name}: has {array[~np.isfinite(array)][0]:g}; expected {count} finite numbers")
    if (array < least).any():
        raise ScenarioError(f"{name}: has {array.min():g}; expected {count} numbers of at least {least:g}")
    if (far := array[np.abs(array) > LARGEST]).size:
        raise ScenarioError(f"{name}: has {far[0]:g}; expected {count} numbers no further from 0 than {LARGEST:g}")
    return array


def read_saved(path: Path, expected_format: int) -> Saved:
    """A file of `MessPlus.save`: every number in it is finite and in its range, every key there.

    Raises
    ------
    ScenarioError
        Naming the file, the key and what was expected.
    """
    try:
        whole = read_json(path)
    except OSError as error:
        raise ScenarioError(f"{path}: {why(error, 'what MessPlus.save wrote')}") from None
    except ValueError as error:
        raise ScenarioError(f"{path}: is not what MessPlus.save wrote ({type(error).__name__}: {error})") from None
    if not isinstance(whole, dict) or "messsim_mess_plus" not in whole:
        raise ScenarioError(f"{path}: is not what MessPlus.save wrote: messsim_mess_plus is missing")
    if whole["messsim_mess_plus"] != expected_format:
        raise ScenarioError(f"{path}: is of format {_short(whole['messsim_mess_plus'])}; expected {expected_format}")
    whole["pending"] = _tuples(whole.get("pending"))
    try:
        problem = next(_impossible(whole, "", _unbounded(whole)), None)
        saved = checked(Saved, whole)
    except ScenarioError as error:
        raise ScenarioError(error.problems, str(path)) from None
    except RecursionError:
        raise ScenarioError(f"{path}: is not what MessPlus.save wrote: it is nested too deep") from None
    if problem is not None:
        raise ScenarioError([problem], str(path))
    return saved


def check_saved(saved: Saved, state: int, recent: Sequence[float]) -> None:
    """Whether what was saved fits together, as `MessPlus.save` leaves it.

    Parameters
    ----------
    saved
        Each value of which is in its range.
    state
        How many numbers the policy's state has.
    recent
        What the ledger's window holds before it is restored.

    Raises
    ------
    ScenarioError
        Naming the entry and what was expected.
    """
    ledger, models = saved.ledger, len(saved.models)
    if len(saved.cost_sums) != models or min(saved.cost_sums) < 0 or max(saved.cost_sums) > FARTHEST:
        expected = f"{models} numbers of at least 0, {FARTHEST:g} at most"
        raise ScenarioError(f"cost_sums = {_short(saved.cost_sums)}: expected {expected}")
    if len(saved.state) != state or min(saved.state) < 0:
        raise ScenarioError(f"state = {_short(saved.state)}: expected {state} numbers of at least 0")
    if len(ledger.recent) != len(recent) or any(abs(shortfall) > 1 for shortfall in ledger.recent):
        raise ScenarioError(f"ledger.recent: expected {len(recent)} numbers from -1 to 1")
    for key in ("satisfied", "promised"):
        if getattr(ledger, key) > ledger.rated * (1 + SLACK):
            raise ScenarioError(f"ledger.{key} = {getattr(ledger, key)!r}: expected at most rated = {ledger.rated}")
    total = math.fsum(ledger.recent)
    if abs(ledger.recent_sum - total) > SLACK * (1 + ledger.rated):
        raise ScenarioError(f"ledger.recent_sum = {ledger.recent_sum!r}: expected the sum of recent, {total!r}")
    squares = saved.predictor.squares
    if min(squares, default=0.0) < 0:
        raise ScenarioError(f"predictor.squares = {_short(squares)}: expected sums of squares, of at least 0")
    if ledger.plain > ledger.plain_max:
        raise ScenarioError(f"ledger.plain = {ledger.plain!r}: expected at most plain_max = {ledger.plain_max!r}")
    _check_pending(saved, models)


def _check_pending(saved: Saved, models: int) -> None:
    seen: set[int] = set()
    if len(saved.pending) > saved.max_pending:
        raise ScenarioError(f"pending: has {len(saved.pending)} entries; expected at most {saved.max_pending}")
    for place, (request, plan, features) in enumerate(saved.pending):
        key = f"pending.{place}"
        if request >= saved.routed or request in seen:
            raise ScenarioError(f"{key} = {request}: expected a request below routed = {saved.routed}, each once")
        seen.add(request)
        if plan != PLAN_ALL and plan & ~PLAN_EXPLORE >= models:
            raise ScenarioError(f"{key}: has the plan {plan}; expected one of {models} models")
        if features is not None and len(features) != saved.features:
            raise ScenarioError(f"{key}: has {len(features)} features; expected {saved.features}")
        if features is not None and max(map(abs, features), default=0.0) > LARGEST:
            raise ScenarioError(f"{key}: expected features no further from 0 than {LARGEST:g}")
        if features is None and plan == PLAN_ALL:
            raise ScenarioError(f"{key}: has no features; expected {saved.features} of a request that teaches")


def _tuples(pending: Any) -> Any:
    """JSON has no tuples."""
    if not isinstance(pending, list):
        return pending
    return [tuple(row) if isinstance(row, list) else row for row in pending]


def _impossible(value: Any, key: str, unbounded: Set[str]) -> Iterator[str]:
    """The keys of numbers that no router can have saved, and of what the predictor has learned and is no number."""
    if isinstance(value, (dict, list, tuple)):
        parts: Any = value.items() if isinstance(value, dict) else enumerate(value)
        for name, inner in parts:
            yield from _impossible(inner, f"{key}.{name}" if key else str(name), unbounded)
        return
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    section, _, column = key.partition(".")
    if isinstance(value, float) and not math.isfinite(value):
        yield f"{key} = {value!r}: expected a finite number"
    elif section != "predictor":
        return
    elif not number:
        yield f"{key} = {_short(value)}: expected a number"
    elif abs(value) > FARTHEST and column.partition(".")[0] not in unbounded:
        yield f"{key} = {_short(value)}: expected a number no further from 0 than {FARTHEST:g}"


def _unbounded(whole: Mapping[str, Any]) -> Set[str]:
    """What the predictor sums squares in: it has a range of its own."""
    options = whole.get("options")
    predictor = options.get("predictor") if isinstance(options, dict) else None
    adds_squares = isinstance(predictor, dict) and predictor.get("optimizer") == "adagrad"
    return {"squares", "velocity"} if adds_squares else {"squares"}


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python writes
        return "a huge number"
    return text if len(text) <= 60 else f"{text[:57]}..."
