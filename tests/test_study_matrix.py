"""The runs of a study: which are made, in which order they are told, and what becomes of one that fails."""

import contextlib

import pytest
from builders import scenario

from messsim.errors import SimulationError
from messsim.scenario import parse
from messsim.study.runs.local import _Here, _Threads, local_workers, pays, workers_from
from messsim.study.runs.matrix import Matrix, Runs, runs_of
from messsim.study.runs.places import workers_on
from messsim.study.runs.processes import Processes
from messsim.study.runs.workers import guarded
from messsim.version import __version__

BASE = parse(scenario())
POINTS = [{"seed": 10}, {"seed": 20}]


def measured(task):
    """What the test keeps of a run: which it was. Replication 9 fails."""
    made, point = task
    if made.replication == 9:
        raise SimulationError(f"{point['seed']} stopped")
    return {"version": __version__, "x": made.seed + made.replication}


MATRIX = Matrix(BASE, POINTS, lambda i: BASE.changed(seed=POINTS[i]["seed"]), measured)


class Backwards:
    """Workers that make the last run first."""

    def __init__(self):
        self.asked = []

    def each(self, function, items, *, count=None, frees_gil=False):
        items = list(items)
        self.asked.append((len(items), count, frees_gil))
        for i in reversed(range(len(items))):
            yield i, guarded(function, items[i])


class Book:
    """A journal in memory."""

    def __init__(self, rows):
        self.rows = rows

    def add(self, key, row):
        assert key not in self.rows
        self.rows[key] = row


def runs(kept=None, matrix=MATRIX):
    workers, heard = Backwards(), []
    return Runs(matrix, workers, kept, lambda done, total: heard.append((done, total))), workers, heard


def test_a_run_is_that_of_its_point_and_replication():
    made = MATRIX.scenario((1, 3))
    assert (made.seed, made.replication) == (20, 3)


def test_keys_come_when_they_are_there_and_are_counted():
    r, workers, heard = runs()
    assert list(r.each([(0, 0), (0, 1), (1, 0)])) == [(1, 0), (0, 1), (0, 0)]
    assert {k: v["x"] for k, v in r.values.items()} == {(0, 0): 10, (0, 1): 11, (1, 0): 20}
    assert heard == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert workers.asked == [(3, 3, True)], "all of them are going to be read, and the engine frees the lock"


def test_what_is_there_is_not_made_again_and_comes_first():
    book = Book({(0, 1): {"version": __version__, "x": -1}})
    r, workers, heard = runs(book)
    assert list(r.each([(0, 0), (0, 1), (1, 0)])) == [(0, 1), (1, 0), (0, 0)]
    assert workers.asked == [(2, 2, True)]
    assert heard == [(1, 3), (2, 3), (3, 3)]
    assert r.values[0, 1]["x"] == -1
    assert {k: v["x"] for k, v in book.rows.items()} == {(0, 1): -1, (1, 0): 20, (0, 0): 10}, "each new one is kept"


def test_those_that_were_asked_for_are_told_again_without_workers():
    r, workers, heard = runs()
    list(r.each([(0, 0), (1, 0)]))
    assert list(r.each([(1, 0), (0, 0)])) == [(1, 0), (0, 0)]
    assert len(workers.asked) == 1
    assert heard[-1] == (2, 2)
    assert list(r.each([(1, 0), (1, 1)], later=4)) == [(1, 0), (1, 1)]
    assert heard[-2:] == [(2, 7), (3, 7)], "three were asked for, and four may come"


def test_where_not_all_are_surely_read_nobody_knows_how_many_there_are():
    r, workers, _ = runs()
    list(r.each([(0, 0)], surely=False))
    assert workers.asked == [(1, None, True)]


@pytest.mark.parametrize(("engine", "frees"), [("compiled", True), ("simpy", False)])
def test_only_the_compiled_engine_frees_the_lock(engine, frees):
    base = BASE.changed(engine=engine)
    r, workers, _ = runs(matrix=Matrix(base, POINTS, lambda i: base, measured))
    list(r.each([(0, 0)]))
    list(r.each([]))
    assert workers.asked == [(1, 1, frees)], "of none nobody is asked"


def test_a_run_that_fails_stops_no_other_and_is_not_kept():
    book = Book({})
    r, workers, heard = runs(book)
    assert list(r.each([(0, 9), (1, 0)])) == [(1, 0), (0, 9)]
    assert {k: str(e) for k, e in r.failed.items()} == {(0, 9): "10 stopped"}
    assert list(r.values) == list(book.rows) == [(1, 0)]
    assert heard[-1] == (2, 2)
    assert list(r.each([(0, 9), (1, 1)])) == [(0, 9), (1, 1)]
    assert workers.asked[1:] == [(1, 1, True)], "one that failed is not tried again"
    assert heard[-1] == (3, 3)


def test_all_values_stand_in_the_order_of_their_keys():
    r, _, _ = runs()
    assert [v["x"] for v in r.all([(0, 1), (1, 1), (0, 0)])] == [11, 21, 10]
    assert r.all([]) == []


def test_a_run_that_fails_ends_what_needs_all_of_them():
    r, _, _ = runs()
    with pytest.raises(SimulationError, match=r"^20 stopped$"):
        r.all([(0, 0), (1, 9)])
    assert list(r.values) == [], "the last was made first, and nothing after it"
    with pytest.raises(SimulationError, match=r"^20 stopped$"):
        list(r.in_order([(0, 0), (1, 9)], surely=True))


def test_values_come_in_order_as_soon_as_those_before_are_there():
    r, _, heard = runs(Book({(0, 0): {"version": __version__, "x": -1}}))
    values = r.in_order([(0, 0), (0, 1), (1, 0)], surely=False)
    assert next(values)["x"] == -1
    assert heard == [(1, 3)], "it was there, and no other is waited for"
    assert [v["x"] for v in values] == [11, 20]


def test_a_value_of_another_version_ends_the_study():
    other = Matrix(BASE, POINTS, lambda i: BASE, lambda task: {"version": "0.0.1"})
    r, _, _ = runs(matrix=other)
    with pytest.raises(SimulationError, match=r"runs messsim 0\.0\.1"):
        list(r.each([(0, 0)]))
    assert r.values == {}


def test_runs_that_were_there_before_are_counted_among_those_that_are_wanted():
    r, _, _ = runs()
    assert (r.before, r.count(None), r.count([(0, 0), (1, 0)])) == (frozenset(), "0", "0 of 2")
    r.values[0, 0] = {"version": __version__}
    assert (r.before, r.count(None), r.count([(0, 0), (1, 0)])) == (frozenset(), "1", "1 of 2")


def test_each_run_is_followed_by_what_is_to_be_done_then():
    seen = []
    r, _, _ = runs()
    r.all([(1, 0), (0, 0)], lambda: seen.append(len(r.values)))
    r.make([(1, 0), (0, 1)], lambda: seen.append(len(r.values)))
    assert seen == [1, 2, 2, 3], "those that are there come first"


def test_runs_need_neither_a_directory_nor_somebody_who_listens():
    with runs_of(
        MATRIX,
        out=None,
        identity=lambda: 1 / 0,
        table=lambda r: 1 / 0,
        workers=1,
        on_progress=None,
    ) as r:
        assert [v["x"] for v in r.all([(1, 0), (0, 0)])] == [20, 10]
        assert isinstance(r.workers, _Here)


# ---- workers of this machine ----------------------------------------------------------------------------


def test_this_process_makes_one_after_another_and_none_before_it_is_asked_for():
    made = []

    def note(x):
        made.append(x)
        return 2 * x

    results = _Here().each(note, iter([3, 4]))
    assert (next(results), made) == ((0, 6), [3])
    assert (list(results), made) == ([(1, 8)], [3, 4])


@pytest.mark.parametrize(("count", "kind"), [(1, _Here), (2, Processes), (3, Processes)])
def test_so_many_processes_are_made_as_are_asked_for(count, kind):
    for asked in (local_workers, workers_from, lambda n: workers_on("local", n, None)):
        with asked(count) as many:
            assert isinstance(many, kind)
            if kind is Processes:
                assert many._count == count


def test_one_core_has_no_use_for_processes(monkeypatch):
    monkeypatch.setattr("messsim.study.runs.local.cores", lambda: 1)
    with local_workers() as many:
        assert isinstance(many, _Here)
    monkeypatch.setattr("messsim.study.runs.local.cores", lambda: 2)
    with local_workers() as many:
        assert many._count == 2


def test_workers_that_are_given_are_taken():
    given = contextlib.nullcontext()
    assert workers_from(given) is given


@pytest.mark.parametrize(
    ("left_s", "count", "frees_gil", "expected"),
    [
        # threads lose (1 - 1/count) of what holds the lock: all of it, or three tenths
        (2.2, 2, False, False),
        (2.3, 2, False, True),
        (1.46, 4, False, False),
        (1.47, 4, False, True),
        (7.3, 2, True, False),
        (7.4, 2, True, True),
        (1e9, 1, False, False),
    ],
)
def test_processes_pay_where_they_save_more_than_their_start(left_s, count, frees_gil, expected):
    assert pays(left_s, count, frees_gil) is expected


def test_threads_tell_position_value_and_time():
    with _Threads(lambda x: -x) as threads:
        threads.start(4, 7)
        threads.start(5, 8)
        assert sorted(threads.running.values()) == [4, 5]
        ended = []
        while threads.running:
            ended += threads.finished(1.0)
    assert sorted((i, value) for i, value, _ in ended) == [(4, -7), (5, -8)]
    assert all(0.0 <= cpu_s < 1.0 for _, _, cpu_s in ended)
    assert threads.longest_s() == 0.0


def test_an_address_of_ray_wants_ray():
    from messsim.errors import ScenarioError

    with pytest.raises(ScenarioError, match=r"^--ray-address auto: expected --on ray with it$"):
        workers_on("local", None, "auto")
