"""Columns as numbers, token counts and text; columns by dotted path; errors with row and value."""

import re
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from messsim.errors import DataError, MissingColumns
from messsim.workload.blocks import blocks, schema_of
from messsim.workload.counts import CountsColumn
from messsim.workload.nested import column_of, name_missing, names_in, pick, require, resolved
from messsim.workload.readers import Marks, as_numbers, first_bad, numbers, read, texts, token_counts

FILE = Path("log.csv")


def column(*values, dtype=None):
    return pl.DataFrame({"c": pl.Series(values, dtype=dtype)})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (["1", " 2 ", "-3"], [1, 2, -3]),
        (["1", "2.5"], [1.0, 2.5]),
        (["1", "x", None], [1, None, None]),
        (["1,234", "5"], [1234, 5]),
        (["1,234,567.5"], [1234567.5]),
        (["1'234"], [1234]),
        (["1 234", "12 345 678"], [1234, 12345678]),
        (["1\u202f234", "1\u00a0234"], [1234, 1234]),
        (["1,5", "2"], [1.5, 2.0]),
        (["1,5", "1,234"], [1.5, 1.234]),  # a comma is a decimal point where it is in any value
        (["1,234"], [1234]),
        (["0,125", "1,250"], [0.125, 1.25]),  # no group of thousands follows a zero
        (["-0,125"], [-0.125]),
        (["1.234,5", "2.000.000,25"], [1234.5, 2000000.25]),
        (["1.234,5", "0,125"], [1234.5, 0.125]),
        (["1.234,5", "7"], [1234.5, 7.0]),
        (["1.234,5", "2.500", "3"], [1234.5, 2500.0, 3.0]),
        (["1.234,5", "1.5"], [1234.5, None]),
        (["+1,234"], [1234]),
        (["12,34"], [12.34]),
        (["1,2,3"], [None]),
        (["1 23"], [None]),
        (["1,234", "x"], [1234, None]),
        (["1e3"], [1000.0]),
        ([""], [None]),
        ([], []),
    ],
)
def test_text_as_numbers(text, expected):
    result = as_numbers(pl.Series(text, dtype=pl.String))
    assert result.to_list() == expected
    whole = all(isinstance(e, int) or e is None for e in expected) and any(e is not None for e in expected)
    assert not whole or None in expected or result.dtype == pl.Int64


@pytest.mark.parametrize(
    ("frame", "limits", "expected"),
    [
        (column(1, 2), {}, [1.0, 2.0]),
        (column("1", "2.5"), {}, [1.0, 2.5]),
        (column(0.0, 1.0), {"least": 0, "most": 1}, [0.0, 1.0]),
        (column(True, False), {"most": 1}, [1.0, 0.0]),
        (column(-1e300), {}, [-1e300]),
    ],
)
def test_a_column_of_numbers(frame, limits, expected):
    assert numbers(frame, "c", FILE, **limits).tolist() == expected


@pytest.mark.parametrize(
    ("frame", "limits", "message"),
    [
        (column(1, None), {}, "column 'c' has no value in row 2; expected a finite number"),
        (column("1", "x"), {}, "column 'c' has 'x' in row 2; expected a finite number"),
        (column(1.0, float("inf")), {}, "column 'c' has inf in row 2; expected a finite number"),
        (column(float("nan")), {}, "column 'c' has nan in row 1"),
        (column(0, -1), {"least": 0}, "column 'c' has -1 in row 2; expected a number, at least 0"),
        (column(1.5), {"most": 1}, "column 'c' has 1.5 in row 1; expected a number, at most 1"),
        (
            column(7, 9),
            {"least": 1, "most": 8, "before": 10},
            "in row 12; expected a number, at least 1 and at most 8",
        ),
        (column(True), {"most": 2}, "column 'c' is of type Boolean; expected a number, at most 2"),
        (column([1]), {}, r"column 'c' is of type List(Int64); expected a finite number"),
        (column(None, "y", dtype=pl.String), {"before": 3}, "column 'c' has no value in row 4"),
    ],
)
def test_what_is_no_number_is_told_with_its_row(frame, limits, message):
    with pytest.raises(DataError) as error:
        numbers(frame, "c", FILE, **limits)
    assert message in str(error.value)
    assert str(error.value).startswith("log.csv: column 'c' ")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 1000], [1, 1000]),
        ([1.4, 1.6, 2.5], [1, 2, 2]),
        (["1.234", "12"], [1234, 12]),  # thousands
        (["1.234", "1.5"], [1, 2]),  # not where another is no group of three
        (["1.234.567"], [1234567]),
        (["1,234"], [1234]),
    ],
)
def test_token_counts_are_whole(values, expected):
    result = token_counts(column(*values), "c", FILE)
    assert result.tolist() == expected
    assert result.dtype == np.int32


@pytest.mark.parametrize(("value", "shown"), [(0.0, "0"), (0.9, "0.9"), (-1.0, "-1"), (1e10, "1e\\+10|10000000000")])
def test_token_counts_are_at_least_1(value, shown):
    with pytest.raises(DataError, match=rf"has ({shown}) in row 2; expected a number, at least 1 and at most \d+"):
        token_counts(column(1.0, value), "c", FILE)


def test_text_of_a_column():
    assert texts(column("a", None, "b"), "c", FILE) == ["a", "", "b"]
    assert texts(column(1, 2), "c", FILE) == ["1", "2"]
    assert texts(column(0.5), "c", FILE) == ["0.5"]
    with pytest.raises(DataError, match=r"column 'c' is of type List\(Int64\); expected text or numbers"):
        texts(column([1]), "c", FILE)
    with pytest.raises(DataError, match="is of type Binary"):
        texts(column(b"\xff"), "c", FILE)
    assert texts(column("ü".encode()), "c", FILE) == ["ü"]
    with pytest.raises(DataError, match="is of type Duration"):
        texts(column(timedelta(1)), "c", FILE)


def test_the_first_bad_row_is_named():
    bad = pl.Series([False, True, True])
    assert str(first_bad("c", bad, pl.Series(["a", "b", "d"]), "x", FILE, 5)).endswith(
        "column 'c' has 'b' in row 7; expected x"
    )
    assert "has 1234567.891 in" in str(first_bad("c", bad, pl.Series([0.0, 1234567.891, 0.0]), "x", FILE))
    assert "has 3 in row 2;" in str(first_bad("c", bad, pl.Series([0, 3, 0]), "x", FILE))
    assert "has nothing in row 2;" in str(first_bad("c", bad, "nothing", "x", FILE))


def test_a_table_with_some_columns(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("a,b,c\n1,2,3\n")
    assert read(file).columns == ["a", "b", "c"]
    assert read(file, ["c", "a", "c"]).columns == ["c", "a"]
    with pytest.raises(DataError, match="column 'd' is missing; it has a, b, c"):
        read(file, ["d"])
    file.write_text("a,b\n")
    with pytest.raises(DataError, match="has no rows"):
        read(file)


# ---- dotted paths ---------------------------------------------------------------------------------------

FRAME = pl.DataFrame(
    {
        "a": [{"b": 1, "c.d": 2, "l": [{"x": 7}, {"x": 8}]}],
        "a.b": [5],
        "t": ['{"k": {"n": "v"}, "l": [3, 4]}'],
        "n": [9],
        "l": [[10, 20]],
    }
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("n", 9),
        ("a.b", 5),  # a name with dots goes before a path
        ("a.c.d", 2),
        ("a.l.0.x", 7),
        ("a.l.1.x", 8),
        ("a.l.2.x", None),
        ("l.1", 20),
        ("l.5", None),
        ("t.k.n", "v"),
        ("t.l.1", "4"),
        ("t.no", None),
    ],
)
def test_a_path_leads_to_a_value(path, expected):
    there = FRAME.select(column_of(FRAME.schema, path))
    assert there.columns == [path]
    assert there[path].to_list() == [expected]


@pytest.mark.parametrize("path", ["x", "n.x", "a.x", "l.x", "l.-1", "a.l.x", "l.0.x", ""])
def test_a_path_that_leads_nowhere_is_none(path):
    assert column_of(FRAME.schema, path) is None


def test_a_path_goes_into_text_only_where_it_may():
    assert column_of(FRAME.schema, "t.k.n", in_text=False) is None
    assert column_of(FRAME.schema, "a.c.d", in_text=False) is not None
    inner = {"meta": pl.Struct({"body": pl.String})}
    assert column_of(inner, "meta.body", in_text=False) is not None
    assert column_of(inner, "meta.body.usage", in_text=False) is None
    assert column_of(inner, "meta.body.usage") is not None


def test_every_name_of_a_schema_down_to_a_depth():
    assert list(names_in(FRAME.schema)) == ["a", "a.b", "a.c.d", "a.l", "a.b", "t", "n", "l"]
    assert list(names_in(FRAME.schema, 0)) == ["a", "a.b", "t", "n", "l"]


def test_wanted_columns_stand_beside_those_of_the_frame():
    frame = resolved(FRAME, ["n", "a.c.d", "a.c.d"], FILE)
    assert frame.columns == [*FRAME.columns, "a.c.d"]
    assert resolved(FRAME, ["n"], FILE) is FRAME
    assert FRAME.select(pick(FRAME.schema, ["n", "t.k.n", "n"], FILE)).row(0) == (9, "v")


@pytest.mark.parametrize(
    ("have", "missing", "hint"),
    [
        (["prompt_len", "x"], "prompt_tokens", "did you mean 'prompt_len'?"),
        (["lenth", "x"], "length", "did you mean 'lenth'?"),
        (["u.deep.zz", "x"], "zz", "did you mean 'u.deep.zz'?"),
        (["completion_tokens", "y"], "prompt_tokens", "it has completion_tokens, y"),  # near, but of another meaning
        ([f"c{i}" for i in range(12)], "zzz", "it has c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11"),
        ([f"c{i}" for i in range(13)], "zzz", "c10, c11, ..."),
    ],
)
def test_a_missing_column_is_named_with_the_nearest(have, missing, hint):
    (problem,) = name_missing(have, have, [missing])
    assert problem.startswith(f"column '{missing}' is missing; ")
    assert problem.endswith(hint)


def test_all_missing_columns_are_told_at_once_with_what_was_meant():
    with pytest.raises(MissingColumns) as error:
        require(["isl", "x"], ["x", "prompt_tokens", "zzz", "zzz"], FILE)
    assert error.value.meant == {"prompt_tokens": "isl", "zzz": None}
    assert len(error.value.problems) == 2
    with pytest.raises(MissingColumns) as error:
        pick({"u": pl.Struct({"isl": pl.Int64})}, ["prompt_tokens", "v.w"], FILE)
    assert error.value.meant == {"prompt_tokens": "u.isl", "v.w": None}
    require(["a"], ["a"], FILE)


def test_objects_are_told_with_the_field_that_may_be_meant():
    frame = pl.DataFrame({"gpt": [{"text": "x", "score": 1.0}], "feedback": [{"rating": 1}], "l": [[1.0]]})
    for column, hint in (("gpt", "did you mean 'gpt.score'?"), ("feedback", "did you mean 'feedback.rating'?")):
        with pytest.raises(DataError, match="holds objects") as error:
            numbers(frame, column, FILE)
        assert str(error.value).endswith(hint)
    with pytest.raises(DataError, match=r"is of type List\(Float64\); expected a finite number"):
        numbers(frame, "l", FILE)


def test_numbers_of_few_bits_are_read_as_those_of_64(tmp_path):
    types = {
        pl.Int8: pl.Int64, pl.Int32: pl.Int64, pl.UInt16: pl.Int64, pl.UInt64: pl.UInt64, pl.Int128: pl.Float64,
        pl.UInt128: pl.Float64, pl.Float16: pl.Float64,
        pl.Float32: pl.Float64, pl.Categorical: pl.String,
    }  # fmt: skip
    made = {str(t): pl.Series(["1"]).cast(pl.Int8 if t.is_numeric() else pl.String).cast(t) for t in types}
    frame = pl.DataFrame(made)
    frame.with_columns(pl.struct("Int8").alias("s")).write_parquet(file := tmp_path / "few.parquet")
    assert read(file).drop("s").dtypes == list(types.values()) == [*schema_of(file).values()][:-1]
    assert next(blocks(file, ["Int8", "s.Int8"]))[1].dtypes == [pl.Int64, pl.Int64]
    assert read(file, ["s.Int8"]).dtypes == [pl.Int64]


def notes_of(values, file=FILE, block=2):
    counts, frame = CountsColumn("c", file), pl.DataFrame({"c": values})
    for before in range(0, frame.height, block):
        counts.read(frame[before : before + block], before)
    return counts.notes()


@pytest.mark.parametrize("values", [[2.048], [1.0, 2.048, 1.23, 1.777, 3.001, 12.345], [2.048, 1.125, 1.001, 512.0]])
def test_counts_that_are_thousands_beyond_doubt_are_refused(values):
    with pytest.raises(DataError, match=r"column 'c' has 2\.048 in row [12]; expected whole .*write 2048, .* mean 2$"):
        notes_of(values)
    with pytest.raises(DataError, match=r"has 2\.048 in row [56]; "):
        notes_of([1.0, 7.0, 8.0, 9.0, *values])
    (note,) = notes_of(values, Path("a.parquet"))  # numbers there were written without a comma
    assert note.endswith("such as 2.048: read as 2; are they thousands, whose comma was read as the decimal one?")


@pytest.mark.parametrize(
    ("values", "doubted"),
    [
        ([12.5, 2.048], False),
        ([123.375], True),  # the mean of eight
        ([1.125, 2.375, 3.625], True),
        ([123.457, 99.123, 3.001], True),  # most are larger
        ([1.024, 2000.0], False),  # written without a comma
        ([1.024, 2.0483], False),
        ([1.33, 1.667], False),
        (["1,5", "1,024"], False),
    ],
)
def test_counts_that_may_be_means_are_rounded_with_a_note(values, doubted):
    (note,) = notes_of(values)
    assert f"such as {values[0]}: read as " in note
    assert ("thousands" in note) == doubted


def test_counts_that_are_whole_need_no_note():
    for whole in ([1, 2], [1.0, 2.0], ["1.024", "2.048"], ["1,024", "2"]):
        assert notes_of(whole) == []


@pytest.mark.parametrize(
    "name",
    [
        "prompt_ktokens",
        "k_tokens",
        "prompt_tokens_k",
        "m-tok in",
        "tokens (thousands)",
        "tokens [k]",
        "Mtok in",
        "input tokens, millions",
    ],
)
def test_counts_of_thousands_are_none_of_tokens(name):
    with pytest.raises(DataError, match="is of thousands or millions, by its name; expected one of tokens"):
        token_counts(pl.DataFrame({name: [2]}), name, FILE)


@pytest.mark.parametrize(
    "name", ["top_k", "tokens_kept", "bk_tokens", "tokens", "k", "kind", "thousandsth", "network_tokens"]
)
def test_other_names_say_nothing_of_thousands(name):
    assert token_counts(pl.DataFrame({name: [2]}), name, FILE).tolist() == [2]


def test_values_that_commas_part_are_read_whatever_the_name_says(tmp_path):
    (file := tmp_path / "x.jsonl").write_text("a,b\n1,2\n3,4\n")
    assert read(file).rows() == [(1, 2), (3, 4)]
    file.write_text("a,b\n1,[x]\n3,x{y\n")  # brackets behind the header make no JSON
    assert read(file).rows() == [(1, "[x]"), (3, "x{y")]
    file.write_text('a start, of a log\nan event, of it\n{"a": 1}\n')
    assert read(file).rows() == [(1,)]
    file.write_text("not json\n1\n")
    with pytest.raises(DataError, match="row 1 is no JSON object"):
        read(file)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (["0,125"], ["1,234", "7"], [1.234, 7.0]),
        (["1,5"], ["1,234,567"], [None]),
        (["1,234"], ["2,345"], [2345]),
        (["1,234"], ["0,125", "2,000"], [None, 2000.0]),
        (["1,234"], ["1,5"], [None]),
        (["1.234,5"], ["1.234", "7", "0.5"], [1234.0, 7.0, None]),
        (["1.5"], ["1.234,5", "0,5"], [None, 0.5]),
        (["7", "x"], ["0,125"], [0.125]),
    ],
)
def test_commas_and_points_mean_the_same_in_all_blocks(first, second, expected):
    marks = Marks()
    as_numbers(pl.Series(first), marks)
    assert as_numbers(pl.Series(second), marks).to_list() == expected


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [
        ("1,5", "1,234,567", "a comma is the decimal one"),
        ("1,234", "0,125", "a comma parts thousands"),
        ("1.234,5", "0.5", "a point parts thousands"),
        ("1.5", "1.234,5", "a point is the decimal one"),
        ("1,234", "x", ""),
        ("1.5", "x", ""),
    ],
)
def test_a_number_whose_comma_or_point_means_another_thing_is_refused_with_its_row(first, second, what):
    marks = Marks()
    numbers(column(first), "c", FILE, marks=marks)
    expected = f"a number in which {what}, as in other rows" if what else "a finite number"
    with pytest.raises(DataError, match=f"has '{second}' in row 9; expected {expected}"):
        numbers(column(second), "c", FILE, marks=marks, before=8)


def test_points_part_thousands_of_tokens_in_all_blocks():
    counts = CountsColumn("c", FILE)
    assert counts.read(column("1.234", "7"), 0).tolist() == [1234, 7]
    with pytest.raises(DataError, match=r"has '1\.5' in row 3; expected a number in which a point parts thousands"):
        counts.read(column("1.5"), 2)


def test_a_point_that_is_the_decimal_one_in_a_block_parts_no_thousands_of_tokens_in_the_next():
    counts = CountsColumn("c", FILE)
    assert counts.read(column("12.5", "7"), 0).tolist() == [12, 7]
    assert counts.read(column("1.234", "20.750"), 2).tolist() == [1, 21]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["0.001 USD", "2USD"], [0.001, 2.0]),
        (["1,5 $", "0,25 $"], [1.5, 0.25]),
        (["1,234 USD", None], [1234, None]),
        (["3 EUR", "4€"], [None, None]),
        (["€3", "€ 0.5", "£1", "¥2", "EUR 4", "CA$5", "1"], [None] * 6 + [1.0]),
        (["US$1.5", "USD 2", "US $0.25", "$4"], [1.5, 2.0, 0.25, 4.0]),
        (["3 pieces", "4"], [None, 4.0]),
    ],
)
def test_a_currency_may_stand_before_or_behind_a_number_that_is_a_cost(texts, expected):
    assert as_numbers(pl.Series(texts), money=True).to_list() == expected


@pytest.mark.parametrize("value", ["3 USD", "3$"])
def test_a_currency_behind_a_count_makes_it_none(value):
    with pytest.raises(
        DataError, match=f"column 'prompt_tokens' has {re.escape(repr(value))} in row 2; expected a num"
    ):
        token_counts(pl.DataFrame({"prompt_tokens": ["4", value]}), "prompt_tokens", FILE)
    assert numbers(pl.DataFrame({"cost": ["4", value]}), "cost", FILE, least=0, money=True).tolist() == [4.0, 3.0]
