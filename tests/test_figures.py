"""Figures by path, requirements on them, and summaries as rows."""

import json

import pytest
from builders import model, scenario
from hypothesis import given
from hypothesis import strategies as st

from messsim.errors import ScenarioError, SimulationError
from messsim.results.figures import Requirement, figures, full_path, look_up
from messsim.scenario import parse
from messsim.study.runs.rows import column_of, failed_row, frame_of, row_of
from messsim.study.runs.summaries import summary_of
from messsim.wording import half_width

SUMMARY = {
    "scenario": "x",
    "sla": {"satisfaction": 0.58, "certificate": None},
    "models": [{"name": "8b", "share": 0.25}, {"name": "llama-3.1", "share": 0.75}],
    "latency_s": {"ttft": {"p95": 2.0}},
    "pairs": [[1, 2]],
}


def test_every_value_has_a_path():
    assert figures(SUMMARY) == {
        "scenario": "x",
        "sla.satisfaction": 0.58,
        "sla.certificate": None,
        "models.8b.share": 0.25,
        "models.llama-3.1.share": 0.75,
        "latency_s.ttft.p95": 2.0,
        "pairs.0.0": 1,
        "pairs.0.1": 2,
    }


@pytest.mark.parametrize("path", ["models.llama-3.1.share", 'models."llama-3.1".share', ' "models".llama-3.1.share'])
def test_quotes_may_be_left_out(path):
    assert look_up(path, figures(SUMMARY)) == 0.75


def test_names_may_have_quotes_of_their_own():
    known = figures({"models": [{"name": 'the "8b"', "share": 0.25}, {"name": "8b", "share": 0.75}]})
    path = 'models.the "8b".share'
    assert [look_up(p, known) for p in (path, "models.8b.share", 'models."8b".share')] == [0.25, 0.75, 0.75]
    assert full_path(path, known) == path
    requirement = Requirement.parse(f"{path}<0.5", known)
    assert (requirement.path, requirement.judge(known)["met"]) == (path, True)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("latency.ttft.p95", "latency.ttft.p95: no such figure; did you mean 'latency_s.ttft.p95'?"),
        ("ttfft.p95", "ttfft.p95: no such figure; did you mean 'latency_s.ttft.p95'?"),
        ("models.70b.share", "models.70b.share: no such figure; did you mean 'models.8b.share'?"),
        ("models", "models: no such figure; it has models.8b.share, models.llama-3.1.share"),
        ("zebra", "zebra: no such figure; expected a path such as 'sla.satisfaction'"),
        ("scenario", "scenario: is the text 'x'; expected a figure"),
    ],
)
def test_a_path_that_leads_nowhere_is_told_with_the_nearest(path, message):
    with pytest.raises(ScenarioError) as error:
        look_up(path, figures(SUMMARY))
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("text", "met", "margin", "reason"),
    [
        ("sla.satisfaction>=0.58", True, 0.0, None),
        ("sla.satisfaction > 0.58", False, 0.0, "is 0.58 exactly"),
        ("sla.satisfaction>=0.6", False, 0.58 - 0.6, "is 0.58, 0.02 (3.3 %) too little"),
        ("latency_s.ttft.p95<2", False, 0.0, "is 2 exactly"),
        ("latency_s.ttft.p95<=2", True, 0.0, None),
        ("latency_s.ttft.p95<1.5", False, -0.5, "is 2, 0.5 (33 %) too much"),
        ("latency_s.ttft.p95<=2.5", True, 0.5, None),
        ("pairs.0.1==2", True, 0.0, None),
        ("pairs.0.1==0", False, -2.0, "is 2, 2 off"),
    ],
)
def test_a_requirement_says_by_how_much(text, met, margin, reason):
    verdict = Requirement.parse(text).judge(figures(SUMMARY))
    assert (verdict["met"], verdict["margin"], verdict["reason"]) == (met, margin, reason)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, "0"), (0.01234, "0.012"), (99.4, "99"), (99.6, "100"), (137.2, "137"), (2345.6, "2,346")],
)
def test_half_of_an_interval_has_no_exponent(value, expected):
    assert half_width(value) == expected


def test_no_figure_is_a_failure_with_a_reason():
    verdict = Requirement.parse("sla.certificate>=0").judge(figures(SUMMARY))
    assert (verdict["value"], verdict["met"], verdict["margin"]) == (None, False, None)
    assert verdict["reason"].startswith("the run has no such figure (null)")


@pytest.mark.parametrize(
    "text", ["", "sla.satisfaction", ">=2", "a=2", "a>=", "a>=b", "a>=nan", "a<inf", "a<1 2", "a=>2"]
)
def test_what_is_no_requirement_is_refused(text):
    with pytest.raises(ScenarioError, match=r"^requirement '") as error:
        Requirement.parse(text)
    assert "such as 'sla.satisfaction>=0.6'" in str(error.value)


@given(st.sampled_from(["<", "<=", ">", ">=", "=="]), st.integers(-3, 3), st.integers(-3, 3))
def test_a_requirement_is_what_python_says(operator, value, bound):
    requirement = Requirement.parse(f"x{operator}{bound}")
    assert requirement.met_by(value) == eval(f"{value} {operator} {bound}")
    assert Requirement.parse(str(requirement)) == requirement


# ---- rows -----------------------------------------------------------------------------------------------


def test_a_row_has_the_point_and_every_figure():
    parsed = parse(scenario(requests=30, seed=7, replication=2, models=[model("a.b", 0.4), model("c", 0.8)]))
    summary = summary_of(parsed)
    row = row_of(parsed, summary, {"router.V": 1e-3, "tokens.prompt": {"kind": "constant", "tokens": 5}})
    assert list(row)[:6] == ["router.V", "tokens.prompt", "policy", "seed", "replication", "error"]
    assert (row["router.V"], json.loads(row["tokens.prompt"])) == (1e-3, {"kind": "constant", "tokens": 5})
    assert (row["policy"], row["seed"], row["replication"], row["error"]) == ("mess+", 7, 2, None)
    assert row["sla_satisfaction"] == summary["sla"]["satisfaction"]
    assert row["latency_s_ttft_p95"] == summary["latency_s"]["ttft"]["p95"]
    assert row[column_of("models.a.b.share")] == summary["models"][0]["share"]
    assert not [name for name in row if name.startswith(("performance", "accuracy"))]
    assert row_of(parsed, summary_of(parsed)) == {
        k: v for k, v in row.items() if k not in ("router.V", "tokens.prompt")
    }


def test_a_frame_holds_rows_of_different_columns():
    parsed = parse(scenario())
    rows = [
        {"k": 1, "kind": "x", "policy": "p", "error": None, "never": None, "big": 2**53},
        {"k": 0.5, "kind": 2, "policy": "p", "error": None, "never": None, "big": 1, "late": True},
        failed_row(parsed, SimulationError("no"), {"k": 2}),
    ]
    frame = frame_of(rows)
    assert frame["k"].to_list() == [1.0, 0.5, 2.0]
    assert frame["kind"].to_list() == ["x", "2", None]
    assert frame["error"].to_list() == [None, None, "no"]
    assert frame["big"].to_list() == [2**53, 1, None]
    assert frame["late"].to_list() == [None, True, None]
    assert str(frame["never"].dtype) == "Float64"
    assert frame_of(rows[:2])["error"].dtype == frame["error"].dtype
