"""Rows of studies' tables, their CSV, what is known while runs go on, and pictures beside them."""

import json
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from builders import scenario

from messsim.errors import MesssimError, ScenarioError, SimulationError
from messsim.scenario import parse
from messsim.study.runs.csv_files import ENDS, csv_of, end_values
from messsim.study.runs.pictures import add_pictures
from messsim.study.runs.rows import check_version, column_of, failed_row, frame_of, row_of
from messsim.study.runs.so_far import SoFar, so_far
from messsim.study.runs.summaries import in_order
from messsim.study.runs.workers import every, guarded
from messsim.version import __version__

# ---- rows -----------------------------------------------------------------------------------------------


def a_scenario(**changes: Any):
    return parse(scenario(name="two models", seed=7, replication=3, **changes))


def test_a_row_has_its_point_then_the_run_then_each_figure_of_the_summary():
    summary = {
        "version": "9",
        "sla": {"satisfaction": 0.75, "kept": True},
        "models": [{"name": "8b.it", "share": 0.25}, {"name": "70b", "share": None}],
        "windows": [1, 2],
    }
    row = row_of(a_scenario(), summary, {"router.V": 1e-4, "sla.alpha": 0.5})
    assert list(row.items()) == [
        ("router.V", 1e-4),
        ("sla.alpha", 0.5),
        ("policy", "mess+"),
        ("seed", 7),
        ("replication", 3),
        ("error", None),
        ("version", "9"),
        ("sla_satisfaction", 0.75),
        ("sla_kept", True),
        ("models_8b_it_share", 0.25),
        ("models_70b_share", None),
        ("windows_0", 1),
        ("windows_1", 2),
    ]


@pytest.mark.parametrize("table", ["performance", "accuracy", "intervals"])
def test_what_is_of_the_machine_or_of_several_rows_is_no_figure_of_a_row(table):
    row = row_of(a_scenario(), {table: {"a": 1.0}, "cost": {table: 2.0}})
    assert f"{table}_a" not in row
    assert row[f"cost_{table}"] == 2.0, "only the table itself is left out"


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, None),
        (False, False),
        (0, 0),
        (0.0, 0.0),
        ("mess+", "mess+"),
        ([1, 2.5], "[1, 2.5]"),
        ({"kind": "poisson"}, '{"kind": "poisson"}'),
    ],
)
def test_a_value_of_a_point_is_one_cell(value, cell):
    row = row_of(a_scenario(), {}, {"key": value})
    assert row["key"] == cell
    assert type(row["key"]) is type(cell)


def test_a_failed_run_has_its_error_and_no_figures():
    row = failed_row(a_scenario(engine="simpy"), SimulationError("it stopped"), {"router.V": [1]})
    assert row == {
        "router.V": "[1]",
        "policy": "mess+",
        "seed": 7,
        "replication": 3,
        "error": "it stopped",
        "scenario": "two models",
        "engine": "simpy",
    }


def test_a_row_of_another_version_is_refused_with_both_versions():
    check_version({"version": __version__})
    with pytest.raises(SimulationError, match=r"^a worker runs messsim 0\.0\.1, not ") as caught:
        check_version({"version": "0.0.1"})
    assert str(caught.value).endswith(f", not {__version__}; expected the same")


@pytest.mark.parametrize(
    ("path", "column"),
    [
        ("latency_s.ttft.p95", "latency_s_ttft_p95"),
        ('models."llama-3.1-8b".share', "models_llama-3_1-8b_share"),
        ("version", "version"),
    ],
)
def test_the_column_of_a_path(path, column):
    assert column_of(path) == column


@pytest.mark.parametrize(
    ("values", "kind", "kept"),
    [
        ([True, None, False], pl.Boolean, [True, None, False]),
        ([1, None, 3], pl.Int64, [1, None, 3]),
        ([1, 2.5, None], pl.Float64, [1.0, 2.5, None]),
        ([None, None], pl.Float64, [None, None]),
        ([True, 2], pl.String, ["true", "2"]),
        (["a", 2, None], pl.String, ["a", "2", None]),
        ([2.5, "a"], pl.String, ["2.5", "a"]),
    ],
)
def test_a_column_has_the_kind_that_holds_all_its_values(values, kind, kept):
    frame = frame_of([{"x": v} for v in values])
    assert frame["x"].dtype == kind
    assert frame["x"].to_list() == kept


def test_an_error_that_nobody_had_is_still_a_text_and_columns_come_in_order_of_first_sight():
    frame = frame_of([{"b": 1, "error": None}, {"c": 2, "b": 3}])
    assert frame.columns == ["b", "error", "c"]
    assert frame["error"].dtype == pl.String
    assert frame["c"].to_list() == [None, 2]
    assert frame["b"].to_list() == [1, 3]


# ---- CSV ------------------------------------------------------------------------------------------------


def test_cells_of_a_spread_stand_in_the_order_of_their_heads():
    assert ENDS == ("mean", "low", "high", "count")
    assert end_values({"mean": 2.0, "low": 1.0, "high": 3.0, "count": 5}) == [2.0, 1.0, 3.0, 5]
    assert end_values({"mean": 2.0, "low": None, "high": None, "count": 1}) == [2.0, None, None, 1]
    assert end_values(None) == [None, None, None, None]


def test_a_csv_has_a_line_a_row_and_empty_cells_for_none():
    assert csv_of(["name", "mean"], [["a,b", None], ['say "x"', 1.5]]) == 'name,mean\n"a,b",\n"say ""x""",1.5\n'
    assert csv_of(["name"], []) == "name\n"


# ---- while runs go on -----------------------------------------------------------------------------------


def row(kept, satisfaction=None, cost=None):
    return {"sla_kept": kept, "sla_satisfaction": satisfaction, "cost_per_request": cost}


def test_means_so_far_are_over_the_runs_that_have_the_figure():
    rows = {(0, 0): row(True, 0.5, 3.0), (0, 1): row(False, 0.25, 1.0), (0, 2): row(None)}
    assert so_far(["a"], rows) == [SoFar("a", 3, 1, 0.375, 2.0)]


def test_points_so_far_come_by_number_and_one_name_is_one_point():
    rows = {(2, 0): row(True, 1.0, 2.0), (1, 1): row(True, 0.5, 6.0), (0, 5): row(False, 0.25, 1.0)}
    assert so_far(["a", "b", "a"], rows) == [SoFar("a", 2, 1, 0.625, 1.5), SoFar("b", 1, 1, 0.5, 6.0)]


def test_a_figure_that_no_run_has_is_none_and_a_point_without_runs_is_left_out():
    assert so_far(["a", "b"], {(1, 0): row(True)}) == [SoFar("b", 1, 1, None, None)]
    assert so_far(["a"], {}) == []
    assert so_far(["a"], {(0, 0): {"sla_kept": True}}) == [SoFar("a", 1, 1, None, None)]


# ---- values in order ------------------------------------------------------------------------------------


def test_values_come_in_the_order_of_their_items_as_soon_as_those_before_are_there():
    taken = []

    def coming():
        for pair in [(2, "c"), (0, "a"), (1, "b"), (3, "d")]:
            taken.append(pair[0])
            yield pair

    values = in_order(coming())
    assert next(values) == "a"
    assert taken == [2, 0], "the second is not waited for"
    assert list(values) == ["b", "c", "d"]


def test_the_first_error_that_comes_is_raised_and_what_makes_values_is_closed():
    closed = []

    def coming():
        try:
            yield 1, "b"
            yield 2, SimulationError("third")
            yield 0, "a"
        finally:
            closed.append(True)

    with pytest.raises(SimulationError, match=r"^third$"):
        list(in_order(coming()))
    assert closed == [True]


def test_an_expected_error_is_a_value_and_a_bug_is_not():
    assert guarded(lambda x: x + 1, 4) == 5

    def wrong(_):
        raise ScenarioError("no")

    assert str(guarded(wrong, 0)) == "no"
    with pytest.raises(ZeroDivisionError):
        guarded(lambda x: 1 // x, 0)


class Shuffled:
    """Workers that answer from the last item to the first, and note how they were asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def each(self, function, items, *, count=None, frees_gil=False):
        self.asked.append((count, frees_gil))
        for i, item in reversed(list(enumerate(items))):
            yield i, guarded(function, item)


def test_every_value_stands_where_its_item_did():
    workers = Shuffled()
    assert every(workers, lambda x: 10 * x, [3, 1, 2]) == [30, 10, 20]
    assert every(workers, lambda x: x, [], frees_gil=True) == []
    assert workers.asked == [(3, False), (0, True)], "how many there are is told, so that processes pay or not"


def test_every_raises_the_first_error_that_comes():
    def odd(x):
        if x % 2:
            raise SimulationError(f"{x} is odd")
        return x

    with pytest.raises(SimulationError, match=r"^3 is odd$"):
        every(Shuffled(), odd, [1, 2, 3])


# ---- pictures -------------------------------------------------------------------------------------------


def test_pictures_are_written_beside_the_results(tmp_path):
    assert add_pictures(tmp_path, "plots", lambda: {"a.svg": b"<svg/>", "b.svg": b"2"}) == []
    assert (tmp_path / "a.svg").read_bytes() == b"<svg/>"
    assert (tmp_path / "b.svg").read_bytes() == b"2"


@pytest.mark.parametrize(
    ("error", "note"),
    [
        (ValueError("too wide"), "no plots: too wide"),
        (ValueError(), "no plots: ValueError"),
        (OSError("x"), "no plots: x"),
    ],
)
def test_pictures_that_fail_are_a_note_with_the_reason(tmp_path, error, note):
    def draw():
        raise error

    assert add_pictures(tmp_path, "plots", draw) == [note]


def test_an_interruption_while_drawing_says_that_the_results_are_there(tmp_path):
    def draw():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        add_pictures(tmp_path, "plots", draw)
    assert caught.value.args == (f"interrupted; {tmp_path} is written, without plots",)


# ---- identity -------------------------------------------------------------------------------------------


def test_parts_that_differ_are_named_in_order_with_at_most_three_files():
    from messsim.study.runs.identity import DATA_FILES, difference, hashed

    files = dict.fromkeys("abcde", "1")
    ours = {"command": "sweep", "scenario": "s", "points": "p", DATA_FILES: files}
    assert difference(ours, json.loads(json.dumps(ours))) is None
    assert difference(ours, ours | {"points": "q", "command": "plan"}) == "command and points"
    assert difference(ours, ours | {DATA_FILES: files | {"b": "2"}}) == "data files; changed: b"
    three = {n: "2" if n in "abc" else "1" for n in files}
    assert difference(ours, ours | {DATA_FILES: three}) == "data files; changed: a, b, c"
    four = {n: "2" if n in "abce" else "1" for n in files}
    assert difference(ours, ours | {DATA_FILES: four}) == "data files; changed: a, b, c and 1 more"
    assert difference(ours, ours | {DATA_FILES: {}}) == "data files; changed: a, b, c and 2 more"
    assert difference(ours | {DATA_FILES: {}}, ours | {DATA_FILES: {"z": "1"}}) == "data files; changed: z"
    assert difference(ours, ours | {DATA_FILES: "damaged"}) == "data files"
    with pytest.raises(KeyError):
        difference(ours, {"command": "sweep"})
    # SHA-256 of the two bytes [], as `printf '[]' | sha256sum` prints it
    assert hashed([]) == "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"
    assert hashed({"a": SimpleNamespace()}) == hashed({"a": "namespace()"}), "what JSON does not know is its text"


def test_a_file_that_is_not_there_counts_as_absent(tmp_path):
    from messsim.study.runs.identity import _sha

    assert _sha(tmp_path / "none.csv") == "absent"
    assert _sha(tmp_path) == "absent", "nor is a folder a file"
    (tmp_path / "data").write_bytes(b"[]")
    assert _sha(tmp_path / "data").startswith("4f53cda18c2b")


def test_errors_of_a_study_are_errors_of_messsim():
    assert issubclass(SimulationError, MesssimError), "a run that fails is a value, not the end of the study"
