"""Rows out of JSON of any shape, without files: what is a value, what is noise, and which list holds the rows."""

import json
import re

import pytest

from messsim.workload.documents import Documents, is_wrapped, rows_of

A, B, C = {"a": 1, "b": 2}, {"a": 3, "b": 4}, {"a": 5, "b": 6}


def rows(value):
    """The rows of a text of one value."""
    return rows_of(Documents.read(json.dumps(value)).values)


# ---- values and noise -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "values", "noise"),
    [
        ('{"a": 1}', [{"a": 1}], 0),
        ('{"a": 1}{"a": 2}', [{"a": 1}, {"a": 2}], 0),
        ('{"a": 1},\n{"a": 2},\n', [{"a": 1}, {"a": 2}], 0),
        ('\x1e{"a": 1}\n\x1e{"a": 2}\n', [{"a": 1}, {"a": 2}], 0),
        ('\r\n\t {"a": 1}\r\n', [{"a": 1}], 0),
        ("[1, 2]", [[1, 2]], 0),
        ('{"a": NaN, "b": Infinity, "c": -Infinity}', [{"a": None, "b": None, "c": None}], 0),
        ('INFO started\n{"a": 1}\nbye', [{"a": 1}], 2),
        ('7 {"b": 2}\n{"a": 1}', [{"a": 1}], 1),  # a number is noise, and with it the rest of its line
        ('"text" {"b": 2}\n{"a": 1}\n"x"', [{"a": 1}], 2),
        ('{broken\n{"a": 1}', [{"a": 1}], 1),  # a line that is none from its second character on
        ('[x]\n{"a": 1}', [{"a": 1}], 1),
    ],
)
def test_values_stand_one_after_the_other_and_the_rest_is_noise(text, values, noise):
    read = Documents.read(text)
    assert (read.values, read.noise) == (values, noise)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"it holds no JSON object; expected \{...\}"),
        ("only text\nand more", "it holds no JSON object"),
        ('{"a": 1}\n{"a": }', r"row 2 is no JSON object: Expecting value.*char 15"),
        ('{"a": 1', "row 1 is no JSON object"),
        ("[" * 100_000, "it is nested too deeply"),
        ('{"a": ' + "7" * 5000 + "}", "row 1 is no JSON object: a number has over 4,300 digits"),
    ],
)
def test_damage_is_told_with_the_number_of_the_value(text, message):
    with pytest.raises(ValueError, match=message):
        Documents.read(text)


def test_an_array_of_whole_results_is_taken_apart_and_one_of_rows_is_not():
    results = [{"benchmarks": [1]}, {"benchmarks": [2]}]
    assert Documents.read(json.dumps(results)).values == results
    lists = [{"input_lens": [1], "output_lens": [2]}, {"resource_spans": []}]
    assert Documents.read(json.dumps(lists)).values == lists
    assert Documents.read(json.dumps([A, {"benchmarks": []}])).values == [[A, {"benchmarks": []}]]
    assert Documents.read("[]").values == [[]]
    assert Documents.read(json.dumps(results) + json.dumps([A])).values == [results, [A]]


# ---- which list holds the rows --------------------------------------------------------------------------

SPANS = {"resourceSpans": [{"scopeSpans": [{"spans": [A]}, {"spans": [B]}]}, {"scopeSpans": [{"spans": [C]}]}]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([A, B], [A, B]),
        ([[A], [B, C]], [A, B, C]),
        ([[A], B], [A, B]),
        ({"data": [A, B]}, [A, B]),
        ({"data": [A]}, [A]),
        ({"hits": {"hits": [A, B]}}, [A, B]),
        (SPANS, [A, B, C]),
        ({"trace": SPANS}, [A, B, C]),
        ({"batches": SPANS["resourceSpans"]}, [A, B, C]),
        ({"benchmarks": [{"requests": {"successful": [A], "errored": [B]}}]}, [A]),
        ({"experiments": [{"requests": [A]}, {"requests": [B]}]}, [A, B]),
        ({"data": [{"spans": [A]}, {"spans": [B]}], "items": [C]}, [A, B]),  # the deeper path goes before "data"
        ({"items": [A], "requests": [B]}, [A]),
        ({"data": [], "rows": [B]}, [B]),
        ({"data": [1, 2], "rows": [B]}, [B]),
        (A, [A]),
        # a table: columns by name, and rows of values
        ({"columns": ["a", "b"], "data": [[1, 2], [3, 4]]}, [A, B]),
        ({"Columns": [{"ColumnName": "a"}, {"name": "b"}], "Rows": [[1, 2]]}, [A]),
        ({"Tables": [{"columns": ["a", "b"], "rows": [[5, 6]]}]}, [C]),
        ({"columns": ["a", "b"], "rows": [[1, 2, 9]]}, [A]),
        # columns as lists, or as values by the number of their row
        ({"a": [1, 3], "b": [2, 4]}, [A, B]),
        ({"a": [1, 3], "b": [2, 4], "name": "x"}, [A, B]),
        ({"a": {"0": 1, "1": 3}, "b": {"0": 2, "1": 4}}, [A, B]),
        ({"a": [1], "b": [2]}, [{"a": [1], "b": [2]}]),  # one is no list of rows
        ({"a": [1, 3], "b": [2, 4, 6]}, [{"a": [1, 3], "b": [2, 4, 6]}]),
        ({"a": [1, 3]}, [{"a": [1, 3]}]),
        # rows by their names
        ({"x": A, "y": B}, [{"key": "x"} | A, {"key": "y"} | B]),
        ({"0": A, "x": B}, [{"key": "0"} | A, {"key": "x"} | B]),
        ({"0": A, "1": B}, [A, B]),  # numbers of rows
        (
            {"date": "d", "eval": {"x": [A], "y": [B, C]}},
            [{"key": k} | row for k, row in (("x", A), ("y", B), ("y", C))],
        ),
        ({"details": {"0": A, "1": B, "type": "GEN"}, "n": 1}, [{"key": "0"} | A, {"key": "1"} | B]),
        ({"details": {"x": A, "y": B}, "n": 1}, [{"details": {"x": A, "y": B}, "n": 1}]),
        ({"hash": "h", "eval": {"x": A, "y": 1}}, [{"hash": "h", "eval": {"x": A, "y": 1}}]),
        ({"x": A, "y": {"a": 1}}, [{"x": A, "y": {"a": 1}}]),  # one of two keys is not more than half
        ({"x": A}, [{"x": A}]),
        ({"x": A, "y": 3}, [{"x": A, "y": 3}]),
        # the longest list of objects within objects
        ({"meta": {"n": 2}, "calls": [A, B], "more": [C]}, [A, B]),
        ({"deep": {"er": {"calls": [A, B, C]}}, "calls": [A, B]}, [A, B, C]),
        ({"calls": [A], "n": 1}, [{"calls": [A], "n": 1}]),
        ({"1": {"2": {"3": {"4": {"c": [A, B]}}}}}, [A, B]),
        ({"1": {"2": {"3": {"4": {"5": {"c": [A, B]}}}}}}, [{"1": {"2": {"3": {"4": {"5": {"c": [A, B]}}}}}}]),
    ],
)
def test_the_rows_are_where_one_looks_for_them(value, expected):
    assert rows(value) == expected


FIELDS = [[{"field": "a", "value": 1}, {"field": "b", "value": 2}], [{"field": "a", "value": 3}]]
LINES = [["1", "x"], ["2", "y", {"trace": "z"}]]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"results": FIELDS}, [A, {"a": 3}]),
        ({"results": [FIELDS[0], []]}, [A, {}]),
        (
            {"data": {"result": [{"stream": {"app": "q"}, "values": LINES}]}},
            [{"timestamp": line[0], "line": line[1], "labels": {"app": "q"}} for line in LINES],
        ),
    ],
)
def test_answers_to_queries_are_rows(value, expected):
    assert rows(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        {"results": [[], []]},
        {"results": [[{"field": ["a"], "value": 1}]]},
        {"results": [[{"field": {"a": 1}, "value": 1}], FIELDS[1]]},
        {"results": [[{"field": 5, "value": 1}]]},
        {"attributes": [{"key": ["a"], "value": 1}], "id": 1},
        {"tags": [{"key": None, "value": 1}], "id": 1},
        {"benchmarks": 5},
    ],
)
def test_what_only_begins_like_an_answer_is_a_row_itself(value):
    assert rows(value) == [value]


@pytest.mark.parametrize(
    "held",
    [
        {"stream": True, "values": 5},
        {"stream": {}, "values": 5},
        {"stream": {}, "values": [5]},
        {"stream": {}, "values": [["1"]]},
        {"stream": {}, "values": {"a": 1}},
        {"stream": {}, "values": "ab"},
        {"stream": "app", "values": [["1", "x"]]},
    ],
)
def test_streams_without_lines_are_rows_themselves(held):
    value = {"data": {"result": [held]}}
    assert rows(value) == [value]
    assert rows({"data": {"result": [held, {"stream": {}, "values": LINES}]}})[0] == held


def test_a_number_with_two_signs_is_none():
    assert rows_of([[{"tags": [{"key": "n", "value": {"intValue": "--5"}}], "id": 1}]])[0]["tags"] == {"n": "--5"}


def test_several_values_are_rows_themselves():
    assert rows_of([A, {"calls": [A, B]}]) == [A, {"calls": [A, B]}]
    assert rows_of([{"data": [A]}, {"data": [B, C]}]) == [A, B, C]
    assert rows_of([]) == []


@pytest.mark.parametrize(("values", "row"), [([[1, 2]], 1), ([[A, "x"]], 2), ([[A], [B, None]], 3)])
def test_a_row_that_is_no_object_is_named_by_its_number(values, row):
    with pytest.raises(ValueError, match=rf"^row {row} is no JSON object; expected \{{\.\.\.\}}$"):
        rows_of(values)


def test_lists_of_a_benchmark_are_rows_with_what_stands_beside_them():
    value = {"input_lens": [7, 8], "output_lens": [1, 2], "ttfts": [0.5, 0.25], "model": "m", "itls": [[1], [2]]}
    assert rows(value) == [
        {"model": "m", "input_lens": 7, "output_lens": 1, "ttfts": 0.5},
        {"model": "m", "input_lens": 8, "output_lens": 2, "ttfts": 0.25},
    ]
    assert rows({"input_lens": [7], "errors": [""], "ttfts": []}) == [{"input_lens": 7, "errors": ""}]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"input_lens": [1], "output_lens": [1, 2]}, "its lists differ in length: input_lens 1, output_lens 2"),
        ({"input_lens": [1], "output_lens": [1], "ttfts": "x"}, "ttfts: expected a list, not str"),
    ],
)
def test_lists_of_a_benchmark_that_do_not_fit_are_told(value, message):
    with pytest.raises(ValueError, match=message):
        rows_of([value])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (A, False),
        ([A], False),
        ({"data": [A]}, True),
        ({"data": A}, False),
        ({"data": []}, False),
        ({"input_lens": [1], "ttfts": [0.1]}, True),
        ({"input_lens": [1]}, False),
        ({"errors": [""], "ttfts": [0.1]}, False),  # no lengths
        (7, False),
    ],
)
def test_an_object_that_holds_several_rows_is_wrapped(value, expected):
    assert is_wrapped(value) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"intValue": "12"}, 12),
        ({"intValue": "-3"}, -3),
        ({"intValue": 4}, 4),
        ({"intValue": "x"}, "x"),
        ({"stringValue": "12"}, "12"),
        ({"doubleValue": 0.5}, 0.5),
        ({"a": 1, "b": 2}, {"a": 1, "b": 2}),
        (5, 5),
    ],
)
@pytest.mark.parametrize("column", ["attributes", "tags"])
def test_attributes_of_spans_have_names(column, value, expected):
    listed = [{"key": "n", "value": value}, {"other": 1}]
    assert rows_of([[{column: listed, "id": 1}]]) == [{column: {"n": expected}, "id": 1}]


def test_other_lists_of_attributes_stay():
    row = {"attributes": [{"other": 1}], "tags": "x"}
    assert rows_of([[row]]) == [row]


@pytest.mark.parametrize(("text", "of_python"), [("[{'a': 1}]", True), ("{'a': 1}", True), ('[{"a": 1,}]', False)])
def test_what_python_prints_is_told(text, of_python):
    with pytest.raises(ValueError, match="no JSON object") as error:
        Documents.read(text)
    assert ("json.dumps writes JSON" in str(error.value)) is of_python


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('[{"a": 1}, {"a": 2},\n]', "; JSON has no comma before ]: expected it without"),
        ('{"a": 1 ,\n}', "; JSON has no comma before }: expected it without"),
        ('{"a": [1, 2, ], "b": 3}', "; JSON has no comma before ]: expected it without"),
        ('{"a": 1, // one\n"b": 2}', "; JSON has no comments: expected it without"),
        ('{"a": 1,\n# one\n"b": 2}', "; JSON has no comments: expected it without"),
        ('[{"a": 1}, /* one */ {"a": 2}]', "; JSON has no comments: expected it without"),
        ('[{"a": 1}', ""),
        ('{"a": 1 "b": 2}', ""),
    ],
)
def test_what_javascript_has_and_json_has_not_is_told(text, hint):
    with pytest.raises(ValueError, match=r"^row 1 is no JSON object") as error:
        Documents.read(text)
    assert re.search(r"\(char \d+\)(.*)$", str(error.value))[1] == hint
