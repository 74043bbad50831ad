"""Parts of reading what others wrote: tables of TOML, HELM, SWE-bench, tools by columns, ratings, decisions."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from messsim.errors import DataError, ScenarioError
from messsim.logs import starting
from messsim.logs.decisions import DecisionColumns, DecisionLog, read_log
from messsim.logs.helm import statistics
from messsim.logs.made_of import MadeOf, as_text, columns_of
from messsim.logs.presets import PRESETS, first_of, lacking, nearest, recognised
from messsim.logs.scores import OutcomeOptions, parse_map, satisfaction
from messsim.logs.starting import beginning, profiles_of
from messsim.logs.swe_bench import read_report
from messsim.logs.toml import import_toml, outcomes_toml
from messsim.scenario.arrivals import Columns
from messsim.zoo import UnknownProfile

FILE = Path("log.csv")

# ---- tables of TOML -------------------------------------------------------------------------------------


def imported(**more):
    given = {
        "duration_s": 5.0, "rate_rps": 2.0, "start": None, "tenants": [], "columns": {}, "block_tokens": None
    }  # fmt: skip
    return import_toml(given | more, Path('a"b.csv')).split("\n")


NAME = 'file = "a\\"b.csv"'
LAWS = ['prompt = { kind = "trace" }', 'output = { kind = "trace" }']


def test_a_trace_with_times_is_arrivals():
    assert imported() == ["[arrivals]", 'kind = "trace"', NAME, "", "[tokens]", *LAWS]
    assert imported(start="2024-05-06Z")[2] == NAME + " # 0 s in it is 2024-05-06Z"
    assert imported(rate_rps=None)[3] == "repeat = false"
    with_tenants = imported(tenants=[{"name": "x", "share": 0.25}], columns={"chat": "c d"}, block_tokens=16)
    assert with_tenants[3:5] == ['columns = { tenant = "tenant", chat = "c d" }', "block_tokens = 16"]
    assert with_tenants[-4:] == ["", "[[tenants]]", 'name = "x"', "share = 0.25"]


def test_a_trace_without_times_is_lengths():
    assert imported(duration_s=None) == [
        "[arrivals]", 'kind = "poisson"', "rate_rps = 2", "", "[tokens]", NAME, *LAWS
    ]  # fmt: skip
    assert imported(duration_s=None, rate_rps=None)[2].startswith("rate_rps = 1.0 # requests per second: the file")


def test_tables_of_outcomes():
    text = outcomes_toml(["a", "b"], FILE, costs=True, tokens=False)
    assert 'costs = "cost__{column}"' in text
    assert "[tokens]" not in text
    assert "cost_per_request" not in text
    text = outcomes_toml(["a", "b"], FILE, costs=False, tokens=True)
    assert 'prompt = { kind = "table" }' in text
    assert text.index("cost_per_request = 1 #") < text.index('name = "b"') < text.index("cost_per_request = 10 #")


# ---- a scenario to begin from ---------------------------------------------------------------------------


def test_models_by_name_stand_by_active_parameters():
    small, large = profiles_of(["Llama-3.1-70B", "Llama-3.1-8B"])
    assert (small.model, large.model) == ("Llama-3.1-8B", "Llama-3.1-70B")
    assert (small.gpu, small.weights, small.tp) == ("H100", "bf16", 1)
    assert profiles_of(["Llama-3.1-8B/A100"])[0].gpu == "A100"
    with pytest.raises(ScenarioError, match=r"--models: Llama-3.1-8B is named twice"):
        profiles_of(["Llama-3.1-8B", "Llama-3.1-8B/A100"])
    with pytest.raises(ScenarioError, match=r"--models llama: could be .*; expected one of them"):
        profiles_of(["llama"])
    with pytest.raises(UnknownProfile):
        profiles_of(["nothing-at-all"])


def test_a_models_whole_name_is_that_model_in_any_case(monkeypatch):
    made = [SimpleNamespace(model=model, gpu="H100", weights="bf16", tp=1) for model in ("Ab-3", "Ab-3-Large")]
    monkeypatch.setattr(starting, "select_profiles", lambda name: made)
    monkeypatch.setattr(starting, "load_models", lambda: dict.fromkeys(["Ab-3"], SimpleNamespace(active_parameters=1)))
    for name in ("Ab-3", "ab-3", "AB-3", "ab-3/H100"):
        assert [p.model for p in profiles_of([name])] == ["Ab-3"]
    with pytest.raises(ScenarioError, match="--models ab: could be Ab-3, Ab-3-Large; expected one of them"):
        profiles_of(["ab"])


def test_the_promise_lies_between_the_two_best():
    models = profiles_of(["Llama-3.1-70B", "Llama-3.1-8B"])
    text = beginning("n", models, alpha=None, rate_rps=2.5)
    assert "alpha = 0.65 #" in text
    assert text.index("satisfaction = 0.55 #") < text.index("satisfaction = 0.75 #")
    assert "rate_rps = 2.5 #" in text
    assert text.count("[[models]]") == 2
    assert f"tp = {models[1].tp}" in text
    assert "tp = 1" not in text
    one = beginning("n", models[:1], alpha=None, rate_rps=1.0)
    assert "alpha = 0.55 #" in one
    given = beginning("n", models, alpha=0.9, rate_rps=1.0, traffic="[arrivals] # mine\n")
    assert "alpha = 0.9 #" in given
    assert "poisson" not in given


# ---- HELM and SWE-bench ---------------------------------------------------------------------------------


def stat(name, **value):
    return {"name": {"name": name}} | value


def helm(**row):
    base = {"instance_id": "i", "train_trial_index": 0, "perturbation": None}
    return base | row


def test_statistics_of_an_instance_become_columns():
    frame = pl.DataFrame(
        [
            helm(stats=[stat("f1_score", mean=0.5, sum=1.0), stat("num_prompt_tokens", mean=None, sum=7.0)]),
            helm(stats=[stat("num_output_tokens", mean=3.0, sum=3.0)]),
            helm(instance_id="j", stats=[stat("f1_score", mean=1.0, sum=1.0)]),
            helm(train_trial_index=1, stats=[stat("f1_score", mean=0.0, sum=0.0)]),
            helm(perturbation="typos", stats=[stat("f1_score", mean=0.0, sum=0.0)]),
        ],
        strict=False,
        infer_schema_length=None,
    )
    table, score = statistics(frame, FILE, None, ("accuracy",))
    assert score == "f1_score"
    assert table["instance_id"].to_list() == ["i", "j"]
    assert table["f1_score"].to_list() == [0.5, 1.0]
    assert table["output_tokens"].to_list() == [3.0, None]
    with pytest.raises(DataError, match=r"has no statistic exact; it has f1_score, .*: --score NAME"):
        statistics(frame, FILE, "exact", ())
    with pytest.raises(DataError, match="column 'stats' is of type Int64; expected HELM's statistics of an instance"):
        statistics(pl.DataFrame({"stats": [1]}), FILE, None, ())


def test_statistics_may_be_an_object_by_name():
    frame = pl.DataFrame({"instance_id": ["i"], "stats": [{"accuracy": 1.0, "f1_score": 0.5}]})
    table, score = statistics(frame, FILE, None, ("accuracy",))
    assert (score, table["accuracy"].to_list()) == ("accuracy", [1.0])  # the usual names go first
    assert statistics(frame, FILE, "f1_score", ("accuracy",))[1] == "f1_score"


def test_statistics_of_an_instance_may_come_in_several_rows():
    """A file's rows all have the same names: what one of them does not say takes nothing from the others."""
    stats = [{"f1_score": 0.5, "num_output_tokens": None}, {"f1_score": None, "num_output_tokens": 3.0}]
    table, _ = statistics(pl.DataFrame({"instance_id": ["i", "i"], "stats": stats}), FILE, None, ())
    assert table.rows(named=True) == [{"instance_id": "i", "f1_score": 0.5, "output_tokens": 3.0}]


def report(folder, content, name="some.model.run.json"):
    file = folder / name
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_report(file)


def test_a_report_lists_what_was_tried_and_resolved(tmp_path):
    content = {"schema_version": 2, "submitted_ids": ["a", "b"], "resolved_ids": ["b"], "incomplete_ids": ["c", "d"]}
    read = report(tmp_path, content)
    assert read.frame.rows() == [("a", False), ("b", True)]
    assert read.model == "some.model"
    assert read.notes == ["some.model.run.json: instances that were not submitted are left out: 2"]
    assert not read.only_resolved
    assert report(tmp_path, content, "run.json").model is None


def test_results_of_a_submission_may_list_only_what_was_resolved(tmp_path):
    read = report(tmp_path, {"resolved": ["a"], "no_logs": ["b"]}, "results.json")
    assert read.only_resolved
    assert read.frame.rows() == [("b", False), ("a", True)]
    assert "does not list what failed" in read.notes[0]
    assert not report(tmp_path, {"resolved": ["a"], "generated": ["a", "b"]}, "results.json").only_resolved
    each = report(tmp_path, {"a": {"resolved": True}, "b": {"resolved": 0}}, "r.json")
    assert each.frame.rows() == [("a", True), ("b", False)]


@pytest.mark.parametrize(
    "content", ["[]", "{}", "nonsense", '{"a": 1}', '{"a": {"x": 1}}', '{"a": {"resolved": 1}, "b": 2}']
)
def test_what_is_no_report_is_none(tmp_path, content):
    assert report(tmp_path, content) is None
    assert report(tmp_path, '{"resolved": []}', "r.csv") is None


# ---- tools by their columns -----------------------------------------------------------------------------

LITELLM = {"startTime": pl.String, "prompt_tokens": pl.Int64, "completion_tokens": pl.Int64}


def test_a_tool_is_known_by_all_that_tells_it():
    by_name = {p.name: p for p in PRESETS}
    assert lacking(LITELLM, by_name["litellm"]) == ("spend|call_type",)
    assert lacking(LITELLM | {"call_type": pl.String}, by_name["litellm"]) == ()
    assert recognised(LITELLM | {"spend": pl.Float64}).name == "litellm"
    assert recognised({"x": pl.Int64}) is None
    assert nearest({"startTime": pl.String}) is None


@pytest.mark.parametrize(
    ("columns", "like", "lacks"),
    [
        ("startTime completion_tokens spend", "litellm", ["prompt_tokens"]),
        ("timestamp input_length", "mooncake", ["output_length"]),
        ("startTime prompt_tokens completion_tokens", None, None),
        ("id input_tokens output_tokens total_tokens latency", None, None),  # Azure's, but for its time
        ("time_iso8601 status prompt_tokens completion_tokens", None, None),  # half of Helicone's
        ("clients prompt_tokens output_tokens", None, None),
        ("Type Name", None, None),
    ],
)
def test_a_tool_is_named_only_where_a_column_of_its_own_is_there(columns, like, lacks):
    near = nearest(dict.fromkeys(columns.split(), pl.String))
    assert (near and (near[0].name, near[1])) == (like and (like, lacks))


def test_the_first_name_that_is_there_and_a_path_into_text_last():
    schema = {"a": pl.String, "b": pl.Struct({"c": pl.Int64})}
    assert first_of(schema, ("x", "b.c", "a")) == "b.c"
    assert first_of(schema, ("a.q", "x")) is None
    assert first_of(schema, ("a.q", "b.c"), in_text=True) == "b.c"  # what needs no reading of text goes first
    assert first_of(schema, ("a.q",), in_text=True) == "a.q"


# ---- ratings --------------------------------------------------------------------------------------------


def rated(scores, options):
    return satisfaction(pl.Series("s", scores), "s", FILE, OutcomeOptions(**options)).to_list()


@pytest.mark.parametrize(
    ("values", "options", "expected"),
    [
        ([0.0, 0.5, 1.0, None], {}, [0.0, 0.5, 1.0, None]),
        (["0.5", "50%", " 100% ", ""], {}, [0.5, 0.5, 1.0, None]),
        (["Pass", "failed", "TRUE", "correct"], {}, [1.0, 0.0, 1.0, 1.0]),
        ([True, False], {}, [1.0, 0.0]),
        ([1, 3, 5], {"grades": (1.0, 5.0)}, [0.0, 0.5, 1.0]),
        (["good", "1"], {"values": {"good": 0.75, "1": 0.25}}, [0.75, 0.25]),  # what is mapped goes first
        ([0.5, None], {"skip_failed": True}, [0.5, None]),
        ([float("nan"), 1.0], {"skip_failed": True}, [None, 1.0]),
    ],
)
def test_scores_as_satisfaction(values, options, expected):
    assert rated(values, options) == expected


@pytest.mark.parametrize(
    ("values", "options", "value"),
    [([0.5, 1.1], {}, "1.1"), ([0.5, -0.1], {}, "-0.1"), (["1", "meh"], {}, "'meh'"), ([1.0, float("nan")], {}, "nan"),
     ([3, 6], {"grades": (1.0, 5.0)}, "6")],
)  # fmt: skip
def test_what_is_no_score_is_told(values, options, value):
    with pytest.raises(DataError, match=rf"column 's' has {value} in row 2; expected a satisfaction from 0 to 1"):
        rated(values, options)


def test_nested_scores_are_told():
    with pytest.raises(DataError, match=r"column 's' is of type List\(Int64\); expected scores: --score COLUMN"):
        rated([[1]], {})


def test_a_map_of_values_or_grades():
    assert parse_map([" 1..5 "]) == (None, (1.0, 5.0))
    assert parse_map(["Pass=1, a=b=0.5", "x=0"]) == ({"pass": 1.0, "a=b": 0.5, "x": 0.0}, None)
    assert parse_map([]) == (None, None)
    for text in ("5..5", "6..5"):
        with pytest.raises(DataError, match=rf"--map {text}: expected LOWEST..HIGHEST"):
            parse_map([text])
    for text in ("a=1.1", "a=-0.1", "a", "a=x", "a=nan", "0.5"):
        with pytest.raises(DataError, match=f"--map '{text}': expected VALUE=SATISFACTION, from 0 to 1"):
            parse_map([text])


# ---- decisions ------------------------------------------------------------------------------------------


def log(folder, columns=None, **data):
    file = folder / "log.csv"
    pl.DataFrame(data).write_csv(file)
    return read_log(file, columns)


def test_a_log_of_ratings_and_costs(tmp_path):
    read = log(
        tmp_path,
        model=["b", "a", "", "b"],
        satisfied=[1.0, None, 0.0, 0.5],
        cost=[4.0, 1.0, 9.0, 2.0],
        feature__y=[1, 2, 3, 4],
        feature__x=[5, 6, 7, 8],
    )
    assert read.models == ["a", "b"]  # in rising order of mean cost
    assert read.costs.tolist() == [[1.0] * 3, [3.0] * 3]
    assert read.chosen.tolist() == [1, 0, 1]
    assert read.satisfied.tolist()[::2] == [1.0, 0.5]
    assert np.isnan(read.satisfied[1])
    assert read.features.tolist() == [[5, 6, 8], [1, 2, 4]]
    assert (read.unanswered, len(read), read.outcomes, read.propensity) == (1, 3, None, None)


def test_a_log_of_all_outcomes(tmp_path):
    read = log(tmp_path, satisfied__a=[0, 1], satisfied__b=[1, 1], cost__a=[5.0, 7.0], cost__b=[1.0, 2.0])
    assert read.models == ["b", "a"]
    assert read.outcomes.tolist() == [[1, 1], [0, 1]]
    assert read.costs.tolist() == [[1.0, 2.0], [5.0, 7.0]]
    assert (read.chosen, read.satisfied) == (None, None)


def test_names_and_times_of_ones_own(tmp_path):
    columns = DecisionColumns(model="llm", satisfied="stars", cost="usd", grades=(1.0, 5.0), time="t")
    assert columns.options() == {"model": "llm", "satisfied": "stars", "cost": "usd"}
    read = log(tmp_path, columns, llm=["a", "b", "a"], stars=[1, 3, 5], usd=[1.0, 2.0, 3.0], t=[5, 4, 6])
    assert read.chosen.tolist() == [1, 0, 0]
    assert read.satisfied.tolist() == [0.5, 0.0, 1.0]
    assert read.notes == ("1 times a row is earlier than the row above it: all are put in order of time",)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"model": ["a"], "cost": [1.0]}, "column 'satisfied' is missing; .*--satisfied COLUMN names it"),
        ({"model": ["", ""], "satisfied": [1, 1], "cost": [1, 1]}, "column 'model' is empty in every row"),
        ({"model": ["a"], "satisfied": [1]}, "tells no costs; expected cost__a, or model and cost"),
        ({"model": ["a"], "satisfied": [1], "cost": [-1]}, "has -1 in row 1; .* can be left out, --select 'cost>=0'$"),
        (
            {"model": ["a"], "satisfied": [1], "cost": ["n/a"]},
            "'n/a' in row 1; .*; --skip-failed leaves out rows without",
        ),
        ({"model": ["a"], "satisfied": [1], "cost": ["1 piece"]}, "'1 piece' in row 1; expected a number, at least 0$"),
        (
            {"model": ["c"], "satisfied": [1], "cost__a": [1.0]},
            "column 'model' has 'c' in row 1; expected one of a",
        ),
        (
            {"model": ["a", "a"], "satisfied": [1, 1], "cost": [1, 1], "propensity": [0.5, 0.0]},
            "column 'propensity' has 0 in row 2; expected a probability above 0",
        ),
        (
            {"satisfied__a": [1], "satisfied__b": [1], "model": ["a"], "cost": [1.0]},
            "model 'b' never answers, so its cost is unknown; expected cost__b",
        ),
    ],
)
def test_what_a_log_lacks_is_told(tmp_path, data, message):
    with pytest.raises(DataError, match=message):
        log(tmp_path, **data)
    with pytest.raises(DataError) as error:
        log(tmp_path, **data)
    assert str(error.value).startswith(f"{tmp_path}/log.csv: ")


def test_a_column_of_times_that_a_log_lacks_is_told(tmp_path):
    with pytest.raises(DataError, match=f"{tmp_path}/log.csv: column 't' is missing"):
        log(tmp_path, DecisionColumns(time="t"), model=["a"], satisfied=[1], cost=[1.0])


@pytest.mark.parametrize(
    ("propensity", "expected"),
    [([0.5, 0.5], True), ([0.5, 0.5 + 9e-7], True), ([0.5, 0.5 + 2e-6], False), (None, False), ([0.4, 0.4], False)],
)
def test_a_log_is_random_where_all_models_are_as_likely(propensity, expected):
    costs = np.ones((2, 2))
    given = None if propensity is None else np.array(propensity)
    assert DecisionLog(["a", "b"], np.empty((0, 2)), costs, None, None, None, given).is_random is expected


# ---- what prompts are made of ---------------------------------------------------------------------------


def test_columns_of_sessions_are_called_as_messsim_does():
    names = Columns(session="conv", delay="gap", delay_format="ms", hash_ids="h")
    assert columns_of(names) == {"hash_ids": "h", "session": "conv", "delay": "gap"}
    made = MadeOf(names, FILE, 4)
    frame = pl.DataFrame({"conv": ["a", "a"], "gap": [None, 1500.0], "h": [[1], [1, 2]], "x": [0, 0]})
    made.add(frame, np.array([True, True]), np.array([4, 8], np.int32), 0)
    made.check(np.zeros(2), np.array([4, 8], np.int32))
    beside = made.beside(pl.DataFrame({"t": [0, 1]}), np.array([1, 0]))
    assert beside.columns == ["t", "hash_ids", "session", "delay_s"]
    assert beside["delay_s"].to_list() == [1.5, None]
    assert as_text(beside)["hash_ids"].to_list() == ["1 2", "1"]


def test_rows_that_are_left_out_are_not_checked():
    made = MadeOf(Columns(chat="c", parent="p"), FILE, 4)
    frame = pl.DataFrame({"c": ["a", "a"], "p": ["", ""]})  # the same id twice
    made.add(frame, np.array([True, False]), np.ones(2, np.int32), 0)
    made.check(np.zeros(2), np.ones(2, np.int32))
    assert made.beside(pl.DataFrame({"t": [0]}), None).columns == ["t", "chat", "parent"]
    whole = MadeOf(Columns(chat="c", parent="p"), FILE, 4)
    whole.add(frame, np.ones(2, bool), np.ones(2, np.int32), 0)
    with pytest.raises(DataError, match="expected different ids"):
        whole.check(np.zeros(2), np.ones(2, np.int32))
    nothing = MadeOf(Columns(), FILE, 4)
    nothing.add(frame, np.ones(2, bool), np.ones(2, np.int32), 0)
    nothing.check(np.zeros(2), np.ones(2, np.int32))
    assert nothing.beside(frame, None) is frame


def test_a_bad_cost_or_probability_is_told_by_the_name_that_the_file_has(tmp_path):
    columns = DecisionColumns(cost="usd", propensity="p")
    data = {"model": ["a", "b"], "satisfied": [1, 0], "usd": [1.0, -2.0], "p": [0.5, 0.5]}
    with pytest.raises(DataError, match=r"column 'usd' has -2 in row 2; .* can be left out, --select 'usd>=0'$"):
        log(tmp_path, columns, **data)
    with pytest.raises(DataError, match="column 'p' has 0 in row 2"):
        log(tmp_path, columns, **data | {"usd": [1.0, 2.0], "p": [0.5, 0.0]})


def test_rows_that_do_not_stand_in_order_are_noted(tmp_path):
    data = {"model": ["a", "b", "a"], "satisfied": [1, 0, 1], "cost": [1.0, 2.0, 1.0]}
    note = (
        "1 times a row is earlier, by 'created_at', than the row above it: --time created_at puts all in order of time"
    )
    assert log(tmp_path, DecisionColumns(), **data, created_at=[5, 4, 6]).notes == (note,)
    assert log(tmp_path, DecisionColumns(), **data, created_at=[4, 5, 6]).notes == ()
    assert log(tmp_path, DecisionColumns(), **data, created_at=["b", "a", "c"]).notes == ()
    assert log(tmp_path, DecisionColumns(), **data, created_at=[5, None, 4]).notes == ()
