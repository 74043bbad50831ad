"""Requirements of a plan and their figures in words, with units."""

from functools import cache

from messsim.results.fields import fields_of
from messsim.wording import number, percent, seconds

__all__ = ["bound_in_words", "figure_in_words", "is_bound", "is_share", "name_of"]

_LATENCIES = {"ttft": "TTFT", "tpot": "TPOT", "e2e": "end-to-end latency", "queueing": "queueing time"}
_NAMES = {
    "sla.satisfaction": "answers that satisfy",
    "sla.certificate": "certified satisfaction",
    "sla.shortfall": "shortfall of satisfaction",
    "slo.attainment": "answers within the SLO",
    "slo.goodput_rps": "goodput, requests/s",
    "cost.per_request": "cost of an answer",
    "cost.rent_usd_per_hour": "rent, USD/h",
    "cost.gpus": "GPUs",
    "energy.j_per_output_token": "energy of an output token, J",
    "energy.total_j": "energy, J",
}
_SIGNS = {"<=": "≤", ">=": "≥", "==": "="}


def name_of(path: str) -> str:
    """What a figure is called; its path where it has no other name."""
    parts = path.replace('"', "").split(".")
    if len(parts) == 3 and parts[0] == "latency_s" and parts[1] in _LATENCIES:
        kind = "mean" if parts[2] == "mean" else f"{parts[2].removeprefix('p')}th percentile"
        return f"{_LATENCIES[parts[1]]}, {'median' if parts[2] == 'p50' else kind}"
    return _NAMES.get(path, path)


def figure_in_words(path: str, value: float | None) -> str:
    """A figure with its unit."""
    if path.startswith("latency_s.") or ".latency_s." in path or path.replace('"', "").endswith("_s"):
        return seconds(value)
    return percent(value, 2) if is_share(path) else number(value)


def is_share(path: str) -> bool:
    """Whether a figure is at most 1, and shown in per cent."""
    return _key(path) in _shares()


def is_bound(path: str) -> bool:
    """Whether a share is a lower bound, which says nothing at or below 0 and may be less."""
    return _key(path) == "certificate"


def _key(path: str) -> str:
    return path.replace('"', "").rpartition(".")[2]


@cache
def _shares() -> frozenset[str]:
    """The last keys of what the summary says is from 0 to 1."""
    return frozenset(_key(field.path) for field in fields_of() if field.unit == "0 to 1")


def bound_in_words(path: str, operator: str, bound: float) -> str:
    """``≥ 55.00 %``, ``< 500 ms``."""
    return f"{_SIGNS.get(operator, operator)} {figure_in_words(path, bound)}"
