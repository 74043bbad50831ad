"""Evaluations as their tools write them, judgments of pairs, and what an error says where scores are not found."""

import json
import re
import shlex
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from messsim.errors import DataError
from messsim.logs.outcomes import read_outcomes
from messsim.logs.pairs import judged_pairs
from messsim.logs.score_hints import grades_of, no_prompts, no_scores, telling
from messsim.logs.scores import OutcomeOptions, parse_map
from messsim.workload.choosing import Chooser, conditions

RIGHT = {"small": [1, 0, 1, 1], "large": [1, 1, 0, 1]}


def write(tmp_path, name, value):
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(value if isinstance(value, str) else json.dumps(value))
    return file


def means(files, select=(), **options):
    values, grades = parse_map(options.pop("map_", []))
    given = OutcomeOptions(values=values, grades=grades, **options)
    outcomes = read_outcomes(files, given, Chooser(conditions(select)))
    return {m: outcomes.frame[m].to_list() for m in outcomes.models}, outcomes.notes


def evalplus(m):
    each = [{"base_status": "pass", "plus_status": "pass" if s else "timeout", "plus_fail_tests": []} for s in RIGHT[m]]
    return {"date": "x", "hash": "h", "eval": {f"HumanEval/{i}": [row] for i, row in enumerate(each)}}


def lines(rows):
    return "\n".join(map(json.dumps, rows))


# How each tool's file of one model is called, and what it holds.
TOOLS = {
    "EvalPlus": ("{m}_eval_results.json", evalplus),
    "HumanEval": (
        "{m}.jsonl_results.jsonl",
        lambda m: lines([{"task_id": f"H/{i}", "result": "x", "passed": bool(s)} for i, s in enumerate(RIGHT[m])]),
    ),
    "IFEval": (
        "{m}_eval_results_strict.jsonl",
        lambda m: lines([{"prompt": f"p{i}", "follow_all_instructions": bool(s)} for i, s in enumerate(RIGHT[m])]),
    ),
    "OpenCompass": (
        "{m}/gsm8k.json",
        lambda m: {"accuracy": 75.0, "details": {str(i): {"correct": bool(s)} for i, s in enumerate(RIGHT[m])}},
    ),
    "LiveCodeBench": (
        "{m}_eval_all.json",
        lambda m: [{"question_id": i, "pass@1": float(s)} for i, s in enumerate(RIGHT[m])],
    ),
    "AlpacaEval": (
        "{m}/annotations.json",
        lambda m: [
            {"instruction": f"q{i}", "generator_1": "gpt4", "generator_2": m, "preference": 1.0 + s}
            for i, s in enumerate(RIGHT[m])
        ],
    ),
}


@pytest.mark.parametrize("tool", TOOLS)
def test_evaluations_as_their_tools_write_them(tmp_path, tool):
    name, made = TOOLS[tool]
    files = [write(tmp_path, name.format(m=m), made(m)) for m in RIGHT]
    if tool == "OpenCompass":
        files = [(m, file) for m, file in zip(RIGHT, files, strict=True)]
    read, _ = means(files)
    assert read == {m: list(map(float, right)) for m, right in RIGHT.items()}


def test_of_two_kinds_of_tests_the_stricter_counts_with_a_note(tmp_path):
    file = write(tmp_path, "m_eval_results.json", evalplus("small"))
    assert means([file])[1] == (
        "plus_status is taken: the base tests and more; --score base_status says the base tests alone",
    )
    assert means([file], score="base_status") == ({"m": [1.0] * 4}, ())
    assert means([file], score="plus_status")[1] == ()  # as was asked for


def test_names_of_rows_are_kept(tmp_path):
    file = write(tmp_path, "o1.json", {f"id{i}": {"score": s, "x": 1} for i, s in enumerate(RIGHT["small"])})
    outcomes = read_outcomes([file], OutcomeOptions())
    assert outcomes.frame["prompt"].to_list() == ["id0", "id1", "id2", "id3"]


@pytest.mark.parametrize(
    ("header", "first"),
    [("task_id,id", "math"), ("task_id,prompt", "math"), ("task_id,index", "math"), ("prompt,key", "a template")],
)
def test_a_task_or_prompt_beside_what_tells_prompts_apart_is_none(tmp_path, header, first):
    rows = [f"{first},m{i},{m},{s}" for m, right in RIGHT.items() for i, s in enumerate(right)]
    file = write(tmp_path, "f.csv", "\n".join([f"{header},model,score", *rows]))
    assert means([file])[0] == {m: list(map(float, right)) for m, right in RIGHT.items()}


def test_a_task_tells_prompts_apart_where_an_index_numbers_rows(tmp_path):
    rows = [f"{n},{i},{m},{s}" for n, m in enumerate(RIGHT) for i, s in enumerate(RIGHT[m])]
    numbered = "\n".join(f"{n},{row.partition(',')[2]}" for n, row in enumerate(rows))
    file = write(tmp_path, "f.csv", "index,task_id,model,score\n" + numbered)
    assert means([file])[0] == {m: list(map(float, right)) for m, right in RIGHT.items()}


def test_names_that_only_number_the_rows_of_several_models_are_no_prompts(tmp_path):
    """As pandas writes them by ``to_json(orient="index")``."""
    rows = [{"prompt": f"p{i}", "model": m, "score": s} for m, right in RIGHT.items() for i, s in enumerate(right)]
    file = write(tmp_path, "f.json", {str(n): row for n, row in enumerate(rows)})
    assert means([file])[0] == {m: list(map(float, right)) for m, right in RIGHT.items()}
    named = write(tmp_path, "h.json", {f"r{n}": row for n, row in enumerate(rows)})
    assert means([named])[0] == means([file])[0]
    renamed = {str(n): {"q": row.pop("prompt")} | row for n, row in enumerate(rows)}
    with pytest.raises(DataError, match=r"has no column of prompts .*; say --prompt q$"):
        means([write(tmp_path, "g.json", renamed)])


def test_files_of_numbered_rows_are_joined_by_their_prompts(tmp_path):
    rows = [[{"prompt": f"p{i}", "score": s} for i, s in enumerate(right)] for right in RIGHT.values()]
    files = [
        write(tmp_path, f"{m}.json", {str(n): row for n, row in enumerate(order)})
        for m, order in zip(RIGHT, (rows[0], rows[1][::-1]), strict=True)
    ]
    assert means(files)[0] == {m: list(map(float, right)) for m, right in RIGHT.items()}


def test_details_of_opencompass_go_by_their_numbers_where_prompts_differ_by_model(tmp_path):
    """Their prompts are lists of turns, which a model's template has changed."""
    files = []
    for m, right in RIGHT.items():
        turns = [{"role": "HUMAN", "prompt": f"<{m}> q"}]
        details = {str(i): {"prompt": turns, "correct": bool(s)} for i, s in enumerate(right)}
        files.append((m, write(tmp_path, f"{m}.json", {"accuracy": 75.0, "details": {"type": "GEN"} | details})))
    assert means(files)[0] == {m: list(map(float, right)) for m, right in RIGHT.items()}


# ---- pairs ----------------------------------------------------------------------------------------------

ALPACA = {"instruction": ["a", "b", "c"], "generator_1": ["gpt4"] * 3, "generator_2": ["m"] * 3}


def test_a_preference_is_a_score_against_the_baseline():
    frame = pl.DataFrame(ALPACA | {"preference": [1.25, 0.0, None]})
    pairs = judged_pairs(frame, Path("annotations.json"))
    assert pairs.model == "m"
    assert pairs.frame["score"].to_list() == [0.25, 0.5, None]
    assert pairs.note == "annotations.json: a score is how surely it is preferred to gpt4"
    with pytest.raises(DataError, match="2 values of generator_2; expected one: --select 'generator_2=m'"):
        judged_pairs(frame.with_columns(generator_2=pl.Series(["m", "m", "n"])), Path("f"))
    assert judged_pairs(frame.drop("instruction"), Path("f")) is None


def annotated(tmp_path, **columns):
    frame = pl.DataFrame(ALPACA | {"preference": [2.0, 1.0, 1.5]} | columns)
    return write(tmp_path, "annotations.json", frame.to_dicts())


def test_annotations_go_by_the_columns_that_are_named(tmp_path):
    file = annotated(tmp_path, dataset=["x", "y", "z"], quality=[0.25, 0.5, 0.75])
    of_prompts = read_outcomes([file], OutcomeOptions(prompt="dataset"))
    assert of_prompts.frame.rows() == [("x", 1.0), ("y", 0.0), ("z", 0.5)]
    assert means([file], score="preference") == means([file])
    assert means([file], score="quality") == ({"m": [0.25, 0.5, 0.75]}, ())
    assert read_outcomes([file], OutcomeOptions(score="quality")).frame["prompt"].to_list() == ["a", "b", "c"]
    own = annotated(tmp_path, score=[0.25, 0.5, 0.75])
    assert means([own])[0] == {"m": [1.0, 0.0, 0.5]}
    assert means([own], score="score") == ({"m": [0.25, 0.5, 0.75]}, ())


def test_several_annotators_of_an_answer_are_told_apart(tmp_path):
    file = annotated(tmp_path, instruction=["a", "a", "b"], annotator=["x", "y", "x"])
    with pytest.raises(DataError, match="prompt 'a' has 2 answers of 'm'"):
        means([file])
    assert means([file], select=["annotator=x"])[0] == {"m": [1.0, 0.5]}


def test_a_preference_that_is_no_number_is_left_out_only_where_that_is_asked_for(tmp_path):
    file = annotated(tmp_path, preference=["2.0", "abc", None])
    with pytest.raises(DataError, match="column 'preference' has 'abc' in row 2; expected a number; --skip-failed"):
        means([file])
    scores, notes = means([file], skip_failed=True)
    assert scores == {"m": [1.0]}
    assert notes[1] == "answers without a score are left out: 2"


@pytest.mark.parametrize("name", ["annotations.json", "m_eval_results.json", "m.jsonl"])
def test_a_column_that_is_missing_is_named_beside_those_that_the_file_has(tmp_path, name):
    made = {"annotations.json": annotated, "m_eval_results.json": None}.get(name)
    file = (
        made(tmp_path)
        if made
        else write(tmp_path, name, evalplus("small") if "eval" in name else lines([{"id": 1, "score": 1}]))
    )
    with pytest.raises(DataError, match="column 'foo' is missing; it has ") as error:
        means([file], prompt="foo")
    assert "\0" not in str(error.value)
    assert "x00" not in str(error.value)


@pytest.mark.parametrize(
    "columns",
    ["model_a model_b winner", "model_a model_b winner_model_a", "model_1 model_2 g1_winner", "model baseline games"],
)
def test_votes_between_models_are_no_scores(tmp_path, columns):
    row = dict.fromkeys([*columns.split(), "question_id", "score"], "1")
    file = write(tmp_path, "votes.jsonl", lines([row, row]))
    with pytest.raises(DataError, match="votes say which of two answers is better, not whether either satisfies"):
        read_outcomes([file], OutcomeOptions())


# ---- hints ----------------------------------------------------------------------------------------------


def test_what_an_error_says_leads_to_the_scores(tmp_path):
    rows = [{"user_input": f"q{i}", "faithfulness": s / 2 + 0.5, "latency": 0.5} for i, s in enumerate(RIGHT["small"])]
    file = write(tmp_path, "m.jsonl", lines(rows))
    options = {}
    for _ in range(2):
        with pytest.raises(DataError) as error:
            means([file], **options)
        option, column = shlex.split(re.search(r"say (--\w+ \S+?)(,|$)", str(error.value))[1])
        options[option.removeprefix("--")] = column
    assert options == {"score": "faithfulness", "prompt": "user_input"}
    assert means([file], **options)[0] == {"m": [1.0, 0.5, 1.0, 1.0]}


def test_a_score_may_stand_within_a_struct_or_be_a_word():
    words = {"yes": 1.0, "no": 0.0}
    frame = pl.DataFrame(
        {"q": ["a", "b"], "judge": [{"ok": "yes", "confidence": 0.1}, {"ok": "No", "confidence": 0.2}]}
    )
    assert "say --score judge.ok, or a table" in no_scores(frame, words, ("score",))
    wide = no_scores(pl.DataFrame({"id": [1, 2], "gpt-4o": [0, 1], "llama 8b": [1, 0]}), words, ("score",))
    assert wide.index("a column for each model (gpt-4o, ...) needs no import") < wide.index("--score 'llama 8b'")
    assert "say --score COLUMN" in no_scores(pl.DataFrame({"q": ["a", "b"], "n": [5, 9]}), words, ("score",))


def test_a_prompt_is_what_each_model_answered_once():
    frame = pl.DataFrame({"x": [1.5, 2.5], "y": ["a", "a"], "n": [1, 2], "m": ["s", "l"], "score": [0, 1]})
    assert no_prompts(frame, "m", "score", ("id",)).endswith("say --prompt y")
    assert no_prompts(frame, "\0model", "score", ("id",)).endswith("say --prompt n or --prompt m")
    none = "say --prompt COLUMN; where none tells them apart, add one such as the number of the question"
    assert no_prompts(frame.select("x", "m"), "m", "score", ("id",)).endswith(none)


def test_prompts_within_structures_or_crossed_with_models_are_proposed(tmp_path):
    nested = pl.DataFrame({"doc": [{"id": "a", "task": "t"}, {"id": "b", "task": "t"}], "ok": [1, 0]})
    assert no_prompts(nested, "\0model", "ok", ("id",)).endswith("say --prompt doc.id")
    crossed = "Frage,Modell,Note\n1,klein,1\n1,groß,0\n2,klein,1\n2,groß,1\n"
    with pytest.raises(DataError, match=r"say --prompt Frage --model Modell$"):
        means([write(tmp_path, "f.csv", crossed)], score="Note")
    assert set(means([write(tmp_path, "f.csv", crossed)], score="Note", prompt="Frage", model="Modell")[0]) == {
        "klein",
        "groß",
    }


@pytest.mark.parametrize(("columns", "instead"), [("results configs", "samples_"), ("win_rate n_total", "annotations")])
def test_sums_of_whole_tasks_are_told(columns, instead):
    assert instead in no_scores(pl.DataFrame({c: [0.5, 0.7] for c in columns.split()}), {}, ("score",))


@pytest.mark.parametrize(
    ("least", "greatest", "scale"),
    [
        (1, 4.5, "1..5"),
        (1, 9, "1..10"),
        (0.5, 4.5, "0..5"),
        (0, 4, "0..5"),
        (0, 9, "0..10"),
        (0.5, 95, "0..100"),
        (1, 95, "0..100"),
        (0.5, 1e4, "LOWEST..HIGHEST"),
        (0.5, -2, "1..5"),
        (0.5, None, "1..5"),
        (None, None, "1..5"),
    ],
)
def test_grades_go_to_the_ends_of_their_scale(least, greatest, scale):
    assert grades_of(pl.Series([least, greatest], dtype=pl.Float64)) == scale


@pytest.mark.parametrize("name", ["f.csv", "f.json"])
@pytest.mark.parametrize(
    ("scores", "satisfactions"),
    [
        ((-1.0, 0.0, 1.0, -1.0), [0.0, 0.5, 1.0, 0.0]),
        ((-1, 0, 1, -1), [0.0, 0.5, 1.0, 0.0]),
        ((0, 3, 5, 4), [0.0, 0.6, 1.0, 0.8]),
        ((0.5, 2.5, 5.0, 4.0), [0.1, 0.5, 1.0, 0.8]),
        ((1, 3, 5, 4), [0.0, 0.5, 1.0, 0.75]),
        ((0, 10, 5, 10), [0.0, 1.0, 0.5, 1.0]),
    ],
)
def test_scores_are_read_as_their_error_says(tmp_path, name, scores, satisfactions):
    rows = [{"id": i, "score": s} for i, s in enumerate(scores)]
    table = "\n".join(["id,score", *(f"{row['id']},{row['score']}" for row in rows)])
    file = write(tmp_path, name, table if name == "f.csv" else rows)
    with pytest.raises(DataError) as error:
        means([file])
    (map_,) = shlex.split(re.search(r"--map (\S+) what grades$", str(error.value))[1])
    assert means([file], map_=[map_])[0] == {"f": pytest.approx(satisfactions)}


def test_a_log_of_decisions_has_its_numbers_mapped_by_value_too(tmp_path):
    from messsim.logs.decisions import DecisionColumns, read_log

    rows = [{"model": m, "satisfied": s, "cost": 1.0} for m, s in zip("abab", (-1.0, 1.0, 0.0, None), strict=True)]
    values, _ = parse_map(["-1=0,0=0.5,1=1"])
    log = read_log(write(tmp_path, "f.jsonl", lines(rows)), DecisionColumns(values=values))
    assert log.satisfied[:3].tolist() == [0.0, 1.0, 0.5]


def test_thumbs_may_be_numbers(tmp_path):
    assert grades_of(pl.Series([1.0, -1.0, None])) == "'-1=0,0=0.5,1=1'"
    file = write(tmp_path, "m.jsonl", lines([{"id": i, "rating": r} for i, r in enumerate((1, -1, 0))]))
    with pytest.raises(DataError, match=r"--map '-1=0,0=0\.5,1=1' what grades"):
        means([file])
    assert means([file], map_=["-1=0,0=0.5,1=1"])[0] == {"m": [1.0, 0.0, 0.5]}


def test_grades_and_turns_of_mt_bench(tmp_path):
    rows = [
        {"question_id": i, "model": m, "turn": turn, "score": 10 if s else 1, "tstamp": 1.5 + i}
        for m, right in RIGHT.items()
        for i, s in enumerate(right)
        for turn in (1, 2)
    ]
    file = write(tmp_path, "gpt-4_single.jsonl", lines(rows))
    with pytest.raises(DataError, match=r"--map 1\.\.10 what grades$"):
        means([file])
    with pytest.raises(
        DataError, match=r"several answers of a model to a prompt, one for each turn; expected one: --select turn=1"
    ):
        means([file], map_=["1..10"])
    read, notes = means([file], select=["turn=1"], map_=["1..10"])
    assert read == {m: list(map(float, right)) for m, right in RIGHT.items()}
    assert notes == ("rows without turn=1 are left out: 8",)


def test_nothing_is_told_apart_that_stands_once_or_has_no_score():
    long = pl.DataFrame({"prompt": ["a", "a"], "model": ["m", "m"], "score": [1.0, None]})
    frame = pl.DataFrame({"turn": [1, 2], "same": ["x", "x"], "score": [1.0, None]})
    assert telling(frame, long, {"score"}) is None
    both = long.with_columns(score=pl.lit(1.0))
    assert telling(frame, both, {"score"}) == ("turn", "1")
    assert telling(frame.select("same"), both, set()) is None


@pytest.mark.parametrize(
    "column",
    [
        {"latency_ms": ["120", "130", "110", "140"]},
        {"date": ["2026-01-01", "2026-01-02", "2026-01-01", "2026-01-03"]},
        {"answer": ["A", "B", "B", "C"]},
    ],
)
def test_only_what_stands_with_every_answer_tells_them_apart(tmp_path, column):
    long = pl.DataFrame({"prompt": ["p"] * 4, "model": ["a", "a", "b", "b"], "score": [1.0, 0.0, 1.0, 1.0]})
    assert telling(long.with_columns(**{n: pl.Series(v) for n, v in column.items()}), long, set(long.columns)) is None
    raters = long.with_columns(rater=pl.Series(["x", "y", "x", "y"]))
    assert telling(raters, long, set(long.columns)) == ("rater", "x")
    file = write(tmp_path, "f.csv", long.with_columns(**{n: pl.Series(v) for n, v in column.items()}).write_csv())
    with pytest.raises(DataError, match=r"prompt 'p' has 2 answers of 'a'; expected one each: --prompt COLUMN$"):
        means([file])


def test_the_log_of_a_router_is_told_to_be_one(tmp_path):
    rows = [{"id": i, "model": m, "score": 1} for i, m in enumerate(("a", "b", "a"))]
    with pytest.raises(DataError, match=r"no prompt was answered by all of a, b; .*messsim replay reads its log"):
        means([write(tmp_path, "f.jsonl", lines(rows))])


@pytest.mark.parametrize("name", ["f.json", "f.jsonl"])
def test_values_of_kinds_that_no_column_has_at_once_do_not_keep_the_rest_from_being_read(tmp_path, name):
    from messsim.workload.blocks import whole

    rows = [{"id": 1, "meta": {"a": 1}, "stop": None}, {"id": 2, "meta": [], "stop": [["x", [True]]]}]
    file = write(tmp_path, name, json.dumps(rows) if name == "f.json" else lines(rows))
    frame = whole(file)
    assert frame["id"].to_list() == [1, 2]
    assert frame["meta"].dtype == pl.String


def test_the_log_of_decisions_names_its_columns_by_what_they_mean(tmp_path):
    from messsim.logs.decisions import DecisionColumns, read_log

    rows = [{"llm_used": m, "user_rating": i, "price_usd": 0.1 + i} for i, m in enumerate("ab")]
    file = write(tmp_path, "log.jsonl", lines(rows))
    with pytest.raises(DataError, match=r"--model llm_used names it\n.*--satisfied user_rating names it"):
        read_log(file)
    with pytest.raises(DataError, match=r"tells no costs; .*: --cost price_usd names it"):
        read_log(file, DecisionColumns(model="llm_used", satisfied="user_rating"))
    spaced = write(tmp_path, "l.csv", "llm used,User Rating,Price USD\na,1,0.1\nb,0,0.2\n")
    with pytest.raises(DataError, match=r"--model 'llm used' names it\n.*--satisfied 'User Rating' names it"):
        read_log(spaced)
    with pytest.raises(DataError, match=r"tells no costs; .*: --cost 'Price USD' names it"):
        read_log(spaced, DecisionColumns(model="llm used", satisfied="User Rating"))
    log = read_log(file, DecisionColumns("llm_used", "user_rating", "price_usd"))
    assert log.models == ["a", "b"]
    votes = write(tmp_path, "votes.jsonl", lines([{"model_a": "x", "model_b": "y", "winner": "model_a"}]))
    with pytest.raises(DataError, match="votes say which of two answers is better"):
        read_log(votes)


def test_two_models_of_one_column_and_prompts_without_a_score_are_told(tmp_path):
    from builders import scenario

    import messsim

    file = write(tmp_path, "o.csv", "exact_match,other\n1,1\n0,\n1,0\n")
    base = {"satisfaction": {"kind": "table", "file": str(file)}, "features": {"kind": "none"}}

    def run(*columns):
        kept = [{k: v for k, v in m.items() if k != "satisfaction"} for m in scenario()["models"]]
        models = [m | {"column": c} for m, c in zip(kept, columns, strict=True)]
        return messsim.run(scenario(**base, models=models))

    notes = run("exact_match", "exact_match").notes
    assert any("take one column, exact_match, so that they answer alike; messsim import --outcomes" in n for n in notes)
    with pytest.raises(
        DataError, match=r"in row 2; .*--outcomes with --skip-failed leaves out prompts without a score"
    ):
        run("exact_match", "other")


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_prompts_may_be_chat_messages(tmp_path, suffix):
    asked = [[{"role": "user", "content": text}] for text in ("a", "b")]
    rows = [{"prompt": p, "model": m, "score": int(m > p[0]["content"])} for m in ("aa", "bb") for p in asked]
    file = tmp_path / f"chats{suffix}"
    if suffix == ".parquet":
        pl.DataFrame(rows).write_parquet(file)
    else:
        file.write_text(lines(rows))
    assert means([file])[0] == {"aa": [1.0, 0.0], "bb": [1.0, 1.0]}


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("score", [b"\xff", b"0"], "column 'score' is of type Binary; expected scores: --score COLUMN"),
        ("score", [timedelta(1), None], "column 'score' is of type Duration.*; expected scores: --score COLUMN"),
        ("prompt", [b"\xff", b"b"], "column 'prompt' is of type Binary; expected text or numbers"),
        ("model", [timedelta(1), None], "column 'model' is of type Duration.*; expected text or numbers"),
        ("model", [["m"], ["n"]], r"column 'model' is of type List\(String\); expected text or numbers"),
    ],
)
def test_columns_that_are_no_text_are_told(tmp_path, column, values, message):
    rows = {"prompt": ["a", "b"], "model": ["m", "m"], "score": [1.0, 0.0]} | {column: values}
    pl.DataFrame(rows).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=message):
        means([tmp_path / "a.parquet"])


def test_a_table_with_a_column_a_model_tells_what_its_prompts_are(tmp_path):
    rows = {"sample_id": [b"\xff", b"b"], "m": [1.0, 0.0], "m|total_cost": [1.0, 1.0]}
    pl.DataFrame(rows).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match="column 'sample_id' is of type Binary"):
        means([tmp_path / "a.parquet"])
