"""Which rows of a file count: conditions, requests that failed, ids that came before."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from messsim.errors import DataError
from messsim.workload.choosing import Chooser, Condition, conditions

FILE = Path("log.csv")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("status=200", ("status", "=", "200")),
        (" status = 200 ", ("status", "=", "200")),
        ("a!=b", ("a", "!=", "b")),
        ("a<=5", ("a", "<=", "5")),
        ("a>=-1e3", ("a", ">=", "-1e3")),
        ("a<5", ("a", "<", "5")),
        ("a > 5", ("a", ">", "5")),
        ("error=", ("error", "=", "")),
        ("x=a=b", ("x", "=", "a=b")),
        ("http status=2", ("http status", "=", "2")),
    ],
)
def test_a_condition_is_a_column_an_operator_and_a_value(text, expected):
    (condition,) = conditions([text])
    assert (condition.column, condition.operator, condition.value) == expected
    assert str(condition) == "".join(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("status", "--select 'status': expected COLUMN=VALUE, or another of != < <= > >="),
        ("=5", "--select '=5': expected COLUMN=VALUE"),
        ("a<b", "--select 'a<b': expected a number behind <"),
        ("a>=", "--select 'a>=': expected a number behind >="),
    ],
)
def test_what_is_no_condition_is_refused(text, message):
    with pytest.raises(DataError) as error:
        conditions(["a=1", text])
    assert message in str(error.value)
    with pytest.raises(DataError, match=r"^--where"):
        conditions([text], "--where")


NUMBERS = [1, 5, 7, None]
TEXT = ["200", " 200 ", "OK", None]


@pytest.mark.parametrize(
    ("values", "operator", "value", "expected"),
    [
        (NUMBERS, "<", "5", [1, 0, 0, 0]),
        (NUMBERS, "<=", "5", [1, 1, 0, 0]),
        (NUMBERS, ">", "5", [0, 0, 1, 0]),
        (NUMBERS, ">=", "5", [0, 1, 1, 0]),
        (NUMBERS, "=", "5", [0, 1, 0, 0]),
        (NUMBERS, "=", "5.0", [0, 1, 0, 0]),
        (NUMBERS, "!=", "5", [1, 0, 1, 1]),
        (NUMBERS, "=", "", [0, 0, 0, 1]),
        (NUMBERS, "!=", "null", [1, 1, 1, 0]),
        ([0.5, 2.0], "=", "2", [0, 1]),
        (TEXT, "=", "200", [1, 1, 0, 0]),
        (TEXT, "=", "200.0", [1, 1, 0, 0]),  # a number compares as one
        (["1e2", "100"], "=", "100", [1, 1]),
        (TEXT, "=", "ok", [0, 0, 0, 0]),
        (TEXT, "!=", "OK", [1, 1, 0, 1]),
        ([1, 0, 2, None], "=", "True", [1, 0, 0, 0]),
        ([1.0, 0.0, None], "!=", "false", [1, 0, 1]),
        (["1", "TRUE", "0", "yes"], "=", "true", [1, 1, 0, 0]),
        ([True, False, None], "=", "1", [1, 0, 0]),
        ([True, False, None], "=", "0", [0, 1, 0]),
        ([True, False], "=", "yes", [0, 0]),
        (["", " None ", "null", "x", None], "=", "none", [1, 1, 1, 0, 1]),
        (["1", "x"], ">=", "1", [1, 0]),
        ([True, False, None], "=", "TRUE", [1, 0, 0]),
        (["True", "false"], "=", "false", [0, 1]),
        ([[1], None], "=", "1", [0, 0]),
        ([[1], None], "=", "", [0, 1]),
        ([[1], None], "<", "5", [0, 0]),
    ],
)
def test_which_rows_fulfil_a_condition(values, operator, value, expected):
    frame = pl.DataFrame({"c": values})
    assert Condition("c", operator, value).holds(frame).tolist() == [bool(e) for e in expected]


@pytest.mark.parametrize(
    ("value", "expected"),
    [("true", [1, 1, 0, 0]), ("False", [0, 0, 1, 0]), ("1", [0, 0, 0, 1]), ("TRUE", [1, 1, 0, 0])],
)
def test_labels_that_are_true_or_false_are_so_in_any_letters(value, expected):
    frame = pl.DataFrame({"tenant": ["True", "true", "false", "1"]})
    assert Condition("tenant", "=", value).holds(frame, label=True).tolist() == [bool(e) for e in expected]
    assert Condition("tenant", "!=", value).holds(frame, label=True).tolist() == [not e for e in expected]


def test_rows_count_where_all_conditions_hold_and_the_first_to_fail_is_the_reason():
    frame = pl.DataFrame({"s": [200, 500, 200, 500], "t": [3, 3, 0, None], "u": ["a", "b", "c", "d"]})
    chooser = Chooser(conditions(["s=200"]), ("t",))
    assert chooser.columns == ["s", "t"]
    assert chooser.keep(frame).tolist() == [True, False, False, False]
    assert chooser.notes() == ["rows without s=200 are left out: 2", "rows without tokens are left out: 1"]
    assert chooser.kept == 1
    assert chooser.keep(frame).sum() == 1
    assert chooser.kept == 2
    assert chooser.notes()[0].endswith(": 4")


def test_every_id_counts_once_at_its_first_row_that_is_kept():
    chooser = Chooser(conditions(["ok=1"]), unique="id", lacking="x")
    assert chooser.columns == ["ok", "id"]
    first = pl.DataFrame({"ok": [0, 1, 1, 1, 1], "id": ["a", "a", "a", None, None]})
    assert chooser.keep(first).tolist() == [False, True, False, True, True]
    assert chooser.keep(pl.DataFrame({"ok": [1, 1], "id": ["a", "b"]})).tolist() == [False, True]
    assert chooser.notes() == ["rows without ok=1 are left out: 1", "rows whose id came before are left out: 2"]


def test_tokens_are_numbers_other_than_0_in_every_column():
    frame = pl.DataFrame({"p": ["1", "0", "x", "2"], "o": [1.0, 1.0, 1.0, None]})
    chooser = Chooser(tokens=("p", "o"), lacking="failed requests")
    assert chooser.keep(frame).tolist() == [True, False, False, False]
    assert chooser.notes() == ["failed requests are left out: 3"]
    assert Chooser().keep(frame).all()


def test_what_rows_are_called_and_more_conditions():
    asks = Chooser((Condition("s", "=", "1", "errors"),), ("t",), "id")
    more = asks.with_select(conditions(["x=2"]))
    assert more.columns == ["s", "x", "t", "id"]
    assert asks.columns == ["s", "t", "id"]
    asks.keep(pl.DataFrame({"s": [0], "t": [1], "id": [1]}))
    assert asks.notes() == ["errors are left out: 1"]
    with pytest.raises(DataError, match=r"no request of it was answered \(errors are left out: 1\); expected some"):
        asks.check(FILE)


def test_a_condition_that_no_row_fulfils_is_told_with_the_values_that_there_are():
    chooser = Chooser(conditions(["s=9"]))
    chooser.keep(pl.DataFrame({"s": [3, 1, 3]}))
    with pytest.raises(DataError, match=r"log.csv: no row has s=9; s is: 1, 3$"):
        chooser.check(FILE)
    chooser.keep(pl.DataFrame({"s": list(range(10, 17))}))
    with pytest.raises(DataError, match=r"s is: 1, 10, 11, 12, 13, 14, 15, 16, \.\.\.$"):
        chooser.check(FILE)
    chooser.keep(pl.DataFrame({"s": [9]}))
    chooser.check(FILE)


def test_nothing_at_all_is_told_without_reasons():
    with pytest.raises(DataError, match=r"no request of it was answered; expected some$"):
        Chooser().check(FILE)


def test_ids_count_once_in_each_file_unless_files_count_as_one():
    frame = pl.DataFrame({"id": [1, 1, 2]})
    chooser = Chooser(unique="id")
    assert chooser.of_file(frame, FILE)["id"].to_list() == [1, 2]
    assert chooser.of_file(frame, FILE)["id"].to_list() == [1, 2]
    assert chooser.kept == 4
    assert chooser.of_file(pl.DataFrame({"id": [2, 3]}), FILE, as_one=True)["id"].to_list() == [3]
    with pytest.raises(DataError, match="rows whose id came before are left out"):
        chooser.of_file(frame, FILE, as_one=True)  # of this file no row is left
    with pytest.raises(DataError, match="column 'id' is missing"):
        chooser.of_file(pl.DataFrame({"x": [1]}), FILE)


def test_conditions_may_look_into_structures():
    frame = pl.DataFrame({"a": [{"b": 1}, {"b": 2}], "n": [10, 20]})
    kept = Chooser(conditions(["a.b>1"])).of_file(frame, FILE)
    assert kept.columns == ["a", "n"]
    assert kept["n"].to_list() == [20]


def test_dates_are_no_numbers():
    frame = pl.DataFrame({"d": np.array(["2024-05-06"], "datetime64[ms]")})
    assert not Condition("d", ">", "0").holds(frame).any()


def test_a_decimal_comma_is_one_in_all_blocks():
    chooser = Chooser(conditions(["x<2000"]), tokens=("x",))
    assert [chooser.keep(pl.DataFrame({"x": [value]})).tolist() for value in ("0,5", "123,456")] == [[True], [True]]
    chooser = Chooser(conditions(["x<2000"]))
    chooser.keep(pl.DataFrame({"x": ["1,234"]}))
    with pytest.raises(DataError, match="column 'x' has '0,5'; expected a number in which a comma parts thousands"):
        chooser.keep(pl.DataFrame({"x": ["0,5", None]}))
    assert chooser.keep(pl.DataFrame({"x": ["x", None]})).tolist() == [False, False]


@pytest.mark.parametrize("value", [b"\xff", timedelta(3)])
def test_bytes_and_durations_equal_nothing_that_can_be_written(value):
    frame = pl.DataFrame({"c": [value, None]})
    with pytest.raises(DataError, match=r"log.csv: column 'c' is of type .*; expected text or numbers"):
        Chooser(conditions(["c=3"])).keep(frame, FILE)
    chooser = Chooser(conditions(["c>3"]))
    assert not chooser.keep(frame).any()
    with pytest.raises(DataError, match="no request of it was answered"):
        chooser.check(FILE)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a=1", "b=9"], "no row has b=9; b is: 3, 4"),
        (["a=7", "b=3"], "no row has a=7; a is: 1, 2"),
        (["b>9", "a=1"], "no row has b>9; b is: 3, 4"),
        (["a=1", "b=4"], r"no request of it was answered \(rows without a=1 .*; rows without b=4 are left out: 1\)"),
    ],
)
def test_the_condition_that_no_row_fulfils_is_named(texts, message):
    chooser = Chooser(conditions(texts))
    assert not chooser.keep(pl.DataFrame({"a": [1, 2], "b": [3, 4]})).any()
    with pytest.raises(DataError, match=message):
        chooser.check(FILE)


def test_a_condition_is_of_each_file():
    chooser = Chooser(conditions(["a=1", "b=3"]))
    assert chooser.of_file(pl.DataFrame({"a": [1], "b": [3]}), FILE).height == 1
    with pytest.raises(DataError, match=r"no row has b=3; b is: 4$"):
        chooser.of_file(pl.DataFrame({"a": [1], "b": [4]}), FILE)
