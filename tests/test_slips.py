"""Slips of people who write scenarios and tables by hand: what an error says is what helps."""

import tomllib

import polars as pl
import pytest
from test_logs import here

from messsim.errors import DataError, ScenarioError
from messsim.logs.decisions import read_log
from messsim.logs.outcomes import read_outcomes
from messsim.logs.scores import OutcomeOptions
from messsim.logs.traces import TraceColumns, plan_reading, read_requests
from messsim.scenario import load, parse
from messsim.study.calibrate.measurements import read_measurements
from messsim.workload.blocks import whole
from messsim.workload.choosing import Chooser, conditions

SCENARIO = """requests = 200
[sla]
alpha = 0.6
[arrivals]
kind = "poisson"
rate_rps = 4.0
[satisfaction]
kind = "irt"
[cluster]
mode = "none"
[[models]]
name = "small"
satisfaction = 0.6
cost_per_request = 1
[[models]]
name = "large"
satisfaction = 0.8
cost_per_request = 9
"""
COLUMNS = TraceColumns("t", "p", "o")


def problem(folder, old, new):
    file = folder / "q.toml"
    assert old in SCENARIO
    file.write_text(SCENARIO.replace(old, new, 1))
    with pytest.raises(ScenarioError) as error:
        load(file)
    return str(error.value).removeprefix(f"{file}: ")


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        ('"poisson"', "poisson", 'text stands in quotes: "poisson"'),
        ('"poisson"', "\u201cpoisson\u201d", 'the quotes of TOML are straight: "poisson"'),
        ("0.6", "0,6", "expected a point in 0,6"),
        ("0.6", "0,65  # as promised", "expected a point in 0,65"),
        ("0.6", "0,650", "expected a point in 0,650"),
        ("= 200", "= 20,000", "expected 20000, or 20_000"),
        ("= 200", "= 1,000,000 # a lot", "expected 1000000, or 1_000_000"),
        ("= 200", "= 200\nrequests = 300", "; requests stands twice"),
        (
            "[sla]",
            "sla = 1\nsla.alpha = 0.5\n[slo]",
            "; sla.alpha makes a table of what is a value, or a value of a table",
        ),
        ("[sla]", "sla.alpha = 1\nsla.alpha = 0.5\n[slo]", "; sla.alpha stands twice"),
        ("[[models]]", "[models]", "; [[models]] stands beside the same name in single brackets"),
        ('name = "small"', 'name = "C:\\data\\small"', "a path takes slashes, or stands in single quotes"),
        ('name = "small"', "name = True", "expected true"),
        ('name = "small"', "name = Yes # or no", "expected true"),
        ('name = "small"', "name = no", "expected false"),
        ('name = "small"', "name = \u201csmall\u201d # curly", 'the quotes of TOML are straight: "small"'),
        ("= 200", "= 200\nseed = None", "; leave the key out"),
        ("= 200", "= 200\nseed = null # any", "; leave the key out"),
    ],
)
def test_a_slip_in_toml_is_told_with_its_cure(tmp_path, old, new, hint):
    line = problem(tmp_path, old, new)
    assert line.startswith("not valid TOML: ")
    assert line.endswith(hint) or hint.startswith(("a path", "; [["))


def test_an_escape_that_is_right_is_no_slip(tmp_path):
    line = problem(tmp_path, 'name = "small"', 'name = "a\\tb" x')
    assert line == "not valid TOML: Expected newline or end of document after a statement (at line 12, column 15)"


def test_the_last_line_may_end_without_a_newline(tmp_path):
    (tmp_path / "q.toml").write_text("requests = 200\nrequests = 300")
    with pytest.raises(ScenarioError, match="; requests stands twice"):
        load(tmp_path / "q.toml")


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("= 200", "= 1e3", "requests = 1000.0: expected a whole number, written 1000"),
        ("= 200", '= "200"', "requests = '200': expected a whole number without quotes, 200"),
        ("alpha = 0.6", 'alpha = "60%"', "sla.alpha = '60%': expected a number, written 0.6"),
        ("= 200", '= "007"', "requests = '007': expected a whole number without quotes, 7"),
        ("= 200", '= "2e2"', "requests = '2e2': expected a whole number"),
        (
            "satisfaction = 0.6",
            'satisfaction = "7 %"',
            "models.0.satisfaction = '7 %': expected a number, written 0.07",
        ),
        ("= 4.0", '= "1234567.50"', "rate_rps = '1234567.50': expected a number without quotes, 1234567.5"),
        ("alpha = 0.6", "alpha = 60", "sla.alpha = 60: expected at most 1; 60 % is 0.6"),
        ("alpha = 0.6", "alpha = 0.6\nseed = 1", "did you mean 'seed', above the first [table]?"),
        ("alpha = 0.6", "alpha = 0.6\ntokens = {}", "did you mean 'tokens', a table [tokens] of its own?"),
        ("alpha = 0.6", "alpha = 0.6\nwindow_ms = 1", "did you mean 'window_s', in seconds?"),
        ("rate_rps = 4.0", "rate_rpm = 4.0", "did you mean 'rate_rps', in requests per second?"),
        ("[sla]", "[token]\nprompt = 5\n[sla]", "token: unknown key; did you mean 'tokens'?"),
        ("[cluster]", "[cluster]\nduration = 5", "did you mean 'horizon_s', above the first [table], in seconds?"),
        ('kind = "poisson"', 'kind = "trace"\npath = "x"', "arrivals.path: unknown key; did you mean 'file'?"),
        (
            "cost_per_request = 1",
            "usd_per_million_input_tokens = 1",
            "did you mean 'usd_per_million_prompt_tokens'?",
        ),
        ("[cluster]", "[cost]\nusd_per_million_input_tokens = 1\n[cluster]", "'models.usd_per_million_prompt_tokens'?"),
        ("cost_per_request = 1", "pools = []\ncost_per_request = 1", "mean 'pools', tables [[pools]] of their own?"),
        ("cost_per_request = 1", "phases = []\ncost_per_request = 1", "'phases', tables [[phases]] of their own?"),
    ],
)
def test_a_slip_in_a_key_or_its_value_is_told_with_its_cure(tmp_path, old, new, line):
    assert line in problem(tmp_path, old, new)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("= 200", '= "60%"', "requests = '60%': expected a whole number"),
        ("= 200", '= "200.5"', "requests = '200.5': expected a whole number"),
        ("alpha = 0.6", 'alpha = "150%"', "sla.alpha = '150%': expected a number"),
        ("alpha = 0.6", 'alpha = "-5%"', "sla.alpha = '-5%': expected a number"),
        ("rate_rps = 4.0", 'rate_rps = "20%"', "arrivals.rate_rps = '20%': expected a number"),
    ],
)
def test_no_number_is_proposed_that_the_key_does_not_take(tmp_path, old, new, line):
    (problem_of_value,) = problem(tmp_path, old, new).splitlines()
    assert problem_of_value.endswith(line)


def test_a_table_without_costs_says_where_they_may_stand(tmp_path):
    (tmp_path / "o.csv").write_text("prompt,small,large\nq,0,1\n")
    text = SCENARIO.replace('kind = "irt"', 'kind = "table"\nfile = "o.csv"').replace("cost_per_request", "# ")
    (tmp_path / "q.toml").write_text(text)
    with pytest.raises(ScenarioError, match=r"or a profile in models, or satisfaction\.costs"):
        load(tmp_path / "q.toml")


# ---- tables of text -------------------------------------------------------------------------------------


def requests(folder, name, text, **chosen):
    (folder / name).write_text(text)
    return read_requests(folder / name, plan_reading(folder / name, COLUMNS, chooser=Chooser(**chosen)))


def test_a_row_that_is_too_long_is_told_by_its_number(tmp_path):
    with pytest.raises(DataError, match="row 2 has 4 values, and the header 3 names; expected as many"):
        requests(tmp_path, "t.csv", "t,p,o\n0,1,2\n1,2,3,4\n")
    (tmp_path / "u.csv").write_text('t,p,o\n0,"a\nb",2,9\n')
    with pytest.raises(DataError, match="row 1 has 4 values"):
        whole(tmp_path / "u.csv")


def test_rows_may_end_with_separators(tmp_path):
    trace = requests(tmp_path, "t.csv", "t,p,o\n0,1,2,\n1,3,4,,\n")
    assert trace.frame["prompt_tokens"].to_list() == [1, 3]


@pytest.mark.parametrize("values", [["10", "x"], ["10", "20"]])
def test_labels_of_parquet_are_text(tmp_path, values):
    labels = pl.Series(values, dtype=pl.Categorical)
    frame = pl.DataFrame({"t": pl.Series(["0", "1"], dtype=pl.Categorical), "p": labels, "o": [1, 2]})
    frame.write_parquet(tmp_path / "t.parquet")
    plan = plan_reading(tmp_path / "t.parquet", COLUMNS, chooser=Chooser(tokens=("",)))
    counts = read_requests(tmp_path / "t.parquet", plan).frame["prompt_tokens"].to_list()
    assert counts == [int(v) for v in values if v != "x"]
    assert whole(tmp_path / "t.parquet").schema["p"] == pl.String


@pytest.mark.parametrize("bad", ["Total", "N/A", "0000-00-00 00:00:00", '""'])
@pytest.mark.parametrize("first", ["0", "2025-08-18T00:00:00"])
def test_a_row_whose_time_is_none_can_be_left_out_as_the_error_says(tmp_path, first, bad):
    file = tmp_path / "t.csv"
    file.write_text(f"t,p,o\n{first},1,2\n{bad},3,4\n")
    args = ["import", file, "--time", "t", "--prompt-tokens", "p", "--output-tokens", "o"]
    code, _, err = here(*args)
    assert code == 2
    assert "in row 2" in err
    advice = err.split("--select ")[1].strip().strip("'")
    code, out, _ = here(*args, "--select", advice)
    assert code == 0
    assert "requests       1, all at one time" in out


# ---- outcomes -------------------------------------------------------------------------------------------


def outcomes(folder, *texts, **options):
    files = [folder / f"f{i}.csv" for i in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    return read_outcomes(files, OutcomeOptions(**options))


def test_answers_without_a_model_or_a_prompt_are_counted(tmp_path):
    table = outcomes(tmp_path, "prompt,model,score\nq1,,1\nq1,a,1\nq1,b,0\n,a,1\nq2,a,0\nq2,b,1\n")
    assert table.frame.height == 2
    assert "answers without a prompt or a model are left out: 2" in table.notes


def test_costs_may_name_their_currency_and_none_is_below_0(tmp_path):
    text = "prompt,model,score,cost\nq1,a,1,$0.01\nq1,b,0,$0.02\n"
    assert outcomes(tmp_path, text).frame["cost__b"].to_list() == [0.02]
    (note,) = outcomes(tmp_path, text.replace("$0.01", "free")).notes
    assert note == "costs are left out: not every answer of a has one that is a number"
    with pytest.raises(DataError, match=r"column 'cost' has -0\.01 in row 1; expected a cost, at least 0"):
        outcomes(tmp_path, text.replace("$0.01", "-0.01"))


def test_a_number_of_each_row_joins_no_prompts(tmp_path):
    table = outcomes(tmp_path, "id,prompt,model,score\n1,q1,a,1\n2,q1,b,0\n3,q2,a,0\n4,q2,b,1\n")
    assert table.frame["prompt"].to_list() == ["q1", "q2"]


def test_a_file_that_is_given_twice_is_noted(tmp_path):
    text = "prompt,score\nq1,1\nq2,0\nq3,1\n"
    (note,) = outcomes(tmp_path, text, text).notes
    assert note == "f0 and f1 have the same score on every prompt: is a file given twice?"
    assert outcomes(tmp_path, text, text.replace("q3,1", "q3,0")).notes == ()


def test_a_column_of_a_wide_table_is_named_as_the_error_of_a_run_says(tmp_path):
    (tmp_path / "o.csv").write_text("prompt,small,large\nq1,95,40\nq2,80,100\n")
    data = SCENARIO.replace('kind = "irt"', 'kind = "table"\nfile = "o.csv"')
    (tmp_path / "q.toml").write_text(data)
    code, _, err = here("run", tmp_path / "q.toml")
    assert code == 2
    assert "column 'small' has 95 in row 1; expected a number, at least 0 and at most 1; messsim import" in err
    assert f"--outcomes small={tmp_path / 'o.csv'} and so on --map 0..100" in err
    files = [(name, tmp_path / "o.csv") for name in ("small", "large")]
    assert read_outcomes(files, OutcomeOptions(grades=(0, 100))).frame["small"].to_list() == pytest.approx([0.95, 0.8])


def test_grades_beyond_those_that_were_named_get_a_scale_that_holds_them(tmp_path):
    with pytest.raises(DataError, match=r"has 6 in row 1; .*--map 1\.\.10 what grades"):
        outcomes(tmp_path, "prompt,model,score\nq1,a,6\nq1,b,2\n", grades=(1, 5))


# ---- logs of decisions ----------------------------------------------------------------------------------


def decisions(folder, feature, model="a"):
    (folder / "d.csv").write_text(f"model,satisfied,cost,feature__x\n{model},1,1,0.5\nb,0,2,{feature}\na,1,1,0.5\n")
    return folder / "d.csv"


def test_a_feature_that_no_router_takes_is_told_by_its_row(tmp_path):
    with pytest.raises(
        DataError, match=r"column 'feature__x' has 1e\+60 in row 2; expected a number no further from 0"
    ):
        read_log(decisions(tmp_path, "1e60"))
    with pytest.raises(DataError, match=r"has no value in row 2; .*--select 'feature__x!='"):
        read_log(decisions(tmp_path, ""))
    assert len(read_log(tmp_path / "d.csv", chooser=Chooser(select=tuple(conditions(["feature__x!="]))))) == 2


def test_features_may_be_yes_or_no_and_names_of_models_end_with_blanks(tmp_path):
    log = read_log(decisions(tmp_path, "0", model="a "))
    assert log.models == ["a", "b"]
    file = tmp_path / "e.jsonl"
    file.write_text('{"model": "a", "satisfied": 1, "cost": 1, "feature__x": true}\n' * 2)
    assert read_log(file).features.tolist() == [[1.0, 1.0]]


# ---- measurements ---------------------------------------------------------------------------------------


def test_a_batch_is_how_many_requests_ran_at_once_where_answers_are_timed(tmp_path):
    file = tmp_path / "m.csv"
    file.write_text("batch_size,isl,osl,ttft_ms,itl_ms\n1,128,64,12,12\n8,1024,64,60,13\n")
    points = read_measurements(file)
    assert points.kind == "served"
    assert points.rows.clients == [1, 8]
    file.write_text("qps,isl,osl,ttft_ms,itl_ms\n1,128,64,12,12\n")
    with pytest.raises(DataError, match="has times of answers; expected a column clients, how many requests ran at"):
        read_measurements(file)


def test_a_benchmark_without_its_limit_is_told_how_to_run_it(tmp_path):
    file = tmp_path / "v.json"
    sums = '"completed": 10, "total_input_tokens": 1280, "total_output_tokens": 640, "duration": 10.0'
    file.write_text(f'{{{sums}, "mean_ttft_ms": 12.3, "mean_tpot_ms": 12.1}}')
    with pytest.raises(DataError, match="expected --max-concurrency N when the benchmark is run"):
        read_measurements(file)


def test_the_scenario_of_these_tests_is_one():
    assert parse(tomllib.loads(SCENARIO)).requests == 200


def test_what_sums_up_requests_is_told(tmp_path):
    (tmp_path / "m.txt").write_text("# HELP vllm:prompt_tokens_total Number of tokens\nvllm:prompt_tokens_total 5\n")
    with pytest.raises(DataError, match="is of Prometheus's counters"):
        whole(tmp_path / "m.txt")
    (tmp_path / "m.txt").write_text("# HELP yourself\na,b\n1,2\n")
    assert whole(tmp_path / "m.txt").columns == ["a", "b"]
    for name, text in (
        ("k6.csv", "metric_name,timestamp,metric_value\nhttp_reqs,1700000000,1\n"),
        ("k6.json", '{"metric":"a","type":"Point","data":{"time":"2025-01-01T00:00:00Z","value":1}}\n' * 2),
        ("history.csv", "Timestamp,User Count,Total Request Count\n1,2,3\n"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(DataError, match="which does not say its requests"):
            plan_reading(tmp_path / name, TraceColumns())


def test_a_trace_whose_times_are_called_otherwise_says_how_to_name_them(tmp_path):
    (tmp_path / "t.csv").write_text("TIMESTAMP,x\n0,1\n1,1\n")
    arrivals = 'kind = "trace"\nfile = "t.csv"'
    text = SCENARIO.replace('kind = "poisson"\nrate_rps = 4.0', arrivals)
    (tmp_path / "q.toml").write_text(text)
    code, _, err = here("run", tmp_path / "q.toml")
    assert code == 2
    assert 'arrivals.columns = { time = "TIMESTAMP" } names it' in err
    (tmp_path / "q.toml").write_text(text.replace(arrivals, f'{arrivals}\ncolumns = {{ time = "TIMESTAMP" }}'))
    code, _, err = here("run", tmp_path / "q.toml")
    assert code == 0, err


@pytest.mark.parametrize(
    "times",
    [
        ["Aug 18, 2025 @ 00:00:01.250", "Aug 18, 2025 @ 00:00:03.500"],  # Kibana
        ["18-AUG-25 12.00.01.250000000 AM", "18-AUG-25 12.00.03.500000000 AM"],  # Oracle
        ["2025-08-18-00.00.01.250000", "2025-08-18-00.00.03.500000"],  # Db2
        ["18.8.2025 0.00.01,25", "18.8.2025 0.00.03,5"],  # Finland
        ["2025年8月18日 00:00:01.25", "2025年8月18日 00:00:03.5"],
    ],
)
def test_dates_of_databases_and_dashboards(tmp_path, times):
    text = "t;p;o\n" + "".join(f"{t};1;2\n" for t in times)
    assert requests(tmp_path, "t.csv", text).frame["arrival_s"].to_list() == [0.0, 2.25]


def test_the_seconds_of_nginx_are_no_milliseconds(tmp_path):
    (tmp_path / "a.json").write_text(
        '{"msec": "1755475200.5", "p": 1, "o": 2}\n{"msec": "1755475202.0", "p": 1, "o": 2}\n'
    )
    plan = plan_reading(tmp_path / "a.json", TraceColumns("msec", "p", "o"))
    assert read_requests(tmp_path / "a.json", plan).frame["arrival_s"].to_list() == [0.0, 1.5]
    (tmp_path / "b.csv").write_text("msec,p,o\n0,1,2\n1500,1,2\n")
    plan = plan_reading(tmp_path / "b.csv", TraceColumns("msec", "p", "o"))
    assert read_requests(tmp_path / "b.csv", plan).frame["arrival_s"].to_list() == [0.0, 1.5]


def test_a_quote_that_is_never_closed_is_told_by_its_row(tmp_path):
    with pytest.raises(DataError, match="row 2 opens a quote that is never closed"):
        requests(tmp_path, "t.csv", 't,p,o\n0,1,2\n1,"2,3\n')


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ('0,1,2,x\n0,1,2,5" disk\n1,1,2,x\n', "row 2 opens a quote that is never closed"),
        ('0,1,2,5" disk\n1,1,2,6" disk\n2,1,2,x\n', "row 1 opens a quote that is never closed"),
        ('0,1,2,x\n1,1,2,"x\n2,1,2,x\n3,1,2,x\n', "row 2 opens a quote that is never closed"),
        ('0,1,2,x\n1,1,5" d,"a\nb" x"\n', "row 2 opens a quote that is never closed"),
        ('0,1,2,"x\ny"\n1,1,2,3,x\n', "row 2 has 5 values, and the header 4 names"),
        ('0,1,2,"x"\n1,1,2,"3",x\n', "row 2 has 5 values, and the header 4 names"),
        ("0,1,2\n" * 2000 + "1,1,2,3,x\n", "row 2001 has 5 values, and the header 4 names"),
        ("0,1,2,x\n" + f'1,1,2,"{"y" * 200_000}\n', "row 2 opens a quote that is never closed"),
    ],
)
def test_no_row_is_lost_where_some_columns_are_read(tmp_path, rows, problem):
    with pytest.raises(DataError, match=problem):
        requests(tmp_path, "t.csv", "t,p,o,more\n" + rows)
    with pytest.raises(DataError, match=problem):
        whole(tmp_path / "t.csv")


def test_a_header_with_a_quote_that_is_never_closed_is_told(tmp_path):
    (tmp_path / "t.csv").write_text('t,p,o,"more\n0,1,2,3\n')
    with pytest.raises(DataError, match="the header opens a quote that is never closed"):
        whole(tmp_path / "t.csv")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_quotes_may_stand_around_values_and_in_pairs_within(tmp_path, end):
    rows = ['0,1,2,"5"" disk"', f'1,1,2,"a,{end}b"', '2,1,2,say "hi" now', '3,1,2,"",,', f'4,1,2,"x{end}{end}""y"""']
    text = end.join(["t,p,o,more", *rows, f'5,1,2,"{"z" * 200_000}"']) + end
    assert requests(tmp_path, "t.csv", text).frame["arrival_s"].to_list() == [0, 1, 2, 3, 4, 5]


def test_a_text_of_dos_ends_with_its_mark(tmp_path):
    assert requests(tmp_path, "t.csv", "t,p,o\r\n0,1,2\r\n1,3,4\r\n\x1a").frame.height == 2
    assert whole(tmp_path / "t.csv").height == 2


def test_names_of_columns_may_be_in_other_letters(tmp_path):
    table = outcomes(tmp_path, "Prompt,Model,Score\nq1,a,1\nq1,b,0\n")
    assert sorted(table.models) == ["a", "b"]
    (tmp_path / "t.csv").write_text("T,P,O\n0,1,2\n")
    with pytest.raises(DataError, match="column 'p' is missing; did you mean 'P'"):
        plan_reading(tmp_path / "t.csv", COLUMNS)
