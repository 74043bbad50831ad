"""Rows of a trace that are turns of one session: order, parents, waits, and what contradicts itself."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from messsim.errors import DataError
from messsim.scenario.arrivals import Columns
from messsim.workload.links import Links
from messsim.workload.prompts import Turns

FILE = Path("trace.jsonl")


def by_session(sessions, delays, unit="s"):
    names = Columns(time="t", session="s", delay="d", delay_format=unit)
    links = Links(names, FILE)
    links.add(pl.DataFrame({"s": sessions, "d": pl.Series(delays, dtype=pl.Float64)}), 0)
    return links


def by_parent(chats, parents, turns=None):
    names = Columns(time="t", chat="c", parent="p", turn=None if turns is None else "n")
    links = Links(names, FILE)
    links.add(pl.DataFrame({"c": chats, "p": parents} | ({} if turns is None else {"n": turns})), 0)
    return links


def listed(turns):
    return [getattr(turns, name).tolist() for name in ("order", "session", "turn", "parent", "wait_s")]


def test_rows_of_no_session_have_no_turns():
    assert Links(Columns(time="t"), FILE).turns(np.array([0.0])) is None


def test_turns_stand_session_by_session_in_order_of_first_turns():
    links = by_session(["b", "a", "b", "a", "c"], [None, None, 2.0, 3.0, None])
    turns, time_s, notes = links.turns(np.array([5.0, 1.0, 99.0, 99.0, 9.0]))
    # a begins at 1 s, b at 5 s, c at 9 s; turns with a delay take the time of the turn before
    assert listed(turns) == [[1, 3, 0, 2, 4], [0, 0, 1, 1, 2], [0, 1, 0, 1, 0], [-1, 0, -1, 2, -1], [0, 3, 0, 2, 0]]
    assert time_s.tolist() == [5.0, 1.0, 5.0, 1.0, 9.0]
    assert notes == []
    assert turns.begins.tolist() == [True, False, True, False, True]
    assert turns.first.tolist() == [0, 0, 2, 2, 4]


def test_a_turn_without_a_delay_comes_at_its_time():
    turns, time_s, _ = by_session(["a", "a", "a"], [None, None, 1.0]).turns(np.array([0.0, 4.0, 0.0]))
    assert time_s.tolist() == [0.0, 4.0, 4.0]
    assert turns.wait_s.tolist() == [0.0, 0.0, 1.0]
    assert turns.turn.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("chats", "parents", "expected"),
    [
        (["003", "4"], ["-1", "3"], [-1, 0]),  # one column has the zeros, the other has not
        (["3", "4"], ["-1", "003"], [-1, 0]),
        (["000", "1"], ["-1", "0"], [-1, 0]),
        (["03", "3", "4"], ["-1", "-1", "3"], [-1, -1, 1]),  # as written first
        (["03", "3", "4"], ["-1", "-1", "003"], [-1, -1, -1]),  # either may be meant
        (["a03", "4"], ["-1", "a3"], [-1, -1]),
    ],
)
def test_parents_are_found_with_zeros_before_them_or_without(chats, parents, expected):
    turns, _, notes = by_parent(chats, parents).turns(np.arange(float(len(chats))))
    assert dict(
        zip(
            turns.order.tolist(),
            (turns.order[turns.parent] * (turns.parent >= 0) - (turns.parent < 0)).tolist(),
            strict=True,
        )
    ) == dict(enumerate(expected))
    assert bool(notes) == (expected.count(-1) > parents.count("-1"))


def test_delays_may_be_milliseconds():
    turns, _, _ = by_session(["a", "a"], [None, 1500.0], "ms").turns(np.zeros(2))
    assert turns.wait_s.tolist() == [0.0, 1.5]


@pytest.mark.parametrize("none", ["", "-1", "None", "null"])
def test_rows_of_no_session_begin_one_of_their_own(none):
    turns, _, _ = by_session([none, none, "a"], [None, 7.0, None]).turns(np.array([0.0, 1.0, 2.0]))
    assert turns.parent.tolist() == [-1, -1, -1]
    assert turns.session.tolist() == [0, 1, 2]
    assert turns.wait_s.tolist() == [0.0, 0.0, 0.0]


def test_sessions_that_begin_at_one_time_stay_in_the_order_of_the_file():
    turns, _, _ = by_session(["b", "a", "b"], [None, None, 1.0]).turns(np.array([3.0, 3.0, 0.0]))
    assert turns.order.tolist() == [0, 2, 1]


def test_a_parent_may_have_several_turns_after_it():
    links = by_parent([10, 11, 12, 13], [-1, 10, 10, 12])
    turns, time_s, notes = links.turns(np.array([0.0, 2.0, 1.0, 4.0]))
    # row 2 comes before row 1
    assert listed(turns) == [[0, 2, 1, 3], [0, 0, 0, 0], [0, 1, 1, 2], [-1, 0, 0, 1], [0, 0, 0, 0]]
    assert time_s.tolist() == [0.0, 2.0, 1.0, 4.0]
    assert notes == []


def test_whole_numbers_are_names_however_they_were_read():
    turns, _, _ = by_parent([1.0, 2.0], ["-1", "1"]).turns(np.array([0.0, 1.0]))
    assert turns.parent.tolist() == [-1, 0]


def test_a_parent_elsewhere_begins_a_session_with_a_note():
    turns, _, notes = by_parent(["a", "b", "c"], ["x", "y", ""]).turns(np.array([0.0, 1.0, 2.0]))
    assert turns.session.tolist() == [0, 1, 2]
    assert notes == ["turns whose parent is not in the file begin sessions of their own: 2"]


def test_a_long_chain_has_one_root():
    n = 200
    turns, _, _ = by_parent(list(range(n)), [k - 1 for k in range(n)]).turns(np.arange(n, dtype=float))
    assert turns.turn.tolist() == list(range(n))
    assert set(turns.session.tolist()) == {0}


@pytest.mark.parametrize(
    ("links", "times", "message"),
    [
        (by_parent(["a", "a"], ["", ""]), [0, 1], "'c' has 'a' in row 1 and in row 2; expected different ids"),
        (
            by_parent(["a", "b"], ["", "a"]),
            [5, 4],
            "'p': row 2 follows row 1, which comes later; expected a turn after the one before it",
        ),
        (by_parent(["a", "b"], ["b", ""]), [3, 3], "'p': row 1 follows row 2, which comes later"),
        (by_session(["a", "a"], [None, None]), [2, 1], "'s': row 2 follows row 1, which comes later"),
        (
            by_parent(["a", "b", "c"], ["c", "a", "b"]),
            [0, 1, 2],
            "'p': row 1 follows row 3, and this one in the end row 1; expected a first turn, whose parent is -1",
        ),
        (by_parent(["a"], ["a"]), [0], "'p': row 1 follows row 1, and this one in the end row 1"),
        (
            by_parent(["a", "b"], ["", "a"], [2, 2]),
            [0, 1],
            "'n' has 2 in row 2 and 2 in row 1, which it follows; expected a later turn than that of its parent",
        ),
    ],
)
def test_what_contradicts_itself_is_told(links, times, message):
    with pytest.raises(DataError) as error:
        links.turns(np.array(times, float))
    assert str(error.value).startswith(f"trace.jsonl: column {message}")


def test_turns_with_rising_numbers_may_stand_at_one_time():
    turns, _, _ = by_parent(["a", "b"], ["", "a"], [1, 2]).turns(np.array([3.0, 3.0]))
    assert turns.parent.tolist() == [-1, 0]


def test_a_bad_delay_is_told_with_its_row():
    with pytest.raises(DataError, match="column 'd' has -1 in row 2; expected a number, at least 0"):
        by_session(["a", "a"], [None, -1.0])


def test_turns_with_a_delay_need_no_time():
    links = by_session(["a", "a", "b"], [None, 1.0, None])
    frame = pl.DataFrame({"t": [None, None, 4.0], "d": [None, 1.0, None], "s": ["a", "a", "b"]})
    assert links.with_times(frame, "t")["t"].to_list() == [None, 4.0, 4.0]  # the first has no delay: an error later
    frame = pl.DataFrame({"t": [2.0, None, 4.0], "d": [None, 1.0, None], "s": ["a", "a", "b"]})
    assert links.with_times(frame, "t")["t"].to_list() == [2.0, 2.0, 4.0]
    frame = pl.DataFrame({"t": [2.0, None, None, None], "d": [None, 1.0, 1.0, 1.0], "s": ["c", "b", "", "d"]})
    assert links.with_times(frame, "t")["t"].to_list() == [
        2.0,
        2.0,
        None,
        None,
    ]  # b began before; no session, or a first turn
    plain = Links(Columns(time="t"), FILE)
    assert plain.with_times(frame, "t") is frame


def test_a_part_of_whole_sessions_counts_from_its_own_beginning():
    turns, _, _ = by_session(["a", "a", "b", "b"], [None, 1.0, None, 2.0]).turns(np.array([0.0, 0.0, 5.0, 5.0]))
    assert listed(turns.within(slice(2, 4))) == [[2, 3], [0, 0], [0, 1], [-1, 0], [0, 2]]
    assert listed(turns.within(slice(0, 0))) == [[], [], [], [], []]


# ---- who waits for whom ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parent", "roots", "first", "following"),
    [
        ([], [], [], []),
        ([-1], [0], [-1], [-1]),
        ([-1, 0, 1], [0], [1, 2, -1], [-1, -1, -1]),
        ([-1, 0, 0, 0], [0], [1, -1, -1, -1], [-1, 2, 3, -1]),
        ([-1, 0, -1, 2, 0, 2], [0, 2], [1, -1, 3, -1, -1, -1], [-1, 4, -1, 5, -1, -1]),
        ([-1, -1, 1, 0], [0, 1], [3, 2, -1, -1], [-1, -1, -1, -1]),
    ],
)
def test_turns_know_those_that_wait_for_them(parent, roots, first, following):
    n = len(parent)
    turns = Turns(np.zeros(n, np.int64), np.zeros(n, np.int32), np.array(parent, np.int32), np.zeros(n))
    assert turns.roots.tolist() == roots
    assert turns.first_child.tolist() == first
    assert turns.next_child.tolist() == following
