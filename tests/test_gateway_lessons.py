"""What `MessPlus.learn_from` takes for numbers, and what its other doors take: as NumPy would, but no times."""

import datetime as dt
from decimal import Decimal
from fractions import Fraction

import numpy as np
import polars as pl
import pytest

from messsim.errors import ScenarioError
from messsim.routing import MessPlus

NAN = float("nan")
FEATURES = [[1.0, 2.0], [0.5, 0.25]]
LABELS = [[1.0, NAN], [0.5, 1.0]]


def learnt(features, labels, folder):
    ours = MessPlus(["a", "b"], 2, 0.5)
    ours.learn_from(features, labels)
    ours.save(folder / "router.json")
    return (folder / "router.json").read_text()


@pytest.mark.parametrize(
    ("features", "labels"),
    [
        (FEATURES, [[1, None], [0.5, True]]),
        (np.array(FEATURES, dtype=object), np.array(LABELS, dtype=object)),
        ([[Decimal(1), 2], [Decimal("0.5"), 0.25]], [[1, Decimal("NaN")], [Decimal("0.5"), Decimal(1)]]),
        ([[Fraction(1), 2], [Fraction(1, 2), Fraction(1, 4)]], [[Fraction(1), None], [Fraction(1, 2), 1]]),
        ([["1", 2], ["0.5", "25e-2"]], [["1", "nan"], ["0.5", True]]),
        ([[b"1", b"2"], [b"0.5", b"0.25"]], [["1", None], ["0.5", np.True_]]),
        (np.array([["1", "2"], ["0.5", "0.25"]], dtype=np.dtypes.StringDType()), LABELS),
        (np.array(FEATURES, np.longdouble), np.array(LABELS, np.float16)),
        (pl.DataFrame(FEATURES, orient="row"), pl.DataFrame({"a": [1.0, 0.5], "b": [None, True]})),
    ],
)
def test_whatever_is_a_number_teaches_the_same(features, labels, tmp_path):
    assert learnt(features, labels, tmp_path) == learnt(np.array(FEATURES), np.array(LABELS), tmp_path)


def test_whole_numbers_of_any_size_are_numbers(tmp_path):
    assert learnt([[2**70, 0], [0, 1]], LABELS, tmp_path) == learnt([[2.0**70, 0], [0, 1]], LABELS, tmp_path)


def test_frames_of_pandas_with_gaps_and_of_mixed_columns(tmp_path):
    pandas = pytest.importorskip("pandas")
    expected = learnt(np.array(FEATURES), np.array(LABELS), tmp_path)
    plain = pandas.DataFrame(FEATURES)
    gaps = pandas.DataFrame({"a": [1.0, 0.5], "b": pandas.array([None, True], dtype="boolean")})
    for labels in (gaps, gaps.astype("Float64"), gaps.astype(object), gaps.convert_dtypes(), gaps.to_numpy()):
        assert learnt(plain, labels, tmp_path) == expected
        assert learnt(plain.convert_dtypes(), labels, tmp_path) == expected
    assert learnt(plain.astype("Float64"), [[1, pandas.NA], [0.5, 1]], tmp_path) == expected
    mixed = pandas.DataFrame({"a": [True, False], "b": [0.5, 1.0]})
    assert learnt(mixed, mixed, tmp_path) == learnt([[1, 0.5], [0, 1]], [[1, 0.5], [0, 1]], tmp_path)
    rows = pandas.DataFrame({"a": [1.0, 0.5], "b": [pandas.Timestamp(0), pandas.NaT]})
    for at, labels in (("Timestamp", rows), ("NaT", rows.iloc[1:]), ("Timedelta", rows - rows)):
        with pytest.raises(ScenarioError, match=rf"^satisfied: has {at}.*; expected rows of numbers$"):
            MessPlus(["a", "b"], 2, 0.5).learn_from(plain, labels)


@pytest.mark.parametrize(
    ("rows", "which"),
    [
        ([["x"]], "has 'x'"),
        ([[1.0, "x"]], "has 'x'"),
        ("x", "has 'x'"),
        ([[1j]], "has 1j"),
        (np.array([[1.0, np.complex64(2)]], dtype=object), "has np.complex64(2+0j)"),
        ([[10**400]], "has 1000"),
        ([[10**5000]], "has a huge number"),
        ([[dt.timedelta(seconds=1)]], "has datetime.timedelta(seconds=1)"),
        (np.array([[np.timedelta64(1, "s")]], dtype=object), "has np.timedelta64(1,'s')"),
        (np.array([[np.datetime64(1, "s")]], dtype=object), "has np.datetime64('1970-01-01T00:00:01')"),
        ([[dt.date(2024, 5, 6)]], "has datetime.date(2024, 5, 6)"),
        (np.array([[1]], "m8[ns]"), "has values of timedelta64[ns]"),
        (np.array([[1]], "M8[ns]"), "has values of datetime64[ns]"),
        (np.array([(1.0,)], dtype=[("a", float)]), "has (1.0,)"),
        ({"a": 1.0}, "has {'a': 1.0}"),
    ],
)
def test_what_is_no_number_is_named(rows, which):
    ours = MessPlus(["a"], 1, 0.5)
    for name, given in (("features", (rows, [[1.0]])), ("satisfied", ([[1.0]], rows))):
        with pytest.raises(ScenarioError) as error:
            ours.learn_from(*given)
        assert str(error.value).startswith(f"{name}: {which}")
        assert str(error.value).endswith("; expected rows of numbers")


def test_rows_of_unequal_length_and_gaps_in_features_are_refused():
    ours = MessPlus(["a"], 1, 0.5)
    with pytest.raises(ScenarioError, match=r"^features: expected rows of numbers"):
        ours.learn_from([[1.0], [1.0, 2.0]], [[1.0]])
    with pytest.raises(ScenarioError, match="expected numbers up to"):
        ours.learn_from([[None]], [[1.0]])


@pytest.mark.parametrize("label", [True, np.True_, 1, np.int8(1), np.uint64(1), np.float16(1), np.longdouble(1)])
@pytest.mark.parametrize("kind", [int, float, bool, np.int64, np.uint8, np.float64, Decimal])
def test_labels_and_numbers_of_requests_of_any_kind(label, kind):
    """As a dictionary has them: what equals the number of the request is it."""
    ours = MessPlus(["a"], 1, 0.5, c=0.0)
    ours.feedback(kind(ours.route([1.0], [1]).request), label)
    ours.observe([1.0], "a", label)
    ours.route([1.0], [1])
    ours.forget(kind(1))
    assert ours.pending == 0
