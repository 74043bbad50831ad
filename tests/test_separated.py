"""Text of values that a separator parts: which of it need not be looked at row by row."""

import shlex
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messsim.workload.dialect import Dialect
from messsim.workload.separated import _check_rows, is_plain, separated

COMMA = Dialect(",")


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ('"a","b"\n"1","2"\n', True),
        ('a,b\n"say ""x"", y",2\n1,"line\nline"\n', True),
        ('a,b\r\n"1","2"\r\n', True),
        ('a,b\n"",""', True),
        ("a,b\n1\n", True),  # a row may have fewer
        ('a,b\n1,2,"3"\n', False),
        ('a,b\n5" disk,2\n', False),
        ('a\n5" disk, 6" disk\n', False),  # whose comma stands between quotes, but not within
        ('a,b\n"1"x,2\n', False),
        ('a,b\n"1,2\n', False),
        ('a,b\n1, "2"\n', False),
        ("\na,b\n1,2\n", False),
    ],
)
def test_what_is_plain(text, plain):
    assert is_plain(text.encode(), COMMA) is plain


@given(st.text(alphabet='",x\n\r ', max_size=14))
def test_in_what_is_plain_no_row_is_at_fault(rows):
    text = f"a,b\n{rows}".encode()
    if is_plain(text, COMMA):
        _check_rows(text, COMMA, 0)


def test_a_line_that_ends_otherwise_than_the_rest_hides_no_row():
    """As where files of several systems are joined: polars ends no row at a carriage return alone."""
    for rows in ('1,2\r\n3,4\r5,6\r\n7,"8"\r\n', "1,2\r\n3,4\r5,6\n"):
        with pytest.raises(
            ValueError, match=r"row 2 has 3 values, .* carriage return .* expected lines that end alike"
        ):
            separated(f"a,b\r\n{rows}".encode(), COMMA)
    kept = 'a,b\r\n1,"x\ry"\r\n3,x\ry\r\n5,5" disk, 6" disk\r\n'
    with pytest.raises(ValueError, match="row 3 has 3 values, and the header 2 names; expected as many"):
        separated(kept.encode(), COMMA)
    assert separated(b"a,b\r\n1,x\ry\r\n", COMMA)["b"].to_list() == ["x\ry"]


@pytest.mark.skipif(shutil.which("tr") is None, reason="tr is not here")
def test_lines_that_end_otherwise_are_read_as_the_advice_makes_them_alike():
    text = b'a,b\r\n1,"2"\r\n3,"4"\r5,"6"\r\n'
    with pytest.raises(ValueError, match="expected lines that end alike") as error:
        separated(text, COMMA)
    command = shlex.split(str(error.value).partition("as tr ")[2].partition(" makes")[0])
    alike = subprocess.run(["tr", *command], input=text, capture_output=True, check=True).stdout
    assert separated(COMMA.cleaned(alike), COMMA).rows() == [(1, 2), (3, 4), (5, 6)]
