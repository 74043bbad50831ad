"""What a challenge says on the terminal and on its page, of one made up by hand."""

import dataclasses

import pytest
from runs import cells, shown

from messsim.report.challenge.tables import _columns, _headline, challenge_page, challenge_tables, compliance, quote
from messsim.shapes.challenge import Cell, Challenge, Standing

CELL = Cell("late", "a", 2, 2, 1500.0, 2, 0.75, 1.0, 0.0025, 1.25, 2.5, 1.5, "")
FIRST = Standing("a", 4, 4, 1.25, 1.25, 1.0, 1.5, None, None, None)
SECOND = Standing("b", 3, 4, None, 1.75, 1.5, 2.0, 0.5, 0.25, 0.75)


def cell(**changes):
    return dataclasses.replace(CELL, **changes)


def challenge(**changes):
    data = Challenge(
        version="1.2",
        scenarios_sha256="0123456789abcdef",
        policies_sha256={},
        seed=7,
        replications=2,
        conditions=["late", "none"],
        requests={"late": 100, "none": 100},
        alphas={"late": 0.6, "none": 0.5},
        cost_units={"late": "USD", "none": "J"},
        policies=["a", "b"],
        standings=[FIRST, SECOND],
        cells=[cell(policy="b", rank=2.0), CELL],
    )
    return dataclasses.replace(data, **changes)


# ---- cells ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "1,500"),
        ({"compliant": 1}, "1,500 (1 of 2)"),
        ({"compliant_from": 0.0}, "0"),
        ({"compliant_from": None, "compliant": 0}, "never"),
    ],
)
def test_from_when_the_promise_holds(changes, text):
    assert compliance(cell(**changes)) == text


def test_costs_are_in_the_unit_of_their_heading():
    assert _columns([CELL], "USD")["USD/1,000 requests"](CELL) == "2.5"
    assert _columns([CELL], "J")["J/request"](cell(cost=12.5)) == "12.5"
    assert _columns([CELL], "J")["J/request"](cell(cost=None)) == "-"


@pytest.mark.parametrize(
    ("answered", "is_shown"), [([1.0, 1.0], False), ([1.0, None], False), ([1.0, 0.99], True), ([0.5, 0.5], True)]
)
def test_who_answers_all_is_not_told(answered, is_shown):
    columns = _columns([cell(answered=share) for share in answered], "J")
    assert ("answered" in columns) is is_shown
    assert list(columns)[:3] == ["kept", "kept from", "satisfied"]


# ---- the terminal ---------------------------------------------------------------------------------------


def test_tables_have_the_standings_and_each_condition_by_rank():
    made = cells(challenge_tables(challenge()))
    assert made[0] == ["messsim 1.2, challenge of 2 conditions 0123456789ab, replications 0 to 1 of seed 7"]
    assert made[1] == ["policy", "mean rank", "against a", "promise kept", "x oracle"]
    assert made[2] == ["a", "1.25 ± 0.25", "-", "4 of 4", "1.25"]
    assert made[3] == ["b", "1.75 ± 0.25", "+0.50 ± 0.25", "3 of 4", "-"]
    late = made.index(["late, 60.0 %", "kept", "kept from", "satisfied", "USD/1,000 requests", "x oracle", "e2e p95",
                       "rank"])  # fmt: skip
    assert made[late + 1] == ["a", "2 of 2", "1,500", "75.0 %", "2.5", "1.25", "2.5 s", "1.5"]
    assert made[late + 2][0] == "b"
    assert made[late + 3][0] == "none, 50.0 %"
    assert made[-1] == ["± is half of a 95 % interval over 2 replications"]


def test_one_replication_is_a_quick_look():
    alone = [
        dataclasses.replace(FIRST, rank_low=None, rank_high=None),
        dataclasses.replace(SECOND, rank_low=None, rank_high=None, low=None, high=None),
    ]
    text = shown(challenge_tables(challenge(replications=1, standings=alone)))
    assert "A quick look, of one replication" in text
    assert "±" not in text
    assert ["b", "1.75", "+0.50", "3 of 4", "-"] in cells(challenge_tables(challenge(replications=1, standings=alone)))


def test_failures_stand_below_their_condition():
    text = shown(challenge_tables(challenge(cells=[CELL, cell(policy="b", error="it divides by zero")])))
    assert "\nb failed: it divides by zero\n" in text
    assert "a failed" not in text


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"replications": 1}, "challenge of 2 conditions 0123456789ab, replication 0 of seed 7"),
        ({"conditions": ["late"]}, "challenge of 1 condition 0123456789ab, replications 0 to 1 of seed 7"),
        ({"seed": None}, "0123456789ab, replications 0 to 1"),
        ({"policies_sha256": {"own.py": "fedcba9876543210"}}, " of seed 7, own.py fedcba987654"),
    ],
)
def test_a_line_to_cite_it_by(changes, text):
    assert quote(challenge(**changes)).endswith(text)


# ---- the page -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "changes", "text"),
    [
        (["a"], {}, "a has the best mean rank, 1.25 of 2"),
        (["a", "b"], {"policies": ["a", "b", "c"]}, "a, b share the best mean rank, 1.25 of 3"),
        (["a", "b"], {}, "No policy's mean rank is apart from the best, a's 1.25 of 2"),
        (["a"], {"replications": 1}, "A quick look at 2 policies: one replication does not tell who is best"),
    ],
)
def test_the_headline_says_as_much_as_intervals_do(first, changes, text):
    assert _headline(challenge(**changes), first) == text


def test_the_page_names_who_always_keeps_the_promise():
    page = challenge_page(challenge())
    assert page.verdict == "1 of 2 policies keep the promise in every run: a."
    assert [(t.name, t.value, t.note) for t in page.tiles] == [
        ("a", "1.25", "kept in 4 of 4 runs"),
        ("b", "1.75", "kept in 3 of 4 runs"),
    ]
    assert page.notes == []
    (conditions,) = (s for s in page.sections if s.title == "Condition by condition")
    assert [t.caption for t in conditions.tables] == ["late: 60.0 % promised"], "of the other there are no runs"
    assert [row[0] for row in conditions.tables[0].rows] == ["a", "b"]
    none = challenge_page(challenge(standings=[SECOND], policies=["b"]))
    assert none.verdict == "0 of 1 policies keep the promise in every run."


@pytest.mark.parametrize(
    ("second", "headline"),
    [
        ({"rank_low": 1.6}, "a has the best mean rank, 1.25 of 2"),
        ({"rank_low": 1.5}, "No policy's mean rank is apart from the best, a's 1.25 of 2"),
        ({"rank_low": None, "rank_high": None}, "No policy's mean rank is apart from the best, a's 1.25 of 2"),
    ],
)
def test_who_is_first_on_the_page_are_all_whose_intervals_reach_the_best(second, headline):
    standings = [FIRST, dataclasses.replace(SECOND, **second)]
    assert challenge_page(challenge(standings=standings)).headline == headline


def test_the_page_of_a_quick_look_has_no_tiles_and_says_so():
    page = challenge_page(challenge(replications=1, cells=[cell(error="gone")]))
    assert page.tiles == []
    assert page.notes[0].startswith("A quick look, of one replication")
    assert page.notes[1:] == ["a failed under late: gone"]
