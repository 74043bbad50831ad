"""``--set key.path=value``: how keys and values are read, and where a value is put."""

import datetime

import pytest

from messsim.errors import ScenarioError
from messsim.scenario.overrides import format_value, override, parse_override, parse_value, router_options, split_path


@pytest.mark.parametrize(
    ("text", "keys", "value"),
    [
        ("a=1", ["a"], 1),
        (" a.b = 2.5 ", ["a", "b"], 2.5),
        ('a."b.c".d=true', ["a", "b.c", "d"], True),
        ("a=b=c", ["a"], "b=c"),
        ("a=", ["a"], ""),
        ("a=word", ["a"], "word"),
        ('a="word"', ["a"], "word"),
        ("a=[1, 2]", ["a"], [1, 2]),
        ("a={x = 1}", ["a"], {"x": 1}),
        ("a=1\nb = 2", ["a"], "1\nb = 2"),  # one value, and no second key
        ("a=[1", ["a"], "[1"),
        ("a=nan", ["a"], pytest.approx(float("nan"), nan_ok=True)),
        ("models.0.name=x", ["models", "0", "name"], "x"),
    ],
)
def test_a_key_and_a_value(text, keys, value):
    assert parse_override(text) == (keys, value)


@pytest.mark.parametrize("text", ["a", "=1", "a b=1", ".a=1", "a..b=1", "a.=1", '"a=1', ""])
def test_what_is_no_override(text):
    with pytest.raises(ScenarioError) as error:
        parse_override(text)
    assert str(error.value) == f"--set {text}: expected key.path=value"


def test_text_that_is_no_utf_8_is_refused():
    for read in (parse_override, parse_value):
        with pytest.raises(ScenarioError, match=r"a=\\udcff: is not UTF-8"):
            read("a=\udcff")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        (" 7 ", 7),
        ("'a' ", "a"),
        ("2024-05-06", datetime.date(2024, 5, 6)),
        (".62", 0.62),
        ("-.5e1", -5.0),
        ("5.", 5.0),
        ("62%", 0.62),
        ("62.5%", 0.625),
        ("1.2.3", "1.2.3"),
        (".", "."),
        ("50%%", "50%%"),
        ("nonsense here", "nonsense here"),
        ("[" * 5000, "[" * 5000),
    ],
)
def test_values_are_toml_or_text(text, value):
    assert parse_value(text) == value


@pytest.mark.parametrize(
    ("text", "keys"),
    [("a.b", ["a", "b"]), (' a."b.c" ', ["a", "b.c"]), ("a.", None), ("a=b", None), ("a.b c", None), ("", None)],
)
def test_a_path_alone(text, keys):
    assert split_path(text) == keys


def test_a_key_of_a_thousand_parts_is_enough():
    """More take the parser minutes, and nobody needs them."""
    assert len(parse_override(".".join("a" * 1000) + "=1")[0]) == 1000
    with pytest.raises(ScenarioError, match=r"a\.a\.a\.\.\.: a key of 1,001 parts; expected at most 1,000"):
        parse_override(".".join("a" * 1001) + "=1")
    text = "{" + "a." * 100_000 + "a = 1}"
    assert parse_value(text) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (1.5, "1.5"),
        ('a"b\\c', '"a\\"b\\\\c"'),
        ("\x7f\u2028😀\U000e0001", '"\\u007f\\u2028😀\\U000e0001"'),
        ([1, "x", [2]], '[1, "x", [2]]'),
        ({"a b": 1, "c": {"d": False}}, '{"a b" = 1, "c" = {"d" = false}}'),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (datetime.time(1, 2, 3), "01:02:03"),
    ],
)
def test_a_value_as_it_is_written_is_read_back(value, text):
    assert format_value(value) == text
    assert parse_value(text) == value


DATA = {"a": {"b": 1, "c": 2}, "models": [{"name": "x"}, {"name": "llama-3.1-8b", "k": 1}], "n.m": {"q": 1}}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["a", "b"], {"a": {"b": 9, "c": 2}}),
        (["a", "d", "e"], {"a": {"b": 1, "c": 2, "d": {"e": 9}}}),
        (["a"], {"a": 9}),
        (["new", "table"], {"new": {"table": 9}}),
        (["models", "0", "k"], {"models": [{"name": "x", "k": 9}, DATA["models"][1]]}),
        (["models", "x", "k"], {"models": [{"name": "x", "k": 9}, DATA["models"][1]]}),
        (["models", "llama-3", "1-8b", "k"], {"models": [{"name": "x"}, {"name": "llama-3.1-8b", "k": 9}]}),
        (["models", "1"], {"models": [{"name": "x"}, 9]}),
        (["n", "m", "q"], {"n.m": {"q": 9}}),  # a name with dots that is there
        (["n", "o"], {"n": {"o": 9}}),
        (["a", "b", "c"], {"a": {"b": {"c": 9}, "c": 2}}),  # what was no table becomes one
    ],
)
def test_where_a_value_is_put(keys, expected):
    before = repr(DATA)
    assert override(DATA, keys, 9) == DATA | expected
    assert repr(DATA) == before


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["models", "2", "k"], "models.2.k: models has no entry '2'; expected a position below 2, or one of x, llama"),
        (["models", "-1"], "has no entry '-1'"),
        (["models", "y"], "has no entry 'y'"),
        (["equals", "a"], 'equals has no entry \'a\'; expected a position below 3, or one of "a=b", "a b", c<d'),
    ],
)
def test_an_entry_that_is_not_there(keys, message):
    with pytest.raises(ScenarioError, match=message):
        override(DATA | {"equals": [{"name": "a=b"}, {"name": "a b"}, {"name": "c<d"}]}, keys, 9)
    with pytest.raises(ScenarioError, match=r"^l\.-1: l has no entry '-1'; expected a position below 1$"):
        override({"l": [1]}, ["l", "-1"], 9)
    with pytest.raises(ScenarioError, match="models has no entry '0', it is empty"):
        override({"models": []}, ["models", "0"], 9)


def test_options_of_a_router_need_not_name_it():
    assert router_options(["V=1e-4", "router.c=2", "predictor.rate=3"]) == {
        "V": 1e-4,
        "c": 2,
        "predictor": {"rate": 3},
    }
    assert router_options(["router=1"]) == {"router": 1}
