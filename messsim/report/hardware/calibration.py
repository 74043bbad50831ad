"""What `messsim calibrate` found, as tables."""

from rich.console import Group, RenderableType

from messsim.shapes.evidence import Calibration

from ..base.screen import Text
from ..base.tables import Fitting

__all__ = ["calibration"]

READINGS = {
    "duration": "duration",
    "energy": "energy",
    "ttft_s": "TTFT",
    "tpot_s": "TPOT",
    "e2e_s": "end to end",
    "tokens_per_s": "tokens/s",
    "j_per_token": "J/token",
}

WORDS = {"batch": "sequences"}


def calibration(result: Calibration) -> RenderableType:
    """Coefficients with their standard errors, and how far the fit is from the rows."""
    what = "iteration" if result["kind"] == "iterations" else "point"
    what += "s" * (result["rows"] != 1) + " of a server" * (result["kind"] != "iterations")
    whose = " on ".join(name for name in (result["model"], result["gpu"]) if name is not None)
    experts = f", {result['top_k']} of {result['experts']} experts" if result["experts"] else ""
    head = f"{result['rows']:,} {what}" + (f" of {whose}" if whose else "") + f", tp {result['tp']}{experts}"
    reach = ", ".join(
        f"{value:,.0f} {WORDS.get(name, name.replace('_', ' '))}" for name, value in result["up_to"].items()
    )
    parts: list[RenderableType] = [Text(head, style="bold"), Text(f"measured up to {reach}", style="dim")]
    parts += [Text(f"note: {note}", style="yellow") for note in result["notes"]]
    parts += [_coefficients(result), Text(), _errors(result)]
    if result["left_out"]:
        parts.append(
            Text(
                f"\n{result['left_out']:,} rows left out: they need more than {result['kv_capacity_tokens']:,} cached "
                "tokens, which the memory does not hold",
                style="yellow",
            )
        )
    if result["kv_capacity_tokens"] is None:
        parts.append(Text("\nKV capacity not given: memory has no limit (--kv-capacity-tokens N)", style="yellow"))
    if result["coefficients"]["p0_w_per_gpu"]["how"] == "not measured":
        parts.append(
            Text("\nno energy readings: every request will cost 0 J (--base PROFILE, or --fix)", style="yellow")
        )
    if result["not_determined"]:
        names = ", ".join(result["not_determined"])
        parts.append(Text(f"\nnot determined by these measurements: {names}", style="bold yellow"))
    if result["measure_next"]:
        parts.append(Text(f"measure next: {'; '.join(result['measure_next'])}", style="yellow"))
    return Group(*parts)


def _coefficients(result: Calibration) -> RenderableType:
    table = Fitting(("coefficient", "how", "value", "± error"), spare=("± error",), left=2)
    for name, c in result["coefficients"].items():
        if not result["experts"] and name in ("ae_s", "se"):
            continue
        value = "-" if c["value"] is None else f"{c['value']:.5g}"
        error = "" if c["standard_error"] is None else f"{c['standard_error']:.2g}"
        text = f"{c['how']}: {c['why']}" if c["why"] else c["how"]
        style = "yellow" if c["how"] == "not determined" else "dim" if c["how"] != "fitted" else ""
        table.add_row(name, text, value, error, style=style)
    return table


def _errors(result: Calibration) -> RenderableType:
    names = [n for n in READINGS if n in result["errors"][0]]
    table = Fitting(["error, % (mean / worst)", "rows", *(READINGS[n] for n in names)])
    for e in result["errors"]:
        cells = [f"{100 * e[n]['mape']:.1f} / {100 * e[n]['worst']:.1f}" for n in names]
        table.add_row(e["region"], f"{e['rows']:,}", *cells)
    return table
