"""How a text of separated values is written, told by its first lines."""

import polars as pl
import pytest

from messsim.workload.dialect import Dialect, without_titles


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"a,b\n1,2\n", Dialect(",")),
        (b"a;b\n1,5;2\n", Dialect(";", decimal_comma=True)),
        (b"a\tb\n", Dialect("\t")),
        (b"a|b|c\n", Dialect("|")),
        (b"a,b;c,d\n", Dialect(",")),
        (b"a;b;c,d\n", Dialect(";", decimal_comma=True)),
        (b'"a,b,c";d\n', Dialect(";", decimal_comma=True)),  # what is quoted does not count
        (b'"a"\t"b"\n"1,5"\t"2"\n', Dialect("\t")),  # nothing but quoted values and tabs
        (b"a\n1\n", Dialect(",")),
        (b"", Dialect(",")),
        (b"\n\n", Dialect(",")),
        (b"# made by x\na;b\n", Dialect(";", True, True)),
        (b" \n# a,b,c\n", Dialect(",", False, True)),
        (b"a;b\n# late\n", Dialect(";", True)),  # comments only where the first line is one
        (b"a b c\n1 2 3\n", Dialect(" ")),
        (b"a  b\tc\n", Dialect("\t")),
        (b"a b c\n", Dialect(",")),  # one line tells no columns
        (b"a b\n1 2\n", Dialect(",")),  # nor do two columns
        (b"a b c\n1 2\n", Dialect(",")),
        (b"sep=;\na,b;c\n", Dialect(";", True)),
        (b"sep=;\na\tb\tc\n", Dialect("\t")),  # which is nowhere
        (b'"sep=|"\r\na,b|c|d\n', Dialect("|")),
        (b"Report, 2024\n\na;b;c\n1;2;3\n", Dialect(",")),  # a title of two values is a header
        (b"Report\n\na;b;c\n1;2;3\n", Dialect(";", True)),
        (b"a|b\n---+---\n1|2\n", Dialect("|", ruled=True)),
        (b"| a | b |\n| --- | :-: |\n", Dialect("|", ruled=True, edged=True)),
        (b"Title\n+--+--+\n|a|b|\n+==+==+\n", Dialect("|", ruled=True, edged=True)),
        (b"a|b\n1|2\n--|--\n", Dialect("|")),  # a row of dashes
        (b"|a|b|\n|1|--|\n", Dialect("|")),
    ],
)
def test_the_first_line_tells_how_a_text_is_written(text, expected):
    assert Dialect.of(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"a,b,c\n1,2,3\n", b"a,b,c\n1,2,3\n"),
        (b"Title\na,b,c\n", b"a,b,c\n"),
        (b"Title,,\n,,\na,b,c\n", b"a,b,c\n"),
        (b"Title\na,b\n", b"Title\na,b\n"),  # a table of two columns has no title
        (b"Title\na,,c\n", b"Title\na,,c\n"),  # a header has a value in each column
        (b"\n\na,b,c\n", b"\n\na,b,c\n"),  # nothing is no title
        (b"sep=,\nTitle\na,b,c\n", b"a,b,c\n"),
        (b"t\n" * 10 + b"a,b,c\n", b"a,b,c\n"),
        (b"t\n" * 11 + b"a,b,c\n", b"t\n" * 11 + b"a,b,c\n"),
    ],
)
def test_titles_go(text, expected):
    assert without_titles(text) == expected


@pytest.mark.parametrize(
    ("dialect", "text", "expected"),
    [
        (Dialect(), b"a,b\n\n1,2\n\n\n3,4\n\n", b"a,b\n1,2\n3,4"),
        (Dialect(), b"a,b\r\n  \r\n1,2\r\n", b"a,b\n1,2"),
        (Dialect(), b"a,b\n1,2\n,\n , \r\n", b"a,b\n1,2"),
        (Dialect(), b"a,b\n,\n1,2", b"a,b\n,\n1,2"),  # in the middle it is a row of empty values
        (Dialect(), b"a\n\n1\n\n", b"a\n\n1\n\n"),  # of one column a blank line is a row
        (Dialect(), b'a,b\n\n"1\n\n2",3\n', b'a,b\n\n"1\n\n2",3\n'),
        (Dialect(), b"\r\na,b\n1,2", b"a,b\n1,2"),
        (Dialect(comments=True), b"# x\na,b\n # y\n1,2\n", b"a,b\n1,2"),
        (Dialect(), b"# x\na,b\n1,2", b"# x\na,b\n1,2"),
        (Dialect(" "), b"  a   b\tc \n1 2  3\n", b"a b c\n1 2 3"),
        (Dialect(";"), b"a;b\n1;2\n;\n", b"a;b\n1;2"),
        (Dialect(), b"", b""),
    ],
)
def test_what_is_no_row_goes(dialect, text, expected):
    assert dialect.cleaned(text).replace(b"\r\n", b"\n").rstrip(b"\r") == expected


def test_a_header_comes_after_comments_and_titles():
    assert Dialect(comments=True).beginning(b"# c\nTitle\na,b,c\n1,2,3\n") == b"a,b,c\n1,2,3\n"
    assert Dialect().bare(b"a  b\n") == b"a  b\n"


def test_names_lose_their_spaces_and_are_known_by_either():
    named = Dialect().named(pl.DataFrame({" a ": [1], "b": [2]}))
    assert named.columns == ["a", "b"]
    assert Dialect().named(pl.DataFrame({"a": [1], " a": [2]})).columns == ["a", " a"]
    names = [" a", "b", "b.c", "bc"]
    assert Dialect().original(names, ["a"]) == [" a"]
    assert Dialect().original(names, ["b.c.d"]) == ["b", "b.c"]
    assert Dialect().original(names, ["bc", " a"]) == [" a", "bc"]
    assert Dialect().original(names, ["c"]) == []
