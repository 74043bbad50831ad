"""MESS+ in shadow on logs: exact where a log tells all, fair where its router was random, refused elsewhere."""

import json
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from builders import model, run, scenario
from test_cli import here

from messsim.errors import DataError, ScenarioError
from messsim.logs.decisions import DecisionColumns, DecisionLog, read_log
from messsim.logs.replay import _by_inverse_propensity, replay
from messsim.workload.choosing import Chooser, conditions
from messsim.workload.time_form import TimeForm

N = 600
COSTS = {"s": 1.0, "m": 4.0, "l": 9.0}
OPTIONS = {"V": 0.05, "c": 0.5}


@pytest.fixture(scope="module")
def simulated():
    data = scenario(
        requests=N,
        seed=3,
        sla={"alpha": 0.65},
        features={"dimensions": 3, "signal": 0.9},
        models=[model(m, s, cost_per_request=COSTS[m]) for m, s in zip("sml", (0.4, 0.6, 0.8), strict=True)],
        cluster={"mode": "none"},
        router=OPTIONS | {"predictor": {"standardize": True}},  # as replay does
    )
    return run(data, "compiled")


def columns(simulated, n=N):
    x = simulated.setup.workload.columns(0, n).features
    return {f"feature__{j:02d}": x[j] for j in range(3)} | {f"cost__{m}": np.full(n, c) for m, c in COSTS.items()}


def written(folder, data, kind="csv"):
    frame, path = pl.DataFrame(data), folder / f"log.{kind}"
    {"csv": frame.write_csv, "parquet": frame.write_parquet, "jsonl": frame.write_ndjson}[kind](path)
    return path


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_a_log_of_all_outcomes_is_replayed_exactly(simulated, tmp_path, kind):
    judged = {f"satisfied__{m}": simulated.satisfied[i] for i, m in enumerate("sml")}
    result = replay(read_log(written(tmp_path, columns(simulated) | judged, kind)), 0.65, seed=3, **OPTIONS)
    assert result["kind"] == "all outcomes"
    assert (result["refused"], result["notes"]) == ([], [])
    assert result["logged"] is None
    ours, theirs = result["mess_plus"], simulated.summary
    assert ours["satisfaction"] == theirs["sla"]["satisfaction"]
    assert ours["time_to_compliance"] == theirs["sla"]["time_to_compliance"]
    assert ours["explored"] == theirs["requests"]["explored"]
    assert ours["cost"] == pytest.approx(theirs["cost"]["total"])
    assert ours["exploration_cost"] == pytest.approx(theirs["cost"]["exploration"])
    assert ours["shares"] == pytest.approx([m["share"] for m in theirs["models"]])
    base = result["baselines"]
    assert base["ratio_to_oracle"] == pytest.approx(theirs["cost"]["ratio_to_oracle"], rel=1e-9)
    assert base["static_mix_per_request"] == pytest.approx(theirs["cost"]["static_mix_per_request"])
    assert base["best_single"]["model"] == theirs["cost"]["best_single"]["model"]


def logged(simulated, chosen, **more):
    satisfied = simulated.satisfied[chosen, np.arange(len(chosen))]
    return columns(simulated, len(chosen)) | {"model": ["sml"[m] for m in chosen], "satisfied": satisfied} | more


def test_a_random_routers_log_is_a_fair_sample(simulated, tmp_path):
    chosen = np.random.default_rng(1).integers(0, 3, N)
    path = written(tmp_path, logged(simulated, chosen, propensity=np.full(N, 1 / 3)))
    result = replay(read_log(path), 0.65, seed=3, **OPTIONS)
    assert result["kind"] == "random"
    assert [r["what"] for r in result["refused"]] == ["explore = 'all'"]
    ours = result["mess_plus"]
    assert ours["requests"] == pytest.approx(N / 3, abs=4 * np.sqrt(N * 2 / 9))
    assert ours["satisfaction"] == pytest.approx(0.65, abs=0.1)
    assert 0 < ours["explored"] < ours["requests"]
    assert result["logged"]["shares"] == pytest.approx(np.bincount(chosen) / N)


def test_one_outcome_a_request_supports_a_shadow_only(simulated, tmp_path):
    chosen = np.zeros(N, int)
    chosen[::3] = 2
    path = written(tmp_path, logged(simulated, chosen))
    result = replay(read_log(path), 0.65, seed=3, **OPTIONS)
    assert result["kind"] == "one outcome"
    assert result["mess_plus"] is None
    assert "nobody knows what the user would have said" in result["refused"][1]["why"]
    satisfied = simulated.satisfied[chosen, np.arange(N)]
    assert result["logged"]["satisfaction"] == satisfied.mean()
    queue = 0.0
    for s in satisfied:
        queue = max(0.0, queue + 0.65 - s)
    assert result["shadow"]["queue_final"] == pytest.approx(queue)
    assert result["shadow"]["certificate_of_logged"] == pytest.approx(0.65 - queue / N)
    assert sum(result["shadow"]["shares"]) == pytest.approx(1.0)
    assert result["shadow"]["cost_per_request"] == pytest.approx(np.dot(result["shadow"]["shares"], [1.0, 4.0, 9.0]))
    assert result["shadow"]["auc"] > 0.6
    begun = replay(read_log(path), 0.65, seed=3, **OPTIONS, initial_queue=1000.0)["shadow"]
    assert begun["queue_final"] == pytest.approx(1000.0 + N * 0.65 - satisfied.sum())  # which never came to 0
    assert begun["certificate_of_logged"] == pytest.approx(satisfied.mean())
    assert replay(read_log(path), 0.65, seed=3, **OPTIONS | {"c": 0.0})["shadow"] == result["shadow"]  # never explores


def test_no_shortfall_where_satisfaction_is_alpha(tmp_path):
    """3 of 10 for a promise of 0.1 + 0.2, which floats put above 0.3."""
    data = {"model": ["a"] * 10, "satisfied": [1] * 3 + [0] * 7, "cost__a": [1.0] * 10, "propensity": [1.0] * 10}
    logged = replay(read_log(written(tmp_path, data)), 0.1 + 0.2)["logged"]
    assert (logged["satisfaction"], logged["shortfall"]) == (0.3, 0.0)
    assert replay(read_log(written(tmp_path, data)), 0.4)["logged"]["shortfall"] == pytest.approx(0.1)


@pytest.mark.parametrize("dearest", [1e-310, 1e-16, 1e300])
def test_costs_of_no_plausible_size_are_told_as_costs(simulated, tmp_path, dearest):
    judged = {f"satisfied__{m}": simulated.satisfied[i] for i, m in enumerate("sml")}
    costs = {"cost__s": np.zeros(N), "cost__m": np.zeros(N), "cost__l": np.full(N, dearest)}
    log = read_log(written(tmp_path, columns(simulated) | judged | costs, "parquet"))
    with pytest.raises(ScenarioError, match="costs: the dearest model costs "):
        replay(log, 0.65, seed=3)


def test_answers_without_a_rating_teach_nothing(simulated, tmp_path):
    chosen = np.ones(N, int)
    data = logged(simulated, chosen)
    data["satisfied"] = [None if t % 2 else s for t, s in enumerate(data["satisfied"])]
    result = replay(read_log(written(tmp_path, data)), 0.65)
    assert result["logged"]["rated"] == N // 2
    assert result["logged"]["satisfaction"] == simulated.satisfied[1, ::2].mean()


def test_without_expected_costs_their_means_stand_for_them(tmp_path):
    data = {"model": ["b", "a", "a"], "satisfied": [1, 0, 1], "cost": [5.0, 1.0, 3.0]}
    log = read_log(written(tmp_path, data))
    assert log.models == ["a", "b"]
    assert log.costs.tolist() == [[2.0] * 3, [5.0] * 3]
    assert log.chosen.tolist() == [1, 0, 0]
    assert log.features.shape == (0, 3)


def test_ratings_in_words_are_read_as_those_of_outcomes(tmp_path):
    data = {"model": ["a", "a", "a"], "satisfied": ["up", "down", ""], "cost": [1.0] * 3}
    assert read_log(written(tmp_path, data)).satisfied.tolist() == pytest.approx([1.0, 0.0, np.nan], nan_ok=True)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"model": ["a"], "satisfied": ["so so"], "cost": [1.0]}, "--map 'pass=1,fail=0' says what values mean"),
        ({"model": ["a"], "cost": [1.0]}, "column 'satisfied' is missing"),
        ({"model": ["a"], "satisfied": [1]}, "tells no costs; expected cost__a, or model and cost"),
        (
            {"model": ["a"], "satisfied": [2], "cost": [1.0]},
            "column 'satisfied' has 2 in row 1; expected a satisfaction from 0 to 1",
        ),
        ({"model": ["a"], "satisfied": [1], "cost": [-1.0]}, "column 'cost' has -1 in row 1"),
        ({"satisfied__a": [1], "satisfied__b": [0], "cost__a": [1.0]}, "column 'cost__b' is missing"),
        ({"satisfied__a": [1], "model": ["c"], "cost__a": [1.0]}, "column 'model' has 'c' in row 1; expected one of a"),
        ({"satisfied__a": [1], "satisfied__b": [1], "model": ["a"], "cost": [1.0]}, "model 'b' never answers"),
        ({"satisfied__a": [1], "cost__a": [1.0], "feature__x": ["?"]}, "column 'feature__x' has '?' in row 1"),
    ],
)
def test_a_log_that_cannot_be_read_is_told(tmp_path, data, expected):
    with pytest.raises(DataError) as error:
        read_log(written(tmp_path, data))
    assert expected in str(error.value)


def test_ratings_that_are_none_are_told_with_their_option(tmp_path):
    data = {"model": ["a"], "good": [[1]], "cost": [1.0]}
    with pytest.raises(
        DataError, match=r"column 'good' is of type List\(Int64\); expected ratings: --satisfied COLUMN$"
    ):
        read_log(written(tmp_path, data, "jsonl"), DecisionColumns(satisfied="good"))


def test_the_command(simulated, tmp_path):
    path = written(tmp_path, logged(simulated, np.ones(N, int)))
    command = [sys.executable, "-m", "messsim.cli", "replay", str(path), "--alpha", "0.65", "--set", "V=0.05"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=None)
    assert "refused: satisfaction, shortfall" in done.stdout
    data = json.loads(
        subprocess.run([*command, "--json", "--out", str(tmp_path / "o.json")], capture_output=True, check=True).stdout
    )
    assert json.loads((tmp_path / "o.json").read_text()) == data
    wrong = subprocess.run([*command, "--set", "Vee=1"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "Vee: no such option" in wrong.stderr


@pytest.mark.parametrize("key", ["seed", "alpha", "features", "models", "max_pending", "options"])
def test_what_is_no_option_of_the_router_is_told(simulated, tmp_path, key):
    path = written(tmp_path, logged(simulated, np.ones(N, int)))
    done = here("replay", path, "--alpha", "0.65", "--set", f"{key}=1")
    assert done.returncode == 2
    assert f"error: {key}: no such option; expected any of V, c," in done.stderr


def test_rows_without_a_model_are_left_out_and_counted(tmp_path):
    data = {"model": ["b", None, "a", None, "a"], "satisfied": [1, 0, 0, None, 1], "cost": [5.0, None, 1.0, 0.0, 3.0]}
    for kind in ("csv", "parquet", "jsonl"):
        log = read_log(written(tmp_path, data, kind))
        assert (log.models, len(log), log.unanswered) == (["a", "b"], 3, 2)
    result = replay(log, 0.5)
    assert result["unanswered"] == 2
    assert result["notes"] == ["2 rows name no model, as of calls that failed: they are left out"]
    with pytest.raises(DataError, match="column 'model' is empty in every row; expected who answered"):
        read_log(written(tmp_path, {"model": ["", " "], "satisfied": [1, 0], "cost": [1.0, 1.0]}, "jsonl"))


def test_a_log_of_one_model_says_so(tmp_path):
    log = read_log(written(tmp_path, {"model": ["a", "a"], "satisfied": [1, 0], "cost": [1.0, 1.0]}))
    assert replay(log, 0.5)["notes"] == ["the log knows one model, a: there is nothing to decide"]


def test_models_that_differ_in_capitals_alone_are_told(tmp_path):
    rows = {"model": ["a", "GPT-4", "gpt-4"], "satisfied": [1, 0, 1], "cost": [1.0, 5.0, 5.0]}
    note = "models 'GPT-4', 'gpt-4' differ in capitals alone: if they are one, write it in one way"
    assert replay(read_log(written(tmp_path, rows)), 0.5)["notes"] == [note]


def test_decisions_of_one_time_stay_in_the_order_of_the_file(tmp_path):
    n = 396
    rows = {"model": ["a", "b"] * (n // 2), "satisfied": [1, 0] * (n // 2), "cost": [1.0] * n}
    path = written(tmp_path, rows | {"feature__x": list(range(n)), "at": [5 - i // 2 % 3 for i in range(n)]})
    log = read_log(path, DecisionColumns(time="at"))
    times = "times a row is earlier than the row above it: all are put in order of time"
    assert log.notes == (f"132 {times}",), "not the second of each pair"
    assert log.features[0].tolist() == [i for rest in (2, 1, 0) for i in range(n) if i // 2 % 3 == rest]


def test_a_log_is_put_in_the_order_of_its_times(tmp_path):
    rows = {"model": ["a", "b", "a"], "satisfied": [1, 0, 1], "cost": [1.0, 2.0, 1.0], "feature__x": [1.0, 2.0, 3.0]}
    path = written(tmp_path, rows | {"at": ["2025-01-01 00:00:03", "2025-01-01 00:00:01", "2025-01-01 00:00:02"]})
    log = read_log(path, DecisionColumns(time="at"))
    assert log.features.tolist() == [[2.0, 3.0, 1.0]]
    assert log.notes == ("1 times a row is earlier than the row above it: all are put in order of time",)
    assert read_log(path).features.tolist() == [[1.0, 2.0, 3.0]]
    with pytest.raises(DataError, match="row 1"):
        read_log(path, DecisionColumns(time="at", form=TimeForm("%d/%m/%Y")))
    arguments = ["replay", path, "--alpha", "50%", "--time", "at", "--time-format", "%Y-%m-%d %H:%M:%S", "--json"]
    assert here(*arguments).returncode == 0
    assert "expected --time COLUMN with them" in here("replay", path, "--alpha", "0.5", "--time-zone", "UTC").stderr


def test_grades_are_not_left_out_with_rows_that_failed(tmp_path):
    rows = [{"model": m, "satisfied": s, "cost": 1.0} for m, s in (("a", 3), ("b", 5), ("a", 1))]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError, match=r"column 'satisfied' has 3 in row 1; .*--map 1\.\.5"):
        read_log(tmp_path / "log.jsonl", chooser=Chooser(tokens=("cost",)))
    rows = [{"model": m, "satisfied": s, "cost": 1.0} for m, s in (("a", "1"), ("b", "-"), ("a", ""))]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, rows)))
    log = read_log(tmp_path / "log.jsonl", chooser=Chooser(tokens=("cost",)))
    assert log.notes == ("ratings that are no number are left out: 1",)


def test_rows_without_a_cost_are_called_so(tmp_path):
    rows = [{"model": m, "satisfied": 1, "cost": c} for m, c in (("a", 1.0), ("b", 2.0), ("a", None), ("b", 2.0))]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = here("replay", tmp_path / "log.jsonl", "--alpha", "0.5")
    assert done.returncode == 2
    assert "column 'cost' has no value in row 3; " in done.stderr
    assert "--skip-failed leaves out rows without a cost" in done.stderr
    done = here("replay", tmp_path / "log.jsonl", "--alpha", "0.5", "--skip-failed")
    assert done.returncode == 0
    assert "rows without a cost are left out: 1" in done.stdout


def test_inverse_propensity_by_hand():
    """Two rows count: weights 2 and 4, satisfactions 1 and 0.25; of the others one differs, one has no rating."""
    log = DecisionLog(
        ["a", "b"],
        np.zeros((0, 4)),
        np.ones((2, 4)),
        np.array([0, 1, 0, 1]),
        np.array([1.0, 0.25, 1.0, np.nan]),
        None,
        np.array([0.5, 0.25, 0.1, 0.1]),
    )
    mean, weights = (2 * 1.0 + 4 * 0.25) / 6, 2 + 4
    assert _by_inverse_propensity(log, np.array([True, True, False, True])) == {
        "satisfaction": pytest.approx(mean, rel=1e-15),
        "standard_error": pytest.approx(
            ((2 * (1.0 - mean)) ** 2 + (4 * (0.25 - mean)) ** 2) ** 0.5 / weights, rel=1e-12
        ),
        "effective_sample_size": pytest.approx(weights**2 / (2**2 + 4**2), rel=1e-15),
    }
    assert _by_inverse_propensity(log, np.array([False, False, False, True])) is None


@pytest.mark.parametrize(
    ("bad", "value"),
    [
        ({"satisfied": 7}, "'satisfied' has 7"), ({"cost": -1.0}, "'cost' has -1"), ({"feature__x": 1e300}, "1e\\+300"),
        ({"propensity": 0.0}, "'propensity' has 0"), ({"propensity": 2.0}, "'propensity' has 2"),
        ({"at": "Total"}, "'at' has 'Total'"),
    ],
)  # fmt: skip
def test_rows_are_those_of_the_file_whichever_are_left_out_or_moved(tmp_path, bad, value):
    good = {
        "model": "a",
        "satisfied": 1,
        "cost": 1.0,
        "feature__x": 1.0,
        "propensity": 0.5,
        "at": "2025-01-01 00:00:09",
    }
    first = good | {"at": "2025-01-01 00:00:30"}
    rows = [first, good | {"model": "c"}, good | {"model": "b"}, good | {"model": None}, good | bad]
    path = written(tmp_path, {c: [row[c] for row in rows] for c in good})
    with pytest.raises(DataError, match=f"{value} in row 5;"):
        read_log(path, DecisionColumns(time="at"), Chooser(conditions(["model!=c"])))
