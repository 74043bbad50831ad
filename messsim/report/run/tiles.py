"""The figures of a run that are read at a glance."""

from messsim.summary import Cost, Sla, StaticChoice, Summary, TenantSummary
from messsim.wording import number, percent, rate, request_unit, seconds

from ..base.page import Tile
from .verdict import least_margin, unanswered

__all__ = ["tiles_of"]


def tiles_of(summary: Summary) -> list[Tile]:
    """Of a summary; what does not apply is left out."""
    sla, cost, requests = summary["sla"], summary["cost"], summary["requests"]
    energy, latency_s, slo = summary["energy"], summary["latency_s"], summary["slo"]
    tiles = [*_satisfied(sla, summary["tenants"]), _certificate(sla)]
    if cost["per_request"] is not None:
        tiles.append(_cost("Cost of an answer", cost["per_request"], cost["unit"], "exploring and idle included"))
        tiles += _without_router(cost)
    if cost.get("rent_usd_per_hour") is not None:
        note = "whatever the router does" if cost["fixed"] else "of all priced GPUs"
        tiles.append(Tile("Rent of an hour", number(cost["rent_usd_per_hour"], "USD"), note))
    windows = sla["windows"]
    if windows is not None and windows["count"]:
        note = f"of {windows['count']:,}; {percent(windows['worst'])} satisfied in the worst"
        tiles.append(Tile("Windows that miss", percent(windows["violation_rate"]), note))
    if cost["ratio_to_oracle"] is not None:
        tiles.append(Tile("Cost to oracle's", f"{cost['ratio_to_oracle']:.2f} times", "at equal satisfaction"))
    tiles.append(Tile("Explored", percent(requests["explored"] / max(requests["arrived"], 1), 2), "of all requests"))
    if latency_s["ttft"]["mean"] is not None:
        e2e = f"end to end p95 {seconds(latency_s['e2e']['p95'])}"
        tiles.append(Tile("TTFT p95", seconds(latency_s["ttft"]["p95"]), e2e))
    if energy["j_per_output_token"]:
        measured = "measured" if energy["measured"] else "partly assumed"
        tiles.append(Tile("Energy of a token", number(energy["j_per_output_token"], "J"), measured))
    if slo["attainment"] is not None:
        goodput = f"goodput {rate(slo['goodput_rps'])}"
        tiles.append(Tile("Within the SLO", percent(slo["attainment"]), goodput))
    left = requests["arrived"] - requests["completed"]
    if left:
        tiles.append(Tile("Not answered", percent(left / requests["arrived"], 2), ", ".join(unanswered(requests))))
    return tiles


def _without_router(cost: Cost) -> list[Tile]:
    """What the same requests cost by choices made beforehand, as far as it was simulated."""
    without_router, unit = cost.get("without_router"), cost["unit"]
    if without_router is None:
        return []
    tiles = []
    if (single := without_router["best_single"]) is not None and single["per_request"] is not None:
        name = single["model"] or "Each tenant its model"
        tiles.append(_cost(f"{name} alone", single["per_request"], unit, _share(single)))
    if (mix := without_router["static_mix"]) is not None and mix["per_request"] is not None:
        tiles.append(_cost("Best fixed mix", mix["per_request"], unit, _share(mix)))
    return tiles


def _cost(name: str, per_request: float, unit: str, note: str) -> Tile:
    """The cost of an answer; of money that of 1,000."""
    scale, unit = request_unit(unit)
    each = "per 1,000 requests; " if scale > 1 else ""
    return Tile(name, number(scale * per_request, unit), f"{each}{note}")


def _share(choice: StaticChoice) -> str:
    missed = ", missed" if choice["kept"] is False else ""
    slow = f"; end-to-end p95 {seconds(choice['e2e_p95_s'])}" if choice["e2e_p95_s"] is not None else ""
    return f"{percent(choice['satisfaction'], 2)} satisfied{missed}{slow}; simulated"


def _satisfied(sla: Sla, tenants: list[TenantSummary]) -> list[Tile]:
    """Of all answers; with several tenants also of the one with the least margin, by whom the run is judged."""
    share, promised = percent(sla["satisfaction"], 2), f"promised {percent(sla['alpha'], 2)}"
    if len(tenants) == 1:
        return [Tile("Satisfied", share, promised)]
    tiles = [Tile("Satisfied", share, f"of all tenants' answers; {promised} on average")]
    if (worst := least_margin(tenants)) is not None:
        note = f"the least margin; promised {percent(worst['alpha'], 2)}"
        tiles.append(Tile(f"Satisfied, {worst['name']}", percent(worst["satisfaction"], 2), note))
    return tiles


def _certificate(sla: Sla) -> Tile:
    bound = sla["certificate"]
    if not sla["rated"]:
        return Tile("Certificate", "none", "no answer was rated")
    if bound is None:
        return Tile("Certificate", "none", f"raters err; they say {percent(sla['satisfaction_rated'], 2)}")
    if bound <= 0:
        return Tile("Certificate", "vacuous", "the queue is longer than the promise")
    return Tile("Certificate", f"≥ {percent(bound, 2)}", f"of {sla['rated']:,} rated answers")
