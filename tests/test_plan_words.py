"""A plan in words: on the terminal and on its page, of answers that are made by hand."""

import pytest
from runs import cells, shown

from messsim.report.plan import page
from messsim.report.plan.answer import (
    _around,
    _counts,
    _frontier,
    answer,
    best_so_far,
    cluster,
    left_out,
    plan_command,
    plan_tables,
)
from messsim.report.plan.page import (
    _clusters,
    _command,
    _how_judged,
    _misses,
    _required,
    _rest,
    _rest_title,
    _spread,
    _tiles,
)
from messsim.report.plan.words import bound_in_words, figure_in_words, name_of


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("latency_s.ttft.p95", "TTFT, 95th percentile"),
        ("latency_s.tpot.p50", "TPOT, median"),
        ("latency_s.e2e.mean", "end-to-end latency, mean"),
        ('latency_s."queueing".p99', "queueing time, 99th percentile"),
        ("latency_s.other.p99", "latency_s.other.p99"),
        ("sla.satisfaction", "answers that satisfy"),
        ("cost.gpus", "GPUs"),
        ("energy.total_j", "energy, J"),
        ("models.8b.share", "models.8b.share"),
    ],
)
def test_figures_have_names(path, name):
    assert name_of(path) == name


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("latency_s.ttft.p95", 0.25, "250 ms"),
        ("tenants.gold.latency_s.ttft.p95", 2.0, "2 s"),
        ("performance.wall_s", 90.0, "90 s"),
        ("sla.satisfaction", 0.6, "60.00 %"),
        ('models."8b".share', 0.25, "25.00 %"),
        ("pools.p.utilization", 0.5, "50.00 %"),
        ("sla.windows.violation_rate", 0.125, "12.50 %"),
        ("cost.per_request", 0.6, "0.6"),
        ("cost.per_request", None, "-"),
        ("latency_s.ttft.p95", None, "-"),
    ],
)
def test_figures_have_units(path, value, text):
    assert figure_in_words(path, value) == text


@pytest.mark.parametrize(("operator", "sign"), [("<", "<"), ("<=", "≤"), (">", ">"), (">=", "≥"), ("==", "=")])
def test_bounds_have_signs(operator, sign):
    assert bound_in_words("sla.satisfaction", operator, 0.5) == f"{sign} 50.00 %"


# ---- clusters -------------------------------------------------------------------------------------------


def pool(name="8b", replicas=2, gpu="H100", tp=1, **more):
    return {"pool": name, "gpu": gpu, "tp": tp, "replicas": replicas} | more


def judged(mean=1.0, verdict="met", **changes):
    data = {"requirement": "latency_s.ttft.p95<2", "path": "latency_s.ttft.p95", "operator": "<", "bound": 2.0}
    return data | {"mean": mean, "low": 0.5, "high": 1.5, "verdict": verdict, "reason": None} | changes


def of(objective=5.0, *requirements, verdict="met", **changes):
    data = {
        "pools": [pool(), pool("70b", 1, tp=4)],
        "overrides": {'models."8b".replicas': 2, "pools.1.gpu": "H100"},
        "gpus": 1006,
        "objective": objective,
        "verdict": verdict,
        "requirements": list(requirements) or [judged()],
        "replications": 5,
        "figures": {},
    }
    return data | changes


COUNTS = {
    "candidates": 1234,
    "simulated": 12,
    "costlier": 0,
    "too_small": 0,
    "assumed": 0,
    "checked": 0,
    "unchecked": 0,
}


def plan(*clusters, best=None, **changes):
    data = {
        "scenario": "s",
        "status": "met" if best else "failed",
        "objective": "usd",
        "unit": "USD/h",
        "best": best,
        "frontier": list(clusters),
        "clusters": list(clusters),
        "requirements": ["latency_s.ttft.p95<2"],
        "counts": COUNTS,
        "replications": 5,
        "kept_share": 0.9,
        "level": 0.95,
        "assumptions": [],
    }
    return data | changes


@pytest.mark.parametrize(
    ("pools", "text"),
    [
        ([pool()], "8b 2 x H100"),
        ([pool(gpu=None), pool("70b", 1, tp=4)], "8b 2 x GPU, 70b 1 x H100/tp4"),
        ([pool(replicas=0), pool("b")], "8b left out, b 2 x H100"),
        ([pool(replicas=0, most=4)], "8b 0 to 4 x H100"),
        ([pool(replicas=1, most=4, tp=2)], "8b 1 to 4 x H100/tp2"),
    ],
)
def test_what_a_cluster_consists_of(pools, text):
    assert cluster({"pools": pools}) == text


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (
            plan(best=of()),
            "cheapest cluster that keeps every requirement: 8b 2 x H100, 70b 1 x H100/tp4; 5 USD/h",
        ),
        (plan(best=of(20_000.0), unit="J"), "8b 2 x H100, 70b 1 x H100/tp4; 20 kJ"),
        (plan(status="uncertain"), "no cluster surely keeps every requirement, some may: more --seeds would tell"),
        (plan(), "no cluster of these keeps every requirement"),
    ],
)
def test_the_answer_in_a_sentence(made, text):
    assert answer(made).endswith(text)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((None, None, 1, "USD/h"), "best so far: none keeps every requirement; 1 cluster simulated"),
        (({"a": 2, "b": 0}, 5.0, 1234, "USD/h"), "best so far: 2 x a, no b; 5 USD/h; 1,234 clusters simulated"),
        (({"a": 2}, 20_000.0, 2, "J a run"), "best so far: 2 x a; 20 kJ a run; 2 clusters simulated"),
    ],
)
def test_the_best_while_a_plan_goes_on(arguments, text):
    assert best_so_far(*arguments).plain == text


def test_the_command_of_the_answer_may_be_pasted():
    assert plan_command(of(), ["messsim", "run", "my file"]) == (
        """messsim run 'my file' --set 'models."8b".replicas=2' --set 'pools.1.gpu="H100"'"""
    )


def test_the_frontier_has_a_column_a_pool_and_a_requirement():
    best = of(5.0, judged(), gpus=1006)
    other = of(6.0, judged(None), verdict="failed")
    assert cells(_frontier(plan(best, other, best=best))) == [
        ["8b", "70b", "GPUs", "USD/h", "latency_s.ttft.p95<2", "verdict"],
        ["2 x H100", "1 x H100/tp4", "1,006", "5", "1 ± 0.5", "met"],
        ["2 x H100", "1 x H100/tp4", "1,006", "6", "-", "failed"],
    ]
    energy = cells(_frontier(plan(of(20_000.0), unit="J")))
    assert (energy[0][3], energy[1][3]) == ("energy", "20 kJ")
    assert shown(_frontier(plan())) == "every cluster that was simulated stopped with an error"


@pytest.mark.parametrize(
    ("many", "best", "first", "last"),
    [
        (5, 0, 0, 4),
        (12, 11, 0, 11),
        (13, 0, 0, 11),
        (30, 6, 0, 11),
        (30, 7, 1, 12),
        (30, 29, 18, 29),
        (30, None, 18, 29),
    ],
)
def test_the_frontier_is_a_window_of_twelve_around_the_best(many, best, first, last):
    clusters = [of(float(k)) for k in range(many)]
    window = _around(clusters, None if best is None else clusters[best])
    assert (window[0]["objective"], window[-1]["objective"]) == (first, last)
    assert len(window) == min(many, 12)


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ({}, ""),
        ({"costlier": 1234}, "1,234 cost no less"),
        (
            {"costlier": 1, "too_small": 2, "assumed": 3},
            "1 cost no less, 2 too small for the load, 3 by assumption",
        ),
    ],
)
def test_what_was_left_out(counts, text):
    assert left_out(COUNTS | counts) == text


HOW = (
    "a requirement on satisfaction is met where 90 % of the replications keep to it, any other only if its whole 95 % "
    "interval does"
)


def test_how_many_clusters_were_simulated():
    text = _counts(plan(of())).plain.splitlines()
    assert text == ["12 of 1,234 clusters simulated, 5 replications each on the same requests", HOW]
    once = [of(replications=1), of(replications=5), of(replications=4)]
    text = _counts(plan(*once, counts=COUNTS | {"assumed": 3})).plain.splitlines()
    assert text[0].endswith(
        "requests (2 of them 1: what they missed in it others cannot make up for); left out: 3 by assumption"
    )


def test_the_tables_of_a_plan():
    best = of()
    text = shown(plan_tables(plan(best, best=best, assumptions=["first", "second"]))).splitlines()
    assert text[0].startswith("cheapest cluster that keeps")
    assert text[-2:] == ["- first", "- second"]
    assert len(text) == 9


# ---- the page -------------------------------------------------------------------------------------------

RENT = judged(10.0, path="cost.rent_usd_per_hour", operator="<=", bound=12.0, low=-1.0, high=21.0)


def test_tiles_are_price_gpus_and_requirements():
    made = [(t.name, t.value, t.note) for t in _tiles(plan(best=of(5.0, judged(), RENT)))]
    assert made == [
        ("Price of all GPUs", "5 USD/h", ""),
        ("GPUs", "1,006", ""),
        ("TTFT, 95th percentile", "1 s", "required < 2 s"),
        ("Rent, USD/h", "10", "required ≤ 12"),
    ]
    energy = _tiles(plan(best=of(20_000.0), unit="J", objective="energy"))[0]
    assert (energy.name, energy.value) == ("Energy of a run", "20 kJ")
    none = _tiles(plan(of(5.0, judged(), RENT)))
    assert [(t.name, t.value) for t in none] == [
        ("Required", "TTFT, 95th percentile < 2 s"),
        ("Required", "rent, USD/h ≤ 12"),
    ]
    assert _tiles(plan()) == []


def test_the_command_stands_open_where_there_is_an_answer():
    (section,) = _command(of())
    assert section.shown
    assert section.verbatim == """messsim run scenario.toml --set 'models."8b".replicas=2' --set 'pools.1.gpu="H100"'"""
    assert _command(None) == []


@pytest.mark.parametrize(
    ("verdict", "text"),
    [
        (judged(), "1 s (500 ms to 1.5 s)"),
        (judged(low=-0.5), "1 s (0 ms to 1.5 s)"),
        (judged(low=None), "1 s"),
        (judged(high=None), "1 s"),
        (judged(None), "-"),
        (judged(0.97, path="slo.attainment", low=0.9, high=1.06), "97.00 % (90.00 % to 100.00 %)"),
        (judged(0.97, path="sla.satisfaction_rated", low=0.9, high=1.06), "97.00 % (90.00 % to 100.00 %)"),
        (judged(0.97, path="cache.hit_rate", low=0.9, high=1.06), "97.00 % (90.00 % to 100.00 %)"),
        (judged(0.97, path="sla.windows.worst", low=0.9, high=1.06), "97.00 % (90.00 % to 100.00 %)"),
        (judged(0.1, path="sla.certificate", low=-0.2, high=1.06), "10.00 % (-20.00 % to 100.00 %)"),
        (RENT, "10 (0 to 21)"),
        (judged(-1.0, path="sla.margin", low=-2.0, high=0.5), "-1 (-2 to 0.5)"),
        (judged(0.0, path="sla.margin", low=-2.0, high=2.0), "0 (0 to 2)"),
    ],
)
def test_a_figure_has_the_ends_of_its_interval(verdict, text):
    assert _spread(verdict) == text


LATE, RENTED = "TTFT, 95th percentile < 2 s", "rent, USD/h ≤ 12"


@pytest.mark.parametrize(
    ("requirements", "text"),
    [
        ([judged()], "nothing"),
        ([judged(verdict="failed")], LATE),
        ([judged(verdict="uncertain")], f"perhaps {LATE}"),
        ([judged(verdict="uncertain"), RENT | {"verdict": "failed"}], f"{RENTED}, perhaps {LATE}"),
        ([judged(None, "failed", reason="stopped")], f"{LATE} (stopped)"),
        (
            [judged(None, "failed", reason="b"), RENT | {"verdict": "failed", "mean": None, "reason": "a"}],
            f"{LATE}, {RENTED} (a; b)",
        ),
        ([judged(3.0, "failed", reason="missed in the first")], LATE),
        ([judged(None, "uncertain", reason="b")], f"perhaps {LATE}"),
    ],
)
def test_what_a_cluster_misses(requirements, text):
    assert _misses(of(5.0, *requirements)) == text
    assert _required(requirements[0]) == LATE


def test_every_cluster_has_a_row():
    best = of(5.0)
    table = _clusters(plan(best, of(None, judged(None, "failed", reason="stopped")), best=best))
    assert table.caption == "Clusters that were simulated, cheapest first"
    assert table.header == ["cluster", "USD/h", "misses", LATE]
    fleet = "8b 2 x H100, 70b 1 x H100/tp4"
    assert table.rows == [
        [f"{fleet} (the answer)", "5", "nothing", "1 s (500 ms to 1.5 s)"],
        [fleet, "-", f"{LATE} (stopped)", "-"],
    ]
    energy = _clusters(plan(of(20_000.0), unit="J"))
    assert (energy.header[1], energy.rows[0][1]) == ("energy of a run", "20 kJ")
    assert _clusters(plan()).header == ["cluster", "USD/h", "misses", "latency_s.ttft.p95<2"]


@pytest.mark.parametrize(("many", "left"), [(200, ""), (201, " (the first 200 of 201)")])
def test_of_many_clusters_the_first_are_shown(many, left):
    table = _clusters(plan(*[of()] * many))
    assert len(table.rows) == 200
    assert table.caption == f"Clusters that were simulated, cheapest first{left}"


def test_the_rest_in_words():
    made = plan(assumptions=["what is assumed"], counts=COUNTS | {"assumed": 3})
    assert _rest(made) == "12 of 1,234 clusters were simulated; left out: 3 by assumption. What is assumed."
    assert _rest(plan()) == "12 of 1,234 clusters were simulated."
    assert _rest_title(plan()) == "The clusters that were not simulated"
    assert _rest_title(plan(counts=COUNTS | {"simulated": 1234})) == "What the answer rests on"
    assert _how_judged(plan()).startswith("A requirement on satisfaction is met where 90 % of the replications keep")
    assert "only if its whole 95 % interval keeps to it" in _how_judged(plan())


def test_a_requirement_has_a_chart_of_every_cluster(monkeypatch):
    drawn = []
    monkeypatch.setattr(page, "against_price", lambda *arguments: drawn.append(arguments) or len(drawn))
    best = of(5.0, judged(), RENT)
    assert page._figures(plan(best, of(6.0, judged(3.0, "failed"), RENT), best=best)) == [1, 2]
    frame, *rest = drawn[0]
    assert rest == ["latency_s.ttft.p95", 2.0, "USD/h", "price of all GPUs", "TTFT, 95th percentile"]
    fleet = "8b 2 x H100, 70b 1 x H100/tp4"
    assert frame.rows() == [(fleet, 5.0, True, 1.0, 0.5, 1.5, "met"), (fleet, 6.0, False, 3.0, 0.5, 1.5, "failed")]
    assert frame.columns == ["cluster", "objective", "answer", "mean", "low", "high", "verdict"]
    assert drawn[1][1:3] == ("cost.rent_usd_per_hour", 12.0)
