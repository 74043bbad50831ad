"""What each page of a report says, section by section, of results made by hand, as `page_texts.txt` has it.

`python tests/test_page_texts.py` writes the file anew: what changes in it was meant to, or is a fault.
"""

import json
from pathlib import Path

import polars as pl
from builders import model, scenario
from runs import WORTH, tenant_by_hand
from test_challenge_words import CELL, cell, challenge
from test_fleets_page import answered, fleets, study
from test_plan_words import judged, of, plan
from test_plot_charts import SIZES, TIMELINE
from test_plot_charts import run as made_run
from test_plot_encodings import curves
from test_plot_furniture import MARKS, ends
from test_report_tables import compared

from messsim.plot.marks import NOTHING
from messsim.report.challenge.tables import challenge_page
from messsim.report.compare.fleets_page import fleets_page
from messsim.report.convergence import convergence_page
from messsim.report.plan.page import plan_page
from messsim.report.run.page import run_page
from messsim.report.study.page import study_page
from messsim.scenario import parse
from messsim.study.groups.grouped import grouped
from messsim.study.runs.rows import column_of

FILE = Path(__file__).parent / "page_texts.txt"
MADE = {"messsim": "1.2", "python": "3.11.7", "packages": {"numpy": "2.0"}, "platform": "Linux", "cpus": 4, "data": {}}
SLO = {"attainment": 0.9, "goodput_rps": 2.5, "ttft_s": 0.5, "tpot_s": None, "e2e_s": 20.0}
CHOICE = {"model": "70b", "per_request": 20.0, "kept": True, "satisfaction": 0.7, "e2e_p95_s": 2.0}
EVENTFUL = {
    "tenants": [
        tenant_by_hand("a", slo=SLO, queue_final=0.5),
        tenant_by_hand("b", satisfaction=0.4, margin=-0.1, queue_final=9.0),
    ],
    "sla.time_to_compliance": None,
    "sla.windows": {"count": 1200, "violation_rate": 0.25, "worst": 0.4},
    "cost.rent_usd_per_hour": 12.5,
    "cost.without_router": {"best_single": CHOICE, "static_mix": CHOICE | {"kept": False, "e2e_p95_s": None}},
    "slo": {"attainment": 0.95, "goodput_rps": 3.5},
    "cache": {"hit_rate": 0.4, "cached_prompt_tokens": 2500},
    "sessions": {"begun": 1200, "turns": 5000, "turns_not_sent": 17},
    "provenance": MADE,
    "replication": 2,
}

NOBODY = {"sla.kept": None, "sla.satisfaction": None, "sla.rated": 0, "pools": [], "requests.completed": 0}
NOBODY |= {"cost.oracle": {"clairvoyant": {"at_own": 5.0}, "statistical": None, "feature": {"at_own": 7.0}}}
NOBODY |= {
    "latency_s": {name: {"mean": None} for name in ("ttft", "tpot", "e2e", "queueing")},
    "cost.per_request": None,
    "energy.j_per_output_token": None,
}

SPREAD = {"p05": 0.1, "p25": 0.2, "p50": 0.3, "p75": 0.4, "p95": 0.5, "mean": 0.35, "low": 0.32, "high": 0.38}
ENDED = dict.fromkeys(("satisfaction", "certificate", "queue", "cost_per_request"), SPREAD)


def of_run(marks=NOTHING, worth=None, notes=(), **changes):
    resized = TIMELINE.with_columns(pl.Series(name, sizes) for name, sizes in SIZES.items())
    run = made_run(resized, **{"requests.completed": 290} | changes)
    return run_page(run, scenario="name = 's'", policy="mess+", marks=marks, notes=list(notes), worth=worth)


def of_study(keys, margins, costs, comparison=None, failed=0, alpha=0.6):
    """Points with runs of these margins to 0.6 and these costs; the last `failed` replications of the last failed."""
    rows = []
    for point, ms, cs in zip(keys, margins, costs, strict=True):
        for r, (m, c) in enumerate(zip(ms, cs, strict=True)):
            row = point | {"policy": point.get("policy", "mess+"), "replication": r, "error": None, "sla_kept": m >= 0}
            row |= {"sla_margin": m, "sla_alpha": 0.6, "sla_satisfaction": 0.6 + m, "cost_per_request": c}
            row |= {"latency_s_ttft_p95": c / 10, column_of("models.small.share"): 0.25}
            rows.append(row | {column_of("models.large.share"): 0.75})
    rows += [rows[-1] | {"replication": 9 + k, "error": f"bad day {k}", "sla_kept": None} for k in range(failed)]
    order = [*keys[0], *(k for k in rows[0] if k not in keys[0])]
    frame = pl.DataFrame(rows, schema_overrides={"error": pl.String}, infer_schema_length=None).select(order)
    if "policy" in keys[0]:
        frame = frame.select("policy", pl.exclude("policy"))
    study_ = grouped(frame, parse(scenario(models=[model("small", 0.4), model("large", 0.8)])))
    return study_page(
        study_.points,
        study_.keys,
        facts={"name": "s", "seed": 3, "cost_unit": "J", "alpha": alpha},
        models=["small", "large"],
        comparison=comparison,
        dearer=study_.dearer,
        failures=study_.failures,
        scenario="name = 's'",
    )


def pages():
    best = of(5.0, judged(), gpus=1006)
    oracle = [{"oracle": "oracle", "cost": 1.0, "satisfaction": 0.7}]
    policies = [{"policy": name} for name in ("mess+", "random", "oracle")]
    kept, apart = [[0.01, 0.011, 0.012]] * 3, [[10.0, 20.0, 30.0], [8.0, 18.0, 28.1], [5.0, 9.0, 11.0]]
    values = [{"router.V": v} for v in (0.1, 1.0, 10.0)]
    return {
        "run": of_run(),
        "run, eventful": of_run(MARKS, WORTH, ["a note"], **EVENTFUL),
        "run, nobody answered": of_run(**NOBODY),
        "compare": of_study(policies, kept, apart, compared() | {"frontier": oracle}),
        "compare, one": of_study(policies[:1], [[-0.01, 0.02]], [[1.0, 2.0]]),
        "sweep": of_study(values, [[0.01, 0.02], [-0.01, 0.02], [-0.01, -0.011]], [[1.0, 2.0]] * 3, failed=2),
        "sweep, one replication": of_study(values[:2], [[-0.01], [-0.02]], [[2.0], [1.0]], alpha=None),
        "plan": plan_page(
            plan(best, of(6.0, judged(None), verdict="failed"), best=best, seed=3), name="s", scenario="x"
        ),
        "plan, none": plan_page(plan(of(6.0, judged(3.0), verdict="failed"), seed=3), name="s", scenario="x"),
        "fleets": fleets_page(
            fleets(**{"mess+": answered(5.0), "random": answered(7.0), "none": plan()}), scenario="x"
        ),
        "challenge": challenge_page(challenge(cells=[CELL, cell(policy="b", error="gone")]), {"late": "Is it late?"}),
        "converge": convergence_page(study(0.95, end=ENDED), curves(), "x", ["a note"]),
        "converge, USD": convergence_page(study(1.0, cost_unit="USD", end=ENDED), curves(), "x", []),
    }


def lines_of(page):
    """A line for everything that a reader sees."""
    yield f"{page.title} | {page.subtitle} | {page.kept}"
    yield f"{page.headline} | {page.verdict}"
    yield from (f"tile {tile.name} | {tile.value} | {tile.note}" for tile in page.tiles)
    yield from (f"note {note}" for note in page.notes)
    for s in page.sections:
        yield f"# {s.id}{' wide' * s.wide}{' shown' * s.shown}: {s.title} | {s.text}"
        for figure in s.figures:
            drawn = "chart" if figure.chart is not None else "no chart"
            yield f"  {drawn} {figure.title}, {figure.height} | {figure.description}"
            yield f"    {figure.note}"
            if figure.table is not None:
                yield f"    {ends(figure.table.to_dicts())}"
        for table in s.tables:
            yield f"  table {table.caption}{' of words' * table.words}{' by key' * table.keyed}"
            yield from (f"    {json.dumps(row, ensure_ascii=False)}" for row in [table.header, *table.rows])
        if s.verbatim:
            yield f"  {s.verbatim}"
    yield page.footer


def text():
    return "\n\n".join("\n".join([f"## {name}", *lines_of(page)]) for name, page in pages().items()) + "\n"


def test_pages_say_what_was_looked_at():
    assert text().splitlines() == FILE.read_text(encoding="utf-8").splitlines()


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
