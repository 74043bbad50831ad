"""Figures of a summary by path, and requirements on them: ``sla.satisfaction>=0.6``.

A path names keys from the outside in; an entry of a list goes by its name: ``models.8b.share``,
``pools."llama-3.1-70b".utilization``. The quotes may be left out.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from messsim.amounts import SHARE, TIME, amount
from messsim.errors import ScenarioError
from messsim.shapes.studies import Judged

from .fields import fields_of
from .verdict import TOLERANCE

__all__ = ["Figure", "Requirement", "check_path", "figures", "full_path", "look_up", "plain"]


Figure = float | int | str | bool | None

# A name in the path may hold signs, and the last sign is the requirement's.
_REQUIREMENT = re.compile(
    r"\s*([^\s<>=≤≥](?:.*?[^\s<>=≤≥])?)\s*(<=|>=|==|<|>|≤|≥)\s*([^<>=≤≥]*?[^\s<>=≤≥])\s*", re.DOTALL
)
_SIGN = re.compile("[<>=≤≥]")
_SIGNS = {"≤": "<=", "≥": ">="}

# Names that are asked for often, and the tables whose figures may be named without them: ``ttft.p95``.
SHORT = {"gpus": "cost.gpus", "usd_per_hour": "cost.rent_usd_per_hour"}
_TABLES = ("latency_s", "sla", "slo", "cost", "energy", "requests")


def figures(summary: Mapping[str, Any]) -> dict[str, Figure]:
    """Every single value of a summary by its path, texts included."""
    return dict(_flat("", summary))


def _flat(path: str, value: Any) -> Iterator[tuple[str, Figure]]:
    for key, entry in _entries(value):
        full = f"{path}.{key}" if path else key
        if isinstance(entry, (dict, list, tuple)):
            yield from _flat(full, entry)
        else:
            yield full, entry


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from ((str(key), entry) for key, entry in value.items())
        return
    for i, entry in enumerate(value):
        if isinstance(entry, dict) and "name" in entry:
            yield str(entry["name"]), {k: v for k, v in entry.items() if k != "name"}
        else:
            yield str(i), entry


def full_path(path: str, known: Mapping[str, Figure]) -> str:
    """A path in full, of what may be one without its table: ``ttft.p95`` is ``latency_s.ttft.p95``.

    Raises
    ------
    ScenarioError
        As `check_path`.
    """
    short = _key(path, known)
    short = SHORT.get(short, short)
    collected = [short, *(f"{table}.{short}" for table in _TABLES)]
    full = next((name for name in collected if name in known), None)
    if full is None or isinstance(known[full], str):
        check_path(path, known)
        return _key(path, known)
    return path if full == _key(path, known) else full


def check_path(path: str, known: Mapping[str, Figure]) -> None:
    """Raises for a path that leads nowhere, or to a text.

    Raises
    ------
    ScenarioError
        With the nearest paths that lead somewhere.
    """
    key = _key(path, known)
    if key not in known:
        explained = next((f.meaning for f in fields_of() if f.path == key), None)
        if explained is not None:
            raise ScenarioError(
                f"{path}: a run of this scenario has no such figure ({explained}){_null_table(key, known)}"
            )
        raise ScenarioError(f"{path}: no such figure; {_nearest(key, known)}")
    if isinstance(known[key], str):
        raise ScenarioError(f"{path}: is the text {known[key]!r}; expected a figure")


def look_up(path: str, known: Mapping[str, Figure]) -> float | None:
    """The figure at a path; None where the run has none.

    Raises
    ------
    ScenarioError
        As `check_path`.
    """
    check_path(path, known)
    value = known[_key(path, known)]
    return None if value is None else float(value)


def plain(path: str) -> str:
    """A path without quotes."""
    return path.strip().replace('"', "")


def _key(path: str, known: Mapping[str, Figure]) -> str:
    """What a path is called among the figures: names may have quotes of their own."""
    return path if path in known else plain(path)


def _null_table(path: str, known: Mapping[str, Figure]) -> str:
    """Which of the tables around a figure is null."""
    keys = path.split(".")
    tables = (".".join(keys[:n]) for n in range(1, len(keys)))
    return next((f"; {table} is null in it" for table in tables if table in known), "")


def _nearest(path: str, known: Mapping[str, Figure]) -> str:
    tabled = {k.removeprefix(f"{table}."): k for table in _TABLES for k in known if k.startswith(f"{table}.")}
    near = get_close_matches(path, known, n=1, cutoff=0.6) or get_close_matches(path, tabled, n=1, cutoff=0.6)
    if near:
        return f"did you mean {tabled.get(near[0], near[0])!r}?"
    under = [k for k in known if k.startswith(path + ".")]
    if under:
        return f"it has {', '.join(under[:8])}{', ...' if len(under) > 8 else ''}"
    return f"expected a path such as {next(iter(k for k in known if '.' in k), 'sla.satisfaction')!r}"


@dataclass(frozen=True)
class Requirement:
    """A bound on a figure.

    Attributes
    ----------
    path
        Where the figure stands in the summary.
    operator
        <, <=, >, >= or ==.
    bound
        In the figure's unit.
    """

    path: str
    operator: str
    bound: float

    @classmethod
    def parse(cls, text: str, known: Mapping[str, Figure] | None = None) -> "Requirement":
        """From ``latency_s.ttft.p95<2``, and with `known` also from ``ttft.p95 < 500 ms``.

        Parameters
        ----------
        known
            The figures that there are; with them, the path may be short and must lead to one.

        Raises
        ------
        ScenarioError
            If it is not a path, an operator and a finite number, or the number's unit is not the figure's.
        """
        match = _REQUIREMENT.fullmatch(text)
        example = "such as 'sla.satisfaction>=0.6'"
        if not match or (known is not None and _SIGN.search(match[1]) and _key(match[1], known) not in known):
            raise ScenarioError(
                f"requirement {text!r}: expected a figure, one of < <= > >= ==, and a number, {example}"
            )
        try:
            bound, unit = amount(match[3])
        except ValueError as error:
            raise ScenarioError(f"requirement {text!r}: {error}; expected one, {example}") from None
        path = plain(match[1]) if known is None else _key(full_path(match[1], known), known)
        _check_unit(text, path, unit, None if known is None else known[path])
        return cls(path, _SIGNS.get(match[2], match[2]), bound)

    def __str__(self) -> str:
        return f"{self.path}{self.operator}{self.bound:.10g}"

    @property
    def from_above(self) -> bool:
        """Whether it is less that is better."""
        return self.operator.startswith("<")

    def margin(self, value: float) -> float:
        """What is to spare, in the figure's unit; below 0: what is missing; 0 where rounding alone makes a difference,
        as of a promise.
        """
        spare = self.bound - value if self.from_above else value - self.bound
        if abs(spare) <= TOLERANCE * min(abs(self.bound), 1.0):
            return 0.0
        return -abs(spare) if self.operator == "==" else spare

    def met_by(self, value: float) -> bool:
        """Whether a value keeps to the bound."""
        margin = self.margin(value)
        return margin > 0 or (margin == 0 and "=" in self.operator)

    def judge(self, known: Mapping[str, Figure]) -> Judged:
        """The verdict on one run: `value`, `met`, `margin`, and a `reason` where it is not met."""
        value = look_up(self.path, known)
        met = value is not None and self.met_by(value)
        margin = None if value is None else self.margin(value)
        return {
            "requirement": str(self),
            "path": self.path,
            "operator": self.operator,
            "bound": self.bound,
            "value": value,
            "met": met,
            "margin": margin,
            "reason": None if met else self._reason(value, margin),
        }

    def _reason(self, value: float | None, margin: float | None) -> str:
        if value is None or margin is None:
            return "the run has no such figure (null): it does not apply to this scenario, or never came"
        if margin == 0:
            return f"is {value:.6g} exactly"
        missing = -margin
        share = f" ({100 * missing / abs(self.bound):.2g} %)" if self.bound else ""
        side = "off" if self.operator == "==" else "too much" if self.from_above else "too little"
        return f"is {value:.6g}, {missing:.4g}{share} {side}"


def _check_unit(text: str, path: str, unit: str | None, value: Figure) -> None:
    """Raises where a bound's unit is not the figure's: a latency is in seconds, a count is no share."""
    seconds = path.startswith("latency_s.") or path.endswith("_s")
    if unit == TIME and not seconds:
        raise ScenarioError(f"requirement {text!r}: {path} is no time; expected a number without a unit of time")
    if unit == SHARE and (seconds or (isinstance(value, int) and not isinstance(value, bool))):
        what = "in seconds" if seconds else "a count"
        raise ScenarioError(f"requirement {text!r}: {path} is {what}; expected a number without %")
