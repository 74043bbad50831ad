"""What the report of one run says."""

from __future__ import annotations

import numpy as np

from messsim.plot import FIGURES
from messsim.plot.charts.latency import NAMES, latency, latency_in_time
from messsim.plot.charts.replicas import changes_size
from messsim.plot.figure import Figure, Run
from messsim.plot.marks import Marks
from messsim.plot.parts import time_unit
from messsim.plot.pools import caches
from messsim.shapes.checks import Worth
from messsim.summary import Summary, TenantSummary
from messsim.wording import number, percent, seconds

from ..base.page import Page, Section, Table
from .tiles import tiles_of
from .verdict import verdict
from .worth import bounds_of, sentences_of

__all__ = ["run_page"]

MOST_EVENTS = 50
EXPECTED = "Expected costs compare with one another, not with what this run spent: in them nothing idles."


def run_page(
    run: Run,
    *,
    scenario: str,
    policy: str,
    marks: Marks,
    notes: list[str],
    worth: Worth | None = None,
) -> Page:
    """The report of a run.

    Parameters
    ----------
    run
        Its results.
    scenario
        The resolved scenario, as TOML.
    policy
        Name of the router's policy.
    marks
        Phases and failures.
    notes
        What the scenario deserved to be told.
    worth
        What routing can save (`messsim.study.simulation.worth`); None where it is not known any more.
    """
    summary = run.summary
    judged = verdict(summary)
    replication = f", replication {summary['replication']}" if summary["replication"] else ""
    return Page(
        title=summary["scenario"],
        subtitle=f"Report of one run: {_requests(summary)}, policy {policy}, seed {summary['seed']}{replication}",
        kept=judged.kept,
        headline={True: "Promise kept", False: "Promise missed", None: "No answers"}[judged.kept],
        verdict=f"{_capital(judged.text)}." + ("" if judged.kept is None else f" {_since(run)}"),
        tiles=tiles_of(summary),
        notes=notes,
        sections=_sections(run, scenario, marks, worth),
        footer=_footer(summary),
    )


def _since(run: Run) -> str:
    first = run.summary["sla"]["time_to_compliance"]
    so_far = "Satisfaction so far" + (", of all tenants together," if len(run.summary["tenants"]) > 1 else "")
    if first is None:
        return f"{so_far} was below the promise to the end."
    if first == 0:
        return f"{so_far} was never below the promise."
    time_s = float(np.interp(first, run.timeline["request"].to_numpy(), run.timeline["time_s"].to_numpy()))
    unit, size = time_unit(time_s)
    return f"{so_far} keeps the promise for good from request {first:,} on, {time_s / size:.3g} {unit} into the run."


def _sections(run: Run, scenario: str, marks: Marks, worth: Worth | None) -> list[Section]:
    summary = run.summary
    sections = [
        Section(
            "convergence",
            "Does the promise hold?",
            "Satisfaction so far against the promise, the bound that no traffic can break, and what is owed.",
            [FIGURES["satisfaction"](run, marks=marks), FIGURES["queue"](run, marks=marks)],
            wide=True,
        ),
        Section("cost", "What does it cost?", figures=[FIGURES["cost"](run, marks=marks)]),
        Section("answers", "Who answered?", figures=[FIGURES["answers"](run, marks=marks)]),
    ]
    if worth is not None:
        bounds = Table(
            "Least cost of an answer, by what whoever chooses knows", ["who chooses", "at least"], bounds_of(worth)
        )
        names = tuple(m["name"] for m in summary["models"])
        text = ". ".join(s if s.startswith(names) else _capital(s) for s in sentences_of(worth, [])) + f". {EXPECTED}"
        sections.append(Section("worth", "Can routing pay here?", text, tables=[bounds]))
    if len(summary["tenants"]) > 1:
        charts = [FIGURES["tenants"](run, marks=marks)]
        sections.append(Section("tenants", "Each tenant", figures=charts, tables=_objectives(summary["tenants"])))
    if drawn := [which for which in NAMES if summary["latency_s"][which]["mean"] is not None]:
        charts = [latency(run, which=which) for which in drawn] + [latency_in_time(run, marks)]
        sections.append(Section("latency", "How long do answers take?", figures=charts))
    if tables := _conversations(summary):
        title = "Conversations and caches" if summary.get("sessions") is not None else "Caches"
        sections.append(Section("sessions", title, tables=tables))
    if summary["pools"]:
        sections.append(Section("load", "Load and energy", figures=_load(run, marks)))
    if marks.phases or marks.outages:
        sections.append(Section("events", "Phases and failures", tables=_events(marks)))
    sections.append(Section("scenario", "The scenario", tables=_provenance(summary), verbatim=scenario))
    return sections


def _conversations(summary: Summary) -> list[Table]:
    """Sessions, and what prefix caches held, where there are any."""
    rows = []
    if (sessions := summary.get("sessions")) is not None:
        rows += [
            ["conversations", f"{sessions['begun']:,}"],
            ["turns that were sent", f"{sessions['turns']:,}"],
            ["turns that were not, of conversations that ended before", f"{sessions['turns_not_sent']:,}"],
        ]
    cache = summary["cache"]
    if cache["hit_rate"] is not None:
        rows += [
            ["prompt tokens that were in a cache", percent(cache["hit_rate"])],
            ["their number", number(cache["cached_prompt_tokens"])],
        ]
    caption = "What turns share" if sessions is not None else "What requests share"
    return [Table(caption, ["figure", "of this run"], rows)] if rows else []


def _objectives(tenants: list[TenantSummary]) -> list[Table]:
    """Goodput by tenant, where any has latency objectives."""
    rows = [
        [
            t["name"],
            *(seconds(slo[k]) for k in ("ttft_s", "tpot_s", "e2e_s")),
            percent(slo["attainment"]),
            number(slo["goodput_rps"]),
        ]
        for t in tenants
        if (slo := t["slo"])["attainment"] is not None
    ]
    columns = ["tenant", "TTFT", "TPOT", "end to end", "kept all", "goodput, requests/s"]
    return [Table("Requests that were answered within all objectives of their tenant", columns, rows)] if rows else []


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def _load(run: Run, marks: Marks) -> list[Figure]:
    draws = any(p["energy_j"] or p["idle_energy_j"] for p in run.summary["pools"])
    wanted = {"load": True, "replicas": changes_size(run), "power": draws, "hits": caches(run)}
    return [FIGURES[name](run, marks=marks) for name, shown in wanted.items() if shown]


def _events(marks: Marks) -> list[Table]:
    tables = []
    if marks.phases:
        rows = [[p.name, "-" if p.request is None else f"{p.request:,}", _begins(p.time_s)] for p in marks.phases]
        tables.append(Table("Phases", ["phase", "from request", "from time"], rows))
    if marks.outages:
        down = [
            [f"{o.pool}, {o.replica}", seconds(o.from_s), seconds(o.to_s - o.from_s), "plan" if o.planned else "chance"]
            for o in marks.outages[:MOST_EVENTS]
        ]
        more = len(marks.outages) - len(down)
        caption = f"Replicas that were down (the first {len(down)} of {len(marks.outages)})" if more else (
            "Replicas that were down"
        )  # fmt: skip
        tables.append(Table(caption, ["replica", "from", "for", "by"], down))
    return tables


def _begins(time_s: float | None) -> str:
    if time_s is None:
        return "-"
    return seconds(time_s) if time_s else "the start"


def _provenance(summary: Summary) -> list[Table]:
    provenance = summary.get("provenance")
    if not provenance:
        return []
    rows = [["messsim", provenance["messsim"]], ["Python", provenance["python"]]]
    rows += [[name, version] for name, version in provenance["packages"].items()]
    rows += [["machine", f"{provenance['platform']}, {provenance['cpus']} CPUs"]]
    rows += [[file, f"SHA-256 {digest}"] for file, digest in provenance["data"].items()]
    return [Table("Made with", ["made with", "version"], rows, words=True)]


def _requests(summary: Summary) -> str:
    arrived = summary["requests"]["arrived"]
    return f"{arrived:,} request{'s' * (arrived != 1)}"


def _footer(summary: Summary) -> str:
    spent = summary["performance"]
    return (
        f"messsim {summary['version']}, {summary['engine']} engine: {_requests(summary)} "
        f"simulated in {seconds(spent['wall_s'])}. The same scenario, seed and version give the same figures."
    )
