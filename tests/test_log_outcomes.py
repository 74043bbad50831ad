"""Tables of outcomes from small frames: what a score is, whose it is, what joins, what is left out."""

import re
from pathlib import Path

import polars as pl
import pytest

from messsim.errors import DataError, OutputError
from messsim.logs import outcomes
from messsim.logs.outcomes import Outcomes, read_outcomes, write_outcomes
from messsim.logs.scores import OutcomeOptions, parse_map, satisfaction
from messsim.workload.choosing import Chooser, conditions

HERE = Path("a.csv")
PLAIN = OutcomeOptions()
ACC_IS_TAKEN = "answers have several metrics (acc, acc_norm): acc is taken; --score acc_norm takes another"


def scored(scores, **options):
    return satisfaction(pl.Series("score", scores), "score", HERE, OutcomeOptions(**options)).to_list()


# ---- scores ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 1, None], [0.0, 1.0, None]),
        ([0.25, 1.0, 0.0], [0.25, 1.0, 0.0]),
        ([True, False], [1.0, 0.0]),
        (["pass", " FAIL ", "Correct"], [1.0, 0.0, 1.0]),
        (["0.5", "75 %", "100%", "0%"], [0.5, 0.75, 1.0, 0.0]),
        (["", "yes", None, "👎"], [None, 1.0, None, 0.0]),
    ],
)
def test_what_is_a_score(values, expected):
    assert scored(values) == expected


@pytest.mark.parametrize("bad", [1.0001, -0.0001, float("nan")])
def test_a_satisfaction_is_from_0_to_1(bad):
    with pytest.raises(DataError, match=r"column 'score' has .* in row 2; expected a satisfaction from 0 to 1"):
        scored([0.0, bad])


@pytest.mark.parametrize("bad", ["maybe", "1.5", "101%", "-1"])
def test_a_word_that_says_nothing_is_told_with_its_row(bad):
    with pytest.raises(DataError, match="in row 3"):
        scored(["pass", "fail", bad])


@pytest.mark.parametrize("none", ["maybe", "-", "nan", float("nan")])
def test_what_is_no_number_may_be_left_out(none):
    scores = [none, "1"] if isinstance(none, str) else [none, 1.0]
    assert scored(scores, skip_failed=True) == [None, 1.0]


@pytest.mark.parametrize("scores", [[3, 5, 1], ["1", "5"], [0.5, -1.0], ["101%"]])
def test_a_grade_is_not_left_out_with_what_failed(scores):
    with pytest.raises(DataError, match=r"expected a satisfaction from 0 to 1; .*--map 1\.\.5 what grades$"):
        scored(scores, skip_failed=True)


def test_grades_go_from_0_to_1():
    assert scored([1, 3, 5], grades=(1.0, 5.0)) == [0.0, 0.5, 1.0]
    assert scored(["2", "5"], grades=(1.0, 5.0)) == [0.25, 1.0]
    with pytest.raises(DataError, match="column 'score' has 6 in row 1"):
        scored([6], grades=(1.0, 5.0))


def test_what_the_user_says_of_values_goes_first():
    assert scored(["1", "2", "pass"], values={"1": 0.25, "2": 0.75, "pass": 0.5}) == [0.25, 0.75, 0.5]
    assert scored(["1.0", "2", "1"], values={"1": 0.25, "2.00": 0.75}) == [0.25, 0.75, 0.25]  # numbers by their value
    assert scored([1.0, -0.0, 1.5], values={"1": 0.0, "0": 1.0, "1.50": 0.5}) == [0.0, 1.0, 0.5]
    assert scored(["1", "1.0", "1.00"], values={"1": 0.25, "1.0": 0.5})[:2] == [0.25, 0.5]  # what is written goes first
    assert scored([True, False], values={"1": 0.0, "0": 1.0}) == [1.0, 0.0]  # which are words
    assert scored(["1", "0.5"], values={"nan": 0.5, "50%": 0.25, "good": 0.9}) == [1.0, 0.5]
    assert scored([1, 3], values={"1": 0.75}, grades=(1.0, 5.0)) == [0.75, 0.5]
    assert scored(["good", "fail"], values={"good": 0.9}) == [0.9, 0.0]  # other words keep their meaning


def test_a_call_that_worked_is_no_satisfied_user(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("id,model,quality,success\n1,a,0.5,1\n1,b,0.25,1\n")
    with pytest.raises(DataError, match=r"has no column of scores .*; say --score quality, or"):
        read_outcomes([file], PLAIN)


def test_an_index_that_never_comes_twice_is_a_rows_number(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("index,text,model,score\n0,q,a,0\n1,q,b,1\n")
    with pytest.raises(DataError, match=r"has no column of prompts .*; say --prompt text$"):
        read_outcomes([file], PLAIN)
    file.write_text("index,text,model,score\n0,q,a,0\n0,q,b,1\n")
    assert read_outcomes([file], PLAIN).frame.select("prompt", "a", "b").rows() == [("0", 0.0, 1.0)]


def test_lists_are_no_scores():
    with pytest.raises(DataError, match=r"is of type List\(Int64\); expected scores: --score COLUMN"):
        scored([[1], [2]])


@pytest.mark.parametrize(
    ("texts", "values", "grades"),
    [
        ([], None, None),
        (["pass=1,fail=0"], {"pass": 1.0, "fail": 0.0}, None),
        (["A = 1", "b=0.5"], {"a": 1.0, "b": 0.5}, None),
        (["a=b=1"], {"a=b": 1.0}, None),
        (["1..5"], None, (1.0, 5.0)),
        (["0..10", "x=0"], {"x": 0.0}, (0.0, 10.0)),
    ],
)
def test_a_map_is_of_values_or_of_grades(texts, values, grades):
    assert parse_map(texts) == (values, grades)


@pytest.mark.parametrize("text", ["5..5", "5..1", "pass", "pass=1.01", "pass=-0.5", "pass=x", "a=1,b"])
def test_a_map_that_is_none(text):
    with pytest.raises(DataError, match=r"--map .*: expected"):
        parse_map([text])


# ---- whose they are -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("small.csv", "small"),
        ("small.parquet", "small"),
        ("small.jsonl.gz", "small"),
        ("samples_small_2024-01-02T03-04-05.678.jsonl", "small"),
        ("results_small.json", "small"),
        ("small_report.json", "small"),
        ("report.json", "report"),
    ],
)
def test_a_file_is_named_by_its_model(name, bare):
    assert outcomes._bare(Path(name)) == bare


@pytest.mark.parametrize(
    ("paths", "levels"),
    [
        (["x/a/s.csv", "x/b/s.csv"], ["a", "b"]),
        (["a/run/s.csv", "b/run/s.csv"], ["a", "b"]),  # the nearest are one and the same
        (["a/run1/s.csv", "b/run2/s.csv"], ["run1", "run2"]),
        (["a/s.csv", "a/s.csv"], ["a", "a"]),
    ],
)
def test_folders_that_tell_files_apart(tmp_path, paths, levels):
    assert outcomes._nearest_apart([tmp_path / p for p in paths]) == levels


def test_folders_name_models_only_where_files_do_not(tmp_path):
    alike = [tmp_path / "model=m1,x=1" / "s.csv", tmp_path / "model=m2,x=1" / "s.csv"]
    assert outcomes._folders(alike) == dict(zip(alike, ("m1", "m2"), strict=True))
    assert outcomes._folders([tmp_path / "a" / "one.csv", tmp_path / "b" / "two.csv"]) == {}
    assert outcomes._folders([tmp_path / "a" / "s.csv", tmp_path / "a" / "s.csv"]) == {}


@pytest.mark.parametrize(
    ("name", "task"),
    [("samples_gsm8k_2024-01-02T03-04-05.jsonl", "gsm8k"), ("samples_gsm8k.jsonl", None), ("gsm8k.csv", None)],
)
def test_a_task_of_the_harness_stands_in_the_name(name, task):
    assert outcomes._task(Path(name)) == task


# ---- what joins -----------------------------------------------------------------------------------------


def joined(rows, options=PLAIN, **columns):
    prompts, models, scores = zip(*rows, strict=True)
    frame = pl.DataFrame({"prompt": prompts, "model": models, "score": scores} | columns)
    return outcomes._joined(frame, options, [])


def test_prompts_that_a_model_did_not_answer_are_left_out_and_counted():
    """All scores of what one model alone did are there: it is the other's that are missing."""
    made = joined(
        [("p", "a", 1.0), ("p", "b", 0.0), ("q", "a", 1.0), ("r", "b", 1.0), ("s", "a", 0.5), ("s", "b", 1.0)]
    )
    assert made.frame.rows() == [("p", 1.0, 0.0), ("s", 0.5, 1.0)]
    assert made.notes == ("prompts without an answer of every model are left out: 2 of 4 ('q', 'r')",)
    assert not made.has_costs
    assert not made.has_tokens
    assert joined([("p", "a", 1.0), ("p", "b", 0.0)]).notes == ()


def test_prompts_that_nobody_answered_with_all_models():
    with pytest.raises(DataError, match="no prompt was answered by all of a, b; --prompt names the column"):
        joined([("p", "a", 1.0), ("q", "b", 0.0)])


@pytest.mark.parametrize("column", ["{model}|total_cost", "cost__{model}", "{model}_cost"])
def test_a_bad_cost_is_told_by_the_name_that_the_file_has(tmp_path, column):
    names = [column.format(model=model) for model in ("m", "n")]
    (file := tmp_path / "wide.csv").write_text(f"sample_id,m,n,{','.join(names)}\n1,1,0,0.1,0.2\n2,1,0,0.1,-0.2\n")
    with pytest.raises(DataError, match=rf"column '{re.escape(names[1])}' has -0.2 in row 2; expected a cost"):
        read_outcomes([file], OutcomeOptions())


@pytest.mark.parametrize(
    "other", ["id,score\n1.0,1\n2.0,0\n,1\n", 'id,score\n" 1",1\n"2\n",0\n', 'id,score\n"1",1\n2,0\n']
)
def test_prompts_are_joined_however_their_ids_are_written(tmp_path, other):
    (a := tmp_path / "a.csv").write_text("id,score\n1,1\n2,0\n")
    (b := tmp_path / "b.csv").write_text(other)
    made = read_outcomes([a, b], OutcomeOptions())
    assert made.frame.select("prompt", "a", "b").rows() == [("1", 1.0, 1.0), ("2", 0.0, 0.0)]


@pytest.mark.parametrize(
    ("texts", "keys"),
    [
        (("id\n1e20\n2e20\n", "id\n1e20\n2e20\n"), ["1e20", "2e20"]),
        (("id\n1.0\n2.5\n", "id\n1.0\n2.0\n"), ["1.0"]),
        (("id\n1.0\n2.0\n", "id\n1.0\n2.0\nx\n"), ["1", "2"]),
        (('id\na\n"a "\nb\n', 'id\na\n"a "\nb\n'), ["a", "a ", "b"]),
        (('id\n"a "\nb\n', "id\na\nb\n"), ["a", "b"]),
        (("id\n1\n1.0\nx\n", "id\n1\n1.0\nx\n"), ["1", "1.0", "x"]),
        (('id\na\n"a "\nb\n', 'id\n"a "\nb\n'), ["a ", "b"]),  # not as "a" in one file alone
        (("id\n1\n1.0\nx\n", "id\n1.0\nx\n"), ["1.0", "x"]),
        (("id\n1.0\n1.1\n", "id\n1.0\n1.1\n"), ["1.0", "1.1"]),  # as sections are numbered
        (("id\n1.0\n1.5\n", "id\n1\n2\n"), ["1"]),
    ],
)
def test_no_two_prompts_of_a_file_become_one_and_none_gets_lost(tmp_path, texts, keys):
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text.replace("\n", ",score\n", 1).replace("\n", ",1\n").replace(",score,1", ",score"))
    assert sorted(read_outcomes(files, OutcomeOptions()).frame["prompt"].to_list()) == keys


def test_models_that_differ_in_capitals_alone_are_told():
    note = "models 'm', 'M' differ in capitals alone: if they are one, write it in one way"
    assert joined([("p", "m", 1.0), ("p", "M", 0.0)]).notes == (note,)
    with pytest.raises(DataError, match=f"no prompt was answered by all of m, M; .*; {note}"):
        joined([("p", "m", 1.0), ("q", "M", 0.0)])


def test_models_go_by_mean_cost_where_all_have_one_else_by_mean_score():
    rows = [("p", "a", 1.0), ("p", "b", 0.0), ("q", "a", 1.0), ("q", "b", 0.0)]
    assert joined(rows).models == ("b", "a")
    priced = joined(rows, cost=[1.0, 5.0, 2.0, 1.0])
    assert (priced.models, priced.has_costs) == (("a", "b"), True)
    assert priced.frame["cost__b"].to_list() == [5.0, 1.0]
    lacking = joined(rows, cost=[1.0, 5.0, None, 1.0])  # that of a is not known of every answer
    assert (lacking.models, lacking.has_costs) == (("b", "a"), False)
    assert "cost__a" not in lacking.frame.columns


def test_tokens_count_where_prompts_and_all_answers_have_them():
    rows = [("p", "a", 1.0), ("p", "b", 0.0)]
    whole = joined(rows, prompt_tokens=[None, 7.0], output_tokens=[3.0, 4.0])
    assert whole.has_tokens
    assert whole.frame.select("prompt_tokens", "output_tokens__a", "output_tokens__b").rows() == [(7.0, 3.0, 4.0)]
    for lacking in ({"prompt_tokens": [None, None], "output_tokens": [3.0, 4.0]},
                    {"prompt_tokens": [7.0, 7.0], "output_tokens": [3.0, None]},
                    {"output_tokens": [3.0, 4.0]}):  # fmt: skip
        made = joined(rows, **lacking)
        assert not made.has_tokens
        assert ("prompt_tokens" in made.frame.columns) == (lacking.get("prompt_tokens") == [7.0, 7.0])


def test_notes_are_told_once():
    frame = pl.DataFrame({"prompt": ["p"], "model": ["a"], "score": [1.0]})
    assert outcomes._joined(frame, PLAIN, ["x", "y", "x"]).notes == ("x", "y")


def test_what_a_list_of_successes_does_not_list_failed():
    frame = pl.DataFrame({"prompt": ["p", "q", "p"], "model": ["a", "a", "b"], "score": [1.0, 0.5, 1.0]})
    rows = outcomes._with_failures(frame, {"b"}).rows()
    assert rows == [("p", "a", 1.0), ("q", "a", 0.5), ("p", "b", 1.0), ("q", "b", 0.0)]
    assert outcomes._with_failures(frame, set()).rows() == rows[:3]


def written(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    return tmp_path / name


def test_answers_without_a_score_are_left_out_and_counted(tmp_path):
    file = written(tmp_path, "t.csv", "prompt_id,model,score\n1,a,0.5\n1,b,1\n2,a,\n2,b,1\n3,a,1\n3,b,0\n")
    made = read_outcomes([file], PLAIN)
    assert made.frame.rows() == [("1", 0.5, 1.0), ("3", 1.0, 0.0)]
    assert made.notes == (
        "answers without a score are left out: 1",
        "prompts without an answer of every model are left out: 1 of 3 ('2')",
    )


@pytest.mark.parametrize("scores", [("", ""), ("maybe", "-")])
def test_a_table_in_which_no_answer_has_a_score_names_the_option(tmp_path, scores):
    text = "prompt,model,score,other\n" + "".join(f"p,{m},{s},1\n" for m, s in zip("ab", scores, strict=True))
    file = written(tmp_path, "t.csv", text)
    options = OutcomeOptions(skip_failed=True)
    with pytest.raises(DataError, match=r"t\.csv: no answer has a score; --score COLUMN$"):
        read_outcomes([file], options)
    assert read_outcomes([file], OutcomeOptions(score="other")).frame.rows() == [("p", 1.0, 1.0)]


def test_a_model_of_which_no_answer_has_a_score_is_left_out_with_a_note(tmp_path):
    file = written(tmp_path, "t.csv", "prompt,model,score\np,a,1\np,b,\nq,a,0.5\n")
    made = read_outcomes([file], PLAIN)
    assert made.frame.rows() == [("p", 1.0), ("q", 0.5)]
    assert made.notes == ("answers without a score are left out: 1", "models without a score are left out: b")


def test_files_may_be_named_by_their_models(tmp_path):
    one, two = (written(tmp_path, n, f"prompt_id,score\n1,{s}\n") for n, s in (("x.csv", 1), ("y.csv", 0)))
    assert read_outcomes([("a", one), ("b", two)], PLAIN).frame.rows() == [("1", 1.0, 0.0)]
    assert read_outcomes([("a", one), two], PLAIN).frame.columns == ["prompt", "a", "y"]


def test_files_of_which_one_tells_costs_too_are_one_table(tmp_path):
    a = written(tmp_path, "a.csv", "prompt,score,cost\np,1,2\nq,0,4\n")
    b = written(tmp_path, "b.csv", "prompt,score\np,0.5\nq,1\n")
    frame = read_outcomes([("a", a), ("b", b)], OutcomeOptions()).frame
    assert frame["a"].to_list() == [1.0, 0.0]
    assert frame["b"].to_list() == [0.5, 1.0]


def test_an_answer_stands_once(tmp_path):
    text = "prompt_id,score\n1,0.5\n1,1\n"
    one, two = (written(tmp_path, n, text) for n in ("m.csv", "n.csv"))
    for files in ([one], [one, two]):
        with pytest.raises(DataError) as error:
            read_outcomes(files, PLAIN)
        assert str(error.value) == f"{one}: prompt '1' has 2 answers of 'm'; expected one each: --prompt COLUMN"
    with pytest.raises(DataError, match="prompt '1' has 4 answers of 'x'; expected one each: name the models, MODEL="):
        read_outcomes([("x", one), ("x", two)], PLAIN)


def test_a_table_without_scores_or_prompts_is_told(tmp_path):
    with pytest.raises(DataError, match="has no column of scores"):
        read_outcomes([written(tmp_path, "a.csv", "prompt_id,x\n1,2\n")], PLAIN)
    with pytest.raises(DataError, match="has no column of prompts"):
        read_outcomes([written(tmp_path, "b.csv", "score,x\n1,2\n")], PLAIN)
    with pytest.raises(DataError, match="has no rows"):
        read_outcomes([written(tmp_path, "c.csv", "prompt_id,score\n")], PLAIN)


def test_a_model_is_a_column_where_costs_stand_beside_it():
    frame = pl.DataFrame({"sample_id": ["1"], "m": [1.0], "m|total_cost": [0.5], "n": [0.0], "other": [3]})
    assert outcomes._wide_models(frame) == ["m"]
    structs = pl.DataFrame({"sample_id": ["1"], "m": [{"score": 1.0}], "n": [{"grade": 1.0}]})
    assert outcomes._wide_models(structs) == ["m"]


@pytest.mark.parametrize("name", ["t.csv", "t", "t.parquet.gz"])
def test_outcomes_are_written_as_parquet(tmp_path, name):
    made = Outcomes(pl.DataFrame({"prompt": ["p"]}), (), has_costs=False, has_tokens=False)
    with pytest.raises(OutputError, match=r"expected a name that ends with \.parquet"):
        write_outcomes(made, tmp_path / name)
    assert not list(tmp_path.iterdir())
    write_outcomes(made, tmp_path / "t.PARQUET")
    assert pl.read_parquet(tmp_path / "t.PARQUET").rows() == [("p",)]


# ---- kinds of files -------------------------------------------------------------------------------------


def events(**columns):
    return pl.DataFrame({"sample_id": ["1", "2", None, "3"], "data": [columns] * 4})


def test_events_with_a_verdict_count():
    """Of those without one, or of no sample, nobody can say how well it was answered."""
    data = [{"correct": True, "x": 1}, {"correct": None, "x": 1}, {"correct": True, "x": 1}, {"correct": False, "x": 1}]
    frame = pl.DataFrame({"sample_id": ["1", "2", None, "3"], "data": data})
    judged, score = outcomes._openai_evals(frame, HERE)
    assert (judged.rows(), score) == ([("1", True), ("3", False)], "verdict")


def test_the_first_verdict_that_is_anywhere_counts():
    data = [{"correct": None, "score": 0.25}, {"correct": None, "score": 0.5}]
    frame = pl.DataFrame({"sample_id": ["1", "2"], "data": data}, schema_overrides={
        "data": pl.Struct({"correct": pl.Boolean, "score": pl.Float64})
    })  # fmt: skip
    assert outcomes._openai_evals(frame, HERE)[0].rows() == [("1", 0.25), ("2", 0.5)]
    with pytest.raises(DataError, match=r"has events, but none with data\.correct"):
        outcomes._openai_evals(events(x=1), HERE)


def test_a_verdict_may_be_named():
    frame = pl.DataFrame(
        {"sample_id": ["1", "2"], "data": [{"correct": True, "f1": 0.25}, {"correct": None, "f1": 0.5}]}
    )
    judged, score = outcomes._openai_evals(frame, HERE, "data.f1")
    assert (judged.rows(), score) == ([("1", 0.25), ("2", 0.5)], "verdict")
    with pytest.raises(DataError, match=r"has events, but none with data\.x$"):
        outcomes._openai_evals(frame, HERE, "data.x")


def samples(**more):
    columns = {"doc_id": [1, 1, 2, 2], "filter": ["strict", "loose"] * 2, "acc": [0.0, 1.0, 1.0, 1.0]}
    return pl.DataFrame(columns | more)


def test_a_filter_of_the_harness_is_the_first_or_that_which_was_asked_for():
    notes = []
    frame, score = outcomes._harness(samples(), HERE, PLAIN, notes)
    assert (frame["acc"].to_list(), score) == ([0.0, 1.0], "acc")
    assert notes == ["every sample stands once a filter (strict, loose): strict is taken; --filter says another"]
    notes.clear()
    frame, _ = outcomes._harness(samples(), HERE, OutcomeOptions(filter="loose"), notes)
    assert (frame["acc"].to_list(), notes) == ([1.0, 1.0], [])
    with pytest.raises(DataError, match="has no filter 'none'; expected --filter strict or loose"):
        outcomes._harness(samples(), HERE, OutcomeOptions(filter="none"), notes)
    one = samples().with_columns(filter=pl.lit("none"))
    assert outcomes._harness(one, HERE, PLAIN, notes)[0].height == 4
    assert notes == []


@pytest.mark.parametrize(
    ("more", "options", "score"),
    [
        ({}, PLAIN, "acc"),
        ({"em": [1.0] * 4, "metrics": [["em", "acc"]] * 4}, PLAIN, "em"),
        ({"em": [1.0] * 4, "metrics": [["gone", "em"]] * 4}, PLAIN, "em"),
        ({"em": [1.0] * 4, "metrics": ["em"] * 4}, PLAIN, "acc"),  # no list of them
        ({"em": [1.0] * 4, "metrics": [["acc"]] * 4}, OutcomeOptions(score="em"), "em"),
    ],
)
def test_the_score_of_the_harness_is_its_first_metric(more, options, score):
    assert outcomes._harness(samples(**more), HERE, options, [])[1] == score


@pytest.mark.parametrize(
    ("more", "options", "notes"),
    [
        ({"acc_norm": [1.0] * 4}, PLAIN, [ACC_IS_TAKEN]),
        ({"acc_norm": [1.0] * 4, "metrics": [["acc_norm", "acc"]] * 4}, PLAIN,
         ["answers have several metrics (acc_norm, acc): acc_norm is taken; --score acc takes another"]),
        ({"acc_norm": [1.0] * 4}, OutcomeOptions(score="acc_norm"), []),
        ({"acc_norm": [1.0] * 4, "metrics": [["acc"]] * 4}, PLAIN, [ACC_IS_TAKEN]),
        ({"metrics": [["acc", "gone"]] * 4}, PLAIN, []),
        ({"acc_norm": [None] * 4}, PLAIN, []),  # no answer has it
        ({"brier": [[0.5, 0.5]] * 4, "metrics": [["acc", "brier"]] * 4}, PLAIN, []),  # no number
        ({}, PLAIN, []),
    ],
)  # fmt: skip
def test_of_several_metrics_of_the_harness_the_one_taken_is_noted(more, options, notes):
    made = []
    outcomes._harness(samples(**more).filter(pl.col("filter") == "strict"), HERE, options, made)
    assert made == notes


def test_a_score_of_a_wide_table_is_told_by_its_own_column(tmp_path):
    columns = {"sample_id": [1, 2], "m 1": ["1", "nan"], "m 1|total_cost": [0.1, 0.2]}
    structs = {"sample_id": [1, 2], "m 1": [{"score": 0.5, "cost": 1.0}, {"score": 7.0, "cost": 1.0}]}
    for data, message in (
        (columns, "column 'm 1' has 'nan' in row 2"),
        (structs, r"column 'm 1\.score' has 7 in row 2"),
    ):
        pl.DataFrame(data).write_parquet(tmp_path / "w.parquet")
        with pytest.raises(DataError, match=message):
            read_outcomes([tmp_path / "w.parquet"], PLAIN)


def test_of_several_metrics_of_another_table_the_one_taken_is_noted(tmp_path):
    frame = pl.DataFrame({"doc_id": [1, 1], "model": ["a", "b"], "acc": [0.0, 1.0], "acc_norm": [1.0, 0.0]})
    frame.write_csv(tmp_path / "o.csv")
    assert ACC_IS_TAKEN in read_outcomes([tmp_path / "o.csv"], PLAIN).notes
    assert ACC_IS_TAKEN not in read_outcomes([tmp_path / "o.csv"], OutcomeOptions(score="acc")).notes


# ---- notes, and rows of the file ------------------------------------------------------------------------


def test_a_header_that_names_a_column_twice_is_noted(tmp_path):
    (tmp_path / "a.csv").write_text("prompt,model,score,score\np,m,1,0\nq,m,0,1\n")
    made = read_outcomes([tmp_path / "a.csv"], PLAIN)
    assert made.frame["m"].to_list() == [1.0, 0.0]
    assert "a.csv: its header has 'score' more than once: the first is read" in made.notes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prompt,model,score,k\np,m,1,0\np,m,1,1\nq,m,7,1\n", "column 'score' has 7 in row 3; expected a satisfaction"),
        ("prompt,model,score,cost,k\np,m,1,1,0\np,m,1,1,1\nq,m,1,-2,1\n", "column 'cost' has -2 in row 3; exp"),
        ("prompt,m,m_cost,k\np,1,1,0\np,1,1,1\nq,7,1,1\n", "column 'm' has 7 in row 3"),
        ("generator_1,generator_2,preference,instruction,k\nb,m,1,p,0\nb,m,1,p,1\nb,m,x,q,1\n", "has 'x' in row 3;"),
    ],
)  # fmt: skip
def test_rows_are_those_of_the_file_whichever_count(tmp_path, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_outcomes([tmp_path / "a.csv"], PLAIN, Chooser(conditions(["k=1"])))
