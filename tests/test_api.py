"""The Python face: studies as functions, results that show themselves, scenarios built in code."""

import contextlib
import copy
import math
import pickle
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from builders import scenario as data_of

import messsim
from messsim.api import progress as shown_progress
from messsim.api.studies import _points
from messsim.errors import OutputError, ScenarioError
from messsim.scenario import dump


def built(**values) -> messsim.Scenario:
    """What `README` shows, smaller."""
    return messsim.Scenario(
        **{
            "requests": 120,
            "sla": messsim.Sla(alpha=0.6),
            "arrivals": messsim.Poisson(rate_rps=4),
            "satisfaction": messsim.Irt(),
            "models": [
                messsim.Model(name="small", satisfaction=0.55, profile="Llama-3.1-8B", gpu="H100"),
                messsim.Model(name="large", satisfaction=0.74, profile="Llama-3.1-70B", gpu="H100", tp=4),
            ],
        }
        | values
    )


SMALL = messsim.parse(data_of(requests=60))


# ---- names ----------------------------------------------------------------------------------------------


def test_every_name_is_there_and_importing_costs_nothing():
    assert [name for name in messsim.__all__ if getattr(messsim, name) is None] == []
    heavy = ["polars", "scipy", "numba", "altair", "simpy", "pydantic", "rich", "typer"]
    code = f"import messsim, sys; dir(messsim); print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


# ---- scenarios ------------------------------------------------------------------------------------------


def test_a_scenario_built_is_the_one_that_is_read():
    read = messsim.parse(
        {
            "requests": 120,
            "sla": {"alpha": 0.6},
            "arrivals": {"kind": "poisson", "rate_rps": 4},
            "satisfaction": {"kind": "irt"},
            "models": [
                {"name": "small", "satisfaction": 0.55, "profile": "Llama-3.1-8B", "gpu": "H100"},
                {"name": "large", "satisfaction": 0.74, "profile": "Llama-3.1-70B", "gpu": "H100", "tp": 4},
            ],
        }
    )
    assert built() == read
    assert built().changed(alpha=0.7) == read.changed(alpha=0.7)


def test_features_of_a_table_follow_it():
    assert built(satisfaction=messsim.Table(file="x.parquet")).features.kind == "table"


def test_changes_by_field_by_key_and_by_path():
    s = built()
    assert s.changed(requests=7).requests == 7
    changed = s.changed(alpha=0.7, V=1e-3, policy="random", rate_rps=9, **{"models.small.replicas": 2})
    assert (changed.sla.alpha, changed.router.V, changed.router.policy) == (0.7, 1e-3, "random")
    assert (changed.arrivals.rate_rps, changed.models[0].replicas, s.sla.alpha) == (9, 2, 0.6)
    assert s.changed(sla={"alpha": 0.1}).sla == s.changed(sla=messsim.Sla(alpha=0.1)).sla == messsim.Sla(alpha=0.1)
    assert s.changed(arrivals=messsim.Closed(clients=3), **{"arrivals.think_s": 2.0}).arrivals.think_s == 2.0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            lambda: messsim.Poisson(rate=4),
            "Poisson: rate: unknown key; did you mean 'rate_rps', in requests per second?",
        ),
        (lambda: messsim.Sla(alpha=2), "Sla: alpha = 2: expected at most 1"),
        (lambda: built(arrivals=3), "Scenario: arrivals = 3: expected a table"),
        (lambda: built(models=[]), "Scenario: models = []: expected at least 1 entry"),
        (lambda: SMALL.changed(alpha=2), "sla.alpha = 2: expected at most 1"),
        (lambda: SMALL.changed(alpa=0.5), "alpa: unknown key; did you mean 'sla.alpha'?"),
        (lambda: SMALL.changed(requests=-1), "requests = -1: expected at least 1"),
        (lambda: SMALL.changed(requests="7"), "requests = '7': expected a whole number"),
        (lambda: SMALL.changed(sla={"alpha": 2}), "sla.alpha = 2: expected at most 1"),
        (lambda: SMALL.changed(kind="x"), "kind: is a key of several tables; expected one of arrivals.kind"),
        (lambda: SMALL.changed(**{"models.tiny.tp": 2}), "models.tiny.tp: models has no entry 'tiny'"),
    ],
)
def test_mistakes_are_told_as_a_files_are(wrong, message):
    with pytest.raises(ScenarioError) as error:
        wrong()
    assert message in str(error.value)


# ---- studies --------------------------------------------------------------------------------------------


def test_points_may_have_short_keys_however_they_are_given():
    full = [{"router.V": 0.5, "sla.alpha": 0.9}]
    assert list(_points([{"V": 0.5, "alpha": 0.9}])) == full
    assert list(_points({"V": [0.5], "alpha": [0.9]})) == full


STUDIES = {
    "check": (lambda: messsim.check(SMALL), ["name", "satisfaction"], 2, "alpha = "),
    "compare": (lambda: messsim.compare(SMALL, ["mess+", "random"], seeds=2), ["policy", "replication"], 4, "x oracle"),
    "sweep": (lambda: messsim.sweep(SMALL, {"V": "1e-3..1e-1:3", "alpha": [0.3]}, seeds=2), ["router.V"], 3, "points"),
    "replicate": (lambda: messsim.replicate(SMALL, 2), ["replication"], 2, "replications of seed"),
    "converge": (lambda: messsim.converge(SMALL, 2), ["replication"], 2, "kept in"),
    "plan": (
        lambda: messsim.plan(SMALL, ["satisfaction>=1%"], replicas={"large": (1, 2)}, objective="energy", seeds=2),
        ["large.replicas", "verdict", "sla.satisfaction mean"],
        2,
        "cheapest cluster",
    ),
    "challenge": (
        lambda: messsim.challenge(["cheapest", "random"], conditions=["stationary"], seeds=1, requests=64, workers=1),
        ["condition", "policy"],
        2,
        "mean rank",
    ),
}


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_is_a_function_whose_result_is_a_table(name):
    study, columns, rows, shown = STUDIES[name]
    result = study()
    frame = pl.DataFrame(result)  # by Arrow
    assert frame.equals(result.table)
    assert set(columns) <= set(frame.columns)
    assert frame.height == rows
    assert shown in str(result)
    assert result._repr_html_().startswith("<pre style=")
    assert all(result[key] == value for key, value in result.summary.items())
    assert repr(result).startswith("<messsim ")
    again = pickle.loads(pickle.dumps(result))
    assert (str(again), repr(again), again.summary) == (str(result), repr(result), result.summary)
    assert again.table.equals(frame)


def test_a_run_shows_itself_and_is_a_table_of_its_requests():
    result = messsim.run(SMALL)
    assert isinstance(result, messsim.Result)
    assert str(result).startswith(("SLA kept: ", "SLA missed: "))
    assert pl.DataFrame(result).height == 60
    evil = messsim.run(messsim.parse(data_of(requests=20, tenants=[{"name": "<b>x</b>"}, {"name": "y"}])))
    assert "<b>" not in evil._repr_html_()


@pytest.mark.parametrize("travel", [copy.deepcopy, lambda result: pickle.loads(pickle.dumps(result))])
def test_a_run_may_be_copied_and_go_to_other_processes(travel, tmp_path):
    ran = messsim.run(SMALL, out=tmp_path / "out")
    for result in (ran, messsim.Result.read(tmp_path / "out")):
        again = travel(travel(result))
        assert (type(again), again.summary, again.notes) == (type(result), result.summary, result.notes)
        assert again.timeline.equals(result.timeline)
        assert again.requests.collect().equals(result.requests.collect())


@pytest.mark.parametrize("make", [messsim.run, messsim.check], ids=["run", "study"])
def test_a_result_is_a_mapping_of_its_summary(make):
    result = make(SMALL)
    assert list(result) == list(result.keys()) == list(result.summary)
    assert dict(result) == result.summary
    assert next(iter(result.summary)) in result
    assert "no such key" not in result
    with pytest.raises(KeyError, match="no such key"):
        result["no such key"]
    assert pl.DataFrame(result).equals(result.to_polars())


def test_results_are_written_where_they_are_wanted(tmp_path):
    messsim.compare(SMALL, ["random", "cheapest"], seeds=1, out=tmp_path / "c")
    assert {"results.parquet", "comparison.json"} <= {p.name for p in (tmp_path / "c").iterdir()}
    assert messsim.Result.read(messsim.run(SMALL, out=tmp_path / "r").directory).summary["scenario"] == "scenario"


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"V": "1e-3"}, "V = '1e-3': expected a list of values, or a range"),
        ({"V": []}, "V = []: expected a list of values"),
        ({"V": "0..1:3"}, "V = '0..1:3': 0..1:3: starts at 0; expected above 0"),
        ([{"v": 1}], "v: unknown key; did you mean 'router.V'?"),
        ({"seed": [1, 2]}, "seed: is no axis; expected seeds=, how many replications of each point"),
        ([{"replication": 1}], "replication: is no axis; expected seeds="),
    ],
)
def test_a_grid_that_is_none(grid, message):
    with pytest.raises(ScenarioError) as error:
        messsim.sweep(SMALL, grid)
    assert message in str(error.value)


def test_axes_of_numpy_and_keys_of_no_table_are_taken():
    axes = {
        "V": np.array([0.5, 1.0]),
        "requests": np.arange(20, 60, 20),
        "models.small.satisfaction": [np.float64(0.5)],
    }
    points = list(_points(axes))
    assert points[0] == {"router.V": 0.5, "requests": 20, "models.small.satisfaction": 0.5}
    assert {type(value) for point in points for value in point.values()} == {int, float}
    assert list(_points([{"requests": np.int64(20)}])) == [{"requests": 20}]
    swept = messsim.sweep(SMALL, {"requests": np.arange(20, 60, 20)}, seeds=1, workers=1)
    assert swept.table["requests"].to_list() == [20, 40]


def test_numbers_of_numpy_are_values_of_a_scenario():
    changed = SMALL.changed(requests=np.int64(30), alpha=np.float32(0.5), **{"router.V": np.float64(2.0)})
    assert (changed.requests, changed.sla.alpha, changed.router.V) == (30, 0.5, 2.0)
    with pytest.raises(ScenarioError, match=r"requests = 30\.0: expected a whole number"):
        SMALL.changed(requests=np.float64(30))


def test_numbers_of_numpy_within_tables_and_lists_are_values_too():
    table = SMALL.model_dump(by_alias=True, exclude_unset=True)
    models = [m | {"satisfaction": np.float64(0.5), "replicas": np.int64(1)} for m in table["models"]]
    given = table | {"requests": np.int64(5), "models": models, "sla": {"alpha": np.float64(0.4)}}
    scenario = messsim.parse(given)
    assert (scenario.requests, scenario.sla.alpha, scenario.models[0].satisfaction) == (5, 0.4, 0.5)
    assert given["models"] is models, "what was given is left as it is"
    assert messsim.run(given).summary["requests"]["arrived"] == 5
    assert messsim.parse(table, requests=np.int64(7)).requests == 7
    rates = [{"kind": "poisson", "rate_rps": rate} for rate in np.array([1.0, 2.0])]
    assert {type(p["arrivals"]["rate_rps"]) for p in _points({"arrivals": rates})} == {float}
    assert SMALL.changed(arrivals=rates[1]).arrivals.rate_rps == 2.0
    assert messsim.Poisson(rate_rps=np.float64(4)).rate_rps == 4.0
    model = messsim.Model(name="m", satisfaction=np.float64(0.5), profile="Llama-3.1-70B", gpu="H100", tp=np.int64(4))
    assert (type(model.tp), type(model.satisfaction)) == (int, float)


def test_counts_of_numpy_are_counts_of_a_study():
    swept = messsim.sweep(SMALL, {"V": [1.0]}, seeds=np.int64(2), workers=1)
    assert "1 point, 2 runs" in str(swept)
    compared = messsim.compare(SMALL, ["random"], seeds=np.int64(2), workers=1)
    assert str(compared) == str(messsim.compare(SMALL, ["random"], seeds=2, workers=1))


@pytest.mark.parametrize("seeds", [2.5, 2.0, "2", True, np.True_, np.float64(2)])
def test_what_is_no_count_of_replications_is_told(seeds):
    studies = (
        lambda: messsim.sweep(SMALL, {"V": [1.0]}, seeds=seeds),
        lambda: messsim.compare(SMALL, ["random"], seeds=seeds),
        lambda: messsim.replicate(SMALL, seeds),
        lambda: messsim.replicate(SMALL, precision=0.5, most=seeds),
        lambda: messsim.converge(SMALL, seeds),
        lambda: messsim.plan(SMALL, ["satisfaction>=1%"], replicas={"large": (1, 2)}, seeds=seeds),
        lambda: messsim.challenge(["random"], seeds=seeds),
    )
    for study in studies:
        with pytest.raises(ScenarioError, match=r"(seeds|most) = .*: expected a whole number$"):
            study()


@pytest.mark.parametrize("workers", [0, -1, 1.5, "2", True])
def test_what_is_no_count_of_workers_is_told(tmp_path, workers):
    with pytest.raises(ScenarioError, match=r"workers = .*: expected a whole number of at least 1"):
        messsim.replicate(SMALL, 2, workers=workers, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ScenarioError, match="workers = "):
        messsim.compare(SMALL, ["oracle"], seeds=2, workers=workers)


def test_workers_may_be_a_number_of_numpy():
    assert "2 replications" in str(messsim.replicate(SMALL, 2, workers=np.int64(1)))


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({}, "grid = {}: expected values by key path"),
        ([], r"grid = \[\]: expected values"),
        (None, "grid = None: expected values"),
        ("alpha", "grid = 'alpha': expected values"),
        ([0.5], "grid = .*: expected values"),
        (["alpha=0.5"], "grid = .*: expected values"),
        ({"alpha": [0.5, 0.5]}, "sla.alpha = 0.5 is given twice"),
        ([{"alpha": 0.5}, {"sla.alpha": 0.5}], "sla.alpha = 0.5 is given twice"),
        ({"alpha": [0.5], "sla.alpha": [0.6]}, "sla.alpha: given twice"),
        ([{"alpha": 0.5, "sla.alpha": 0.6}], "sla.alpha: given twice"),
    ],
)
def test_points_are_some_and_each_of_its_own(grid, message):
    """As on the command line; of two names of one key the first was forgotten."""
    with pytest.raises(ScenarioError, match=message):
        messsim.sweep(SMALL, grid, seeds=1, workers=1)


def test_points_may_come_one_by_one():
    swept = messsim.sweep(SMALL, ({"alpha": a} for a in (0.3, 0.4)), seeds=1, workers=1)
    assert swept.table["sla.alpha"].to_list() == [0.3, 0.4]


def test_policies_may_be_paths(tmp_path):
    (tmp_path / "own.py").write_text("from messsim.routing.simple import random as build\n")
    compared = messsim.compare(SMALL, [tmp_path / "own.py", "random"], seeds=1, workers=1)
    assert compared.table["sla_satisfaction"].n_unique() == 1
    with pytest.raises(ScenarioError, match=r"policies = \[None\]: expected names and files"):
        messsim.compare(SMALL, [None], seeds=1, workers=1)


@pytest.mark.parametrize("seeds", [0, -1])
def test_a_study_has_a_replication_at_least(seeds):
    for study in (lambda: messsim.sweep(SMALL, {"V": [1.0]}, seeds=seeds), lambda: messsim.replicate(SMALL, seeds)):
        with pytest.raises(ScenarioError, match=f"--seeds {seeds}: expected at least 1"):
            study()


def test_a_table_within_itself_is_told_to_be_none():
    table = SMALL.model_dump(by_alias=True, exclude_unset=True)
    table["sla"]["alpha"] = table["sla"]
    with pytest.raises(ScenarioError, match=r"sla\.alpha = .*: expected a number"):
        messsim.parse(table)


@pytest.mark.parametrize("given", [None, 5, b"s.toml", [SMALL]])
def test_what_is_no_scenario_is_told(given):
    with pytest.raises(ScenarioError, match="expected one, its file, or a dictionary"):
        messsim.run(given)


def test_a_table_is_a_pandas_frame():
    pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    checklist = messsim.check(SMALL)
    assert checklist.to_pandas().to_dict("list") == checklist.to_polars().to_dict(as_series=False)


def test_without_pandas_the_extra_is_named(monkeypatch):
    checklist = messsim.check(SMALL)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(OutputError, match=r"pip install 'messsim\[pandas\]'"):
        checklist.to_pandas()


def test_progress_in_a_notebook_is_a_line_that_goes_away(monkeypatch):
    written: list[str] = []
    handle = SimpleNamespace(update=lambda data, raw: written.append(data["text/plain"]))
    monkeypatch.setattr(shown_progress, "_display", lambda: handle)
    monkeypatch.setattr(shown_progress, "FIRST_S", 0.0)
    monkeypatch.setattr(shown_progress, "EVERY_S", 0.0)
    messsim.replicate(SMALL, 2)
    assert written[0] == "0 of 2 runs"
    assert written[-2:] == ["2 of 2 runs", ""]
    written.clear()
    messsim.run(SMALL)
    assert written[-1] == ""


def test_a_notebook_is_given_an_empty_line_to_write_on(monkeypatch):
    shown = []
    handle = SimpleNamespace(display=lambda data, raw: shown.append((data, raw)))
    shell = SimpleNamespace(kernel=None)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(DisplayHandle=lambda: handle))
    assert shown_progress._display() is handle
    assert shown == [({"text/plain": "", "text/html": ""}, True)]
    del shell.kernel  # a terminal's
    assert shown_progress._display() is None
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert shown_progress._display() is None


def test_progress_is_written_twice_a_second_and_as_text(monkeypatch):
    written, now = [], [0.0]
    handle = SimpleNamespace(update=lambda data, raw: written.append((data["text/html"], raw)))
    monkeypatch.setattr(shown_progress, "_display", lambda: handle)
    monkeypatch.setattr(shown_progress.time, "monotonic", lambda: now[0])
    with shown_progress._line() as show:
        for now[0], text in ((0.9, "early"), (1.0, "<first>"), (1.4, "soon"), (1.5, "next")):
            show(text)
    assert written == [("<code>&lt;first&gt;</code>", True), ("<code>next</code>", True), ("", True)]


@pytest.mark.parametrize(
    ("total", "satisfaction", "text"),
    [(200, 0.5, "25 %, 50 requests, 50.0 % satisfied"), (None, math.nan, "-, 50 requests, - satisfied")],
)
def test_what_a_line_says_of_a_run(monkeypatch, total, satisfaction, text):
    shown = []
    monkeypatch.setattr(shown_progress, "_line", lambda: contextlib.nullcontext(shown.append))
    with shown_progress.run_progress(None) as tell:
        tell(SimpleNamespace(requests=50, total=total, satisfaction=satisfaction))
    assert shown == [text]


def test_progress_of_ones_own():
    rows: list[tuple[int, int]] = []
    messsim.replicate(SMALL, 2, progress=lambda done, total: rows.append((done, total)))
    assert rows[-1] == (2, 2)


def test_a_study_takes_a_file_and_policies_in_one_text(tmp_path):
    file = tmp_path / "s.toml"
    file.write_text(dump(SMALL))
    assert len(messsim.compare(file, policies="mess+, random,", seeds=2)["policies"]) == 2
    assert messsim.run(str(file)).summary["requests"]["arrived"] == 60
    with pytest.raises(ScenarioError, match="no such file"):
        messsim.check(tmp_path / "none.toml")
