"""Figures as people read them, at both sides of every threshold; errors as they are told; paths as they are opened."""

import os
import pickle

import pytest

from messsim import errors, files, wording


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [
        (None, 1, "-"),
        (0.0, 1, "0.0 %"),
        (0.1234, 1, "12.3 %"),
        (0.1234, 0, "12 %"),
        (1.0, 2, "100.00 %"),
        (-0.05, 1, "-5.0 %"),
    ],
)
def test_percent(value, digits, expected):
    assert wording.percent(value, digits) == expected
    if digits == 1:
        assert wording.percent(value) == expected


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (None, "J", "-"),
        (0.0, "", "0"),
        (9e-13, "", "0"),
        (1e-12, "", "1e-12"),
        (-9e-13, "J", "0 J"),
        (0.123456, "", "0.1235"),
        (999.96, "", "1000"),
        (1000.0, "", "1,000"),
        (1234.5, "J", "1,234 J"),
        (-1234567.0, "", "-1,234,567"),
        (9.99e14, "", "999,000,000,000,000"),
        (1e15, "", "1e+15"),
        (5, "", "5"),
    ],
)
def test_number(value, unit, expected):
    assert wording.number(value, unit) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "none"),
        (True, "True"),
        ("x", "x"),
        (7, "7"),
        (0.0, "0.0"),
        (0.0000464159, "0.0000464159"),
        (1e-7, "0.0000001"),
        (9.9e-8, "9.9e-08"),
        (0.5, "0.5"),
        (1234567.0, "1234567"),
        (1234.5678, "1234.57"),
        (120000.0, "120000"),
        (1e15, "1000000000000000.0"),
        (-0.25, "-0.25"),
        (float("inf"), "inf"),
    ],
)
def test_plain(value, expected):
    assert wording.plain(value) == expected


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (None, "J", "-"),
        (9999.0, "J", "9,999 J"),
        (10_000.0, "J", "10 kJ"),
        (-10_000.0, "J", "-10 kJ"),
        (1.5e6, "J", "1.5 MJ"),
        (2e9, "J", "2 GJ"),
        (3e12, "J", "3 TJ"),
        (4e15, "J", "4,000 TJ"),
        (1.5e6, "USD", "1,500,000 USD"),
    ],
)
def test_cost(value, unit, expected):
    assert wording.cost(value, unit) == expected


def test_costs_of_a_request_in_money_are_those_of_a_thousand():
    assert wording.per_request(0.002, "USD") == "2 USD per 1,000 requests"
    assert wording.per_request(20.0, "J") == "20 J"
    assert wording.per_request(None, "USD") == "-"
    assert wording.cost_heading("USD") == "USD/1,000 requests"
    assert wording.cost_heading("J") == "J/request"
    assert wording.headed("cost.per_request", "USD") == (1000.0, "cost.per_request (USD/1,000 requests)")
    assert wording.headed("cost.per_request", "J") == (1.0, "cost.per_request (J/request)")
    assert wording.headed("cost.per_request", None) == (1.0, "cost.per_request")
    assert wording.headed("cost.total", "USD") == (1.0, "cost.total")
    assert wording.headed("cost.per_request.x", "USD") == (1.0, "cost.per_request.x")  # the last key counts


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "0"),
        (9e-13, "0"),
        (0.01234, "0.012"),
        (9.94, "9.9"),
        (99.4, "99"),
        (99.5, "100"),
        (1234.0, "1,234"),
        (-3.21, "-3.2"),
    ],
)
def test_half_of_an_interval(value, expected):
    assert wording.half_width(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "-"),
        (0.0, "0 ms"),
        (9e-13, "0 ms"),
        (2e-9, "0.002 µs"),
        (0.0009994, "999 µs"),
        (0.0009996, "1 ms"),
        (0.25, "250 ms"),
        (0.9994, "999 ms"),
        (0.9995, "1 s"),
        (1.0, "1 s"),
        (59.94, "59.9 s"),
        (599.4, "599 s"),
        (599.5, "9.99 min"),
        (7199.0, "120 min"),
        (7200.0, "2 h"),
        (172_799.0, "48 h"),
        (172_800.0, "2 days"),
        (86_400.0 * 999.4, "999 days"),
        (86_400.0 * 1234.0, "1,234 days"),
        (-0.25, "-250 ms"),
    ],
)
def test_seconds(value, expected):
    assert wording.seconds(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "-"),
        (0.0, "0 requests/s"),
        (0.01, "0.01 requests/s"),
        (0.0099, "35.64 requests/h"),
        (2000.0, "2,000 requests/s"),
    ],
)
def test_rate(value, expected):
    assert wording.rate(value) == expected
    assert wording.rate(value, "") == expected.replace(" requests", "")


@pytest.mark.parametrize(
    ("name", "expected"), [("a b", "a b"), ("", "''"), (" ", "' '"), ("a\nb", r"'a\nb'"), ("é", "é")]
)
def test_names_that_cannot_be_printed_are_written_out(name, expected):
    assert wording.shown(name) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[31m", r"\x1b[31m"),
        ("\x00\x08\x0b\x7f\x9f", r"\x00\x08\x0b\x7f\x9f"),
        ("a\u2028b", r"a\u2028b"),
        ("a\u202eb", r"a\u202eb"),
        ("a\u200bb\ufeff", r"a\u200bb\ufeff"),
        ("a\u00adb", r"a\xadb"),
        ("\U000e0041", r"\U000e0041"),
        ("file\udcff", r"file\xff"),
        ("\ud800", r"\ud800"),
        ("a\u200db", r"a\u200db"),
        ("\u2764\ufe0f", "\u2764\ufe0f"),  # an emoji of two characters
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
        ("1\ufe0f\u20e3", "1\ufe0f\u20e3"),  # a keycap
        ("a\ufe0f", r"a\ufe0f"),
        ("größe", "größe"),
    ],
)
def test_what_is_unseen_is_written_out(text, expected):
    assert wording.visible(text) == expected


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (0x180B, 0x180F),
        (0x202A, 0x202E),
        (0x2060, 0x206F),
        (0xFFF0, 0xFFFB),
        (0x1BCA0, 0x1BCA3),
        (0x1D173, 0x1D17A),
        (0xE0000, 0xE0FFF),
    ],
)
def test_ranges_of_what_is_unseen_end_where_unicode_ends_them(first, last):
    assert all(wording.visible(f"a{chr(code)}b").isascii() for code in (first, last))
    beside = {first - 1, last + 1} - {0x2029}  # which parts paragraphs
    assert all(wording.visible(f"a{chr(code)}b") == f"a{chr(code)}b" for code in beside)


# ---- errors ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        errors.ScenarioError("one"),
        errors.DataError(["one", "two"], "f.csv"),
        errors.MissingColumns(["one"], "f.csv", {"a": None}),
    ],
)
def test_errors_are_the_same_in_another_process(error):
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.problems, again.file) == (
        type(error),
        str(error),
        error.problems,
        error.file,
    )
    assert getattr(again, "meant", 0) == getattr(error, "meant", 0)


def test_each_problem_has_a_line_with_its_file():
    assert str(errors.ScenarioError(["one", "two"], "f")) == "f: one\nf: two"
    assert str(errors.ScenarioError("one")) == "one"


NAN = -(2**63)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("plan", 7, 9, 3), "returned 9 at request 7; expected a model from 0 to 2, or one with a single PLAN_ flag"),
        (("plan", 7, -5, 3), "the policy returned its error code -5 at request 7"),
        (("plan", 7, NAN, 3), f"returned {NAN} at request 7, which is what int() makes of NaN and of infinity"),
        (("next", 7, 4, 3), "finish returned 4 at request 7; expected a model from 0 to 2 to ask next, or 3 to stay"),
        (("next", 7, -1, 3), "finish returned -1 at request 7"),
        (("chain", 7, 0, 3), "finish goes on after 1,000 answers to request 7"),
        (("label", 7, -2, 3), "returned its error code -2 on the label of request 7"),
        (("plan", 7, 0, 3, "KeyError"), "the policy's KeyError, at request 7"),
    ],
)
def test_what_a_policy_must_not_return(arguments, message):
    assert message in str(errors.illegal(*arguments))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((7, 4), "returned 4 at request 7; expected one of its replicas"),
        ((7, 0), "returned 0 at request 7; expected one of its replicas"),
        ((7, -1), "returned its error code -1 at request 7"),
        ((7, NAN), "what int() makes of NaN"),
        ((7, 0, "KeyError"), "the rule of dispatch: KeyError, at request 7"),
    ],
)
def test_what_a_rule_of_dispatch_must_not_return(arguments, message):
    assert message in str(errors.wrong_pick(*arguments))


# ---- files ----------------------------------------------------------------------------------------------


def reason(path):
    with pytest.raises(OSError) as error:  # noqa: PT011  of which `why` makes a sentence
        files.open_file(path)
    return files.why(error.value), files.why(error.value, "a trace")


def test_what_is_no_plain_file_is_told_by_its_kind(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert reason(tmp_path) == ("is a directory; expected a file", "is a directory; expected a trace")
    instead = "; a command takes - for standard input"
    assert reason(tmp_path / "pipe") == (
        f"is a pipe; expected a file{instead}",
        f"is a pipe; expected a trace{instead}",
    )
    assert reason(tmp_path / "none") == ("no such file", "no such file; expected a trace")
    assert reason(tmp_path / "a\0b") == ("no such file", "no such file; expected a trace")
    assert reason(files.Path("/dev/null"))[0] == "is a device; expected a file"
    assert files.why(OSError(5, "Input/output error")) == "cannot be read: Input/output error"
    assert files.why(OSError("odd")) == "cannot be read: odd"


def test_a_file_may_be_no_longer_than_is_said(tmp_path):
    file = tmp_path / "f"
    file.write_bytes(b"x" * (2 << 20))
    assert len(files.read_bytes(file, 2 << 20)) == 2 << 20
    with pytest.raises(OSError, match=r"^it is longer than 1 MiB$"):
        files.read_bytes(file, (2 << 20) - 1)


def test_json_and_sums_of_files(tmp_path):
    file = tmp_path / "f"
    file.write_text("abc")
    assert files.sha256(file) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(ValueError, match="Expecting value"):
        files.read_json(file)
    file.write_text('{"a": [1]}')
    assert files.read_json(file) == {"a": [1]}
    file.write_text("[" * 100_000)
    with pytest.raises(ValueError, match="it is nested too deeply"):
        files.read_json(file)
    file.write_text("9" * 5000)
    with pytest.raises(ValueError, match=r"^a number has over 4,300 digits$"):
        files.read_json(file)


def test_names_of_what_is_yet_to_become_a_file(tmp_path):
    target = tmp_path / ("n" * 60)
    beside, other = files.partial_name(target), files.partial_name(target)
    assert beside != other
    assert beside.parent == tmp_path
    assert beside.name.startswith("." + "n" * 50 + ".")
    assert files.partial_names(target).fullmatch(beside.name)
    assert not files.partial_names(tmp_path / "nn").fullmatch(beside.name)
    assert not files.partial_names(target).fullmatch(beside.name + "x")
    assert files.is_utf8(tmp_path)
    assert not files.is_utf8(files.Path("a\udcff"))
