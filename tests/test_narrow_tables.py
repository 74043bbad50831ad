"""Which columns of each table go below first where a terminal is too narrow, and which name its rows."""

from types import SimpleNamespace

import pytest
from runs import summary_by_hand, tenant_by_hand
from test_evidence_words import REPLAYED, paper, verified
from test_hardware_words import fitted
from test_plan_words import judged, of, plan
from test_report_tables import CONVERGED, FIRST, SECOND
from test_run_lines import CHECKED
from test_run_words import EXPLAINED
from test_terminal_tables import replicated, swept

from messsim.report.base.tables import Fitting
from messsim.report.compare.comparison import _differences, _latency, _promise, _shares
from messsim.report.compare.fleets import fleet_tables
from messsim.report.convergence import convergence_table
from messsim.report.hardware.calibration import calibration
from messsim.report.hardware.profiles import profile_list
from messsim.report.logs.replay import replayed
from messsim.report.plan.answer import _frontier
from messsim.report.reproduce.paper import paper_tables
from messsim.report.run import checklist, live
from messsim.report.run.explanation import explanation
from messsim.report.run.summary import _latencies, _models, _tenants
from messsim.report.study.points import sweep_table
from messsim.report.study.replications import replication_table
from messsim.report.study.requirements import requirement_table
from messsim.report.verification import verification
from messsim.zoo import select_profiles

SUMMARY = summary_by_hand(tenants=[tenant_by_hand("a"), tenant_by_hand("b")])
FLEETS = {"scenario": "s", "requirements": [], "unit": "USD/h", "cost_unit": "J", "replications": 5, "policies": []}
REQUIREMENTS = ["cost.per_request<3", "latency_s.ttft.p95<2", "sla.satisfaction>=0.5"]
PLAN = plan(of(5.0, *[judged() for _ in REQUIREMENTS]), requirements=REQUIREMENTS)


def first_table(renderable):
    """Its first with more columns than the rows' names and one."""
    parts = getattr(renderable, "renderables", [renderable])
    return next(p for p in parts if isinstance(p, Fitting) and len(p._columns) > p._left + 1)


@pytest.mark.parametrize(
    ("table", "names", "below"),
    [
        (_promise([FIRST], "J", 5), 1, "unexplored, worst window, x statistical, short by"),
        (_latency([FIRST]), 1, "energy, TTFT p50, end-to-end p50, TTFT p99, end-to-end p99"),
        (_shares([], list("abcdef")), 1, "f, e"),
        (_differences([FIRST, SECOND], "J"), 1, "end-to-end p95, TTFT p95"),
        (fleet_tables(FLEETS), 1, "kept"),
        (convergence_table(CONVERGED), 1, "25 %, 75 %"),
        (calibration(fitted()), 2, "± error"),
        (profile_list(select_profiles("8B")), 1, "fit error %, us/token"),
        (replayed(REPLAYED), 1, "cost of exploring, rated"),
        (_frontier(PLAN), 2, f"GPUs, {REQUIREMENTS[2]}, {REQUIREMENTS[1]}"),
        (
            paper_tables(paper()),
            1,
            "x oracle, kept, one model, MJ, MJ with exploring, at the end, published calls, calls 70B/8B/1B",
        ),
        (checklist._models(CHECKED), 1, "output tokens"),
        (checklist._pools(CHECKED), 1, "energy, KV tokens, GPUs"),
        (explanation(EXPLAINED), 2, "Q (alpha - score), V cost"),
        (live._pools(SimpleNamespace(pools=[])), 1, "a replica"),
        (_models(SUMMARY), 1, "energy, utilisation, answered"),
        (_latencies(SUMMARY), 1, "p90, p50"),
        (_tenants(SUMMARY), 1, "TTFT p95, answered, certificate"),
        (requirement_table([]), 1, "to spare"),
        (replication_table(replicated()), 1, "runs, ±"),
        (sweep_table(swept(), []), 2, "cost.per_request (USD/1,000 requests), runs"),
        (verification(verified({})), 1, "bias, half-width, from, to"),
    ],
)
def test_the_first_to_go_below_are_those_that_say_least(table, names, below):
    made = first_table(table)
    assert (", ".join(made._columns[i] for i in made._spare), made._left) == (below, names)
