"""Ids of a trace's blocks: which text prompts share, worked out by hand with blocks of four tokens."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from messsim.errors import DataError
from messsim.workload.hashes import HashIds

FILE = Path("trace.jsonl")
PRIVATE = 1 << 60
ONE_PARENT = "expected one and the same before it: an id names its block and all text before it"


def hashes(ids, prompts, blocks=1):
    made = HashIds("h", FILE, 4)
    frame = ids if isinstance(ids, pl.DataFrame) else pl.DataFrame({"h": ids}, schema={"h": pl.List(pl.Int64)})
    size = -(-frame.height // blocks)
    for start in range(0, frame.height, size):
        made.add(frame[start : start + size], np.array(prompts[start : start + size], np.int32), start)
    return made


ROWS, PROMPTS = [[1, 2, 3], [1, 2, 4], [], [1, 2, 3], [9]], [12, 11, 3, 14, 2]


def listed(runs):
    return runs.start.tolist(), runs.node.tolist(), runs.end_tokens.tolist(), runs.count


@pytest.mark.parametrize("blocks", [1, 3])
def test_blocks_that_always_follow_one_another_are_one_node(blocks):
    runs = hashes(ROWS, PROMPTS, blocks).runs(np.array(PROMPTS, np.int32))
    assert listed(runs) == ([0, 2, 4, 4, 6, 7], [0, 1, 0, 2, 0, 1, 3], [8, 12, 8, 11, 8, 12, 2], 4)
    assert listed(runs.taken(np.array([3, 2, 1]))) == ([0, 2, 2, 4], [0, 1, 0, 2], [8, 12, 8, 11], 4)


def test_what_no_id_names_is_a_requests_own_and_each_repetition_is_other_text():
    runs = hashes(ROWS, PROMPTS).runs(np.array(PROMPTS, np.int32))
    paths = runs.paths(np.array([1, 3, 2]), np.array([0, 1, 0]), 100, np.array([11, 14, 3], np.int32))
    assert paths.start.tolist() == [0, 2, 5, 6]
    assert paths.nodes["id"].tolist() == [0, 2, 4, 5, PRIVATE + 101, PRIVATE + 102]
    assert paths.nodes["end_tokens"].tolist() == [8, 11, 8, 12, 14, 3]


def test_a_prompt_that_ends_early_in_a_run_is_a_node_of_its_own():
    runs = hashes([[1, 2], [1]], [8, 4]).runs(np.array([8, 4], np.int32))
    assert listed(runs) == ([0, 2, 3], [0, 1, 0], [4, 8, 4], 2)


def test_without_a_column_there_are_none():
    none = HashIds(None, FILE, 4)
    none.add(pl.DataFrame({"x": [1]}), np.array([5], np.int32), 0)
    assert none.columns == []
    assert none.runs(np.array([5], np.int32)) is None
    assert none.notes() == []
    assert listed(hashes([[], None], [3, 3]).runs(np.array([3, 3], np.int32))) == ([0, 0, 0], [], [], 0)


def test_prompts_that_are_longer_than_their_ids_say():
    """A block that is not full has no id; one that is full and has none is doubted."""
    assert hashes([[1, 2], [1], []], [11, 7, 40]).notes() == []
    assert hashes([[1, 2], [1], []], [12, 8, 40]).notes() == [
        "prompts that go on for 4 tokens or more beyond their h: 2; that text is their own (block_tokens says how many "
        "tokens an id stands for)"
    ]


@pytest.mark.parametrize(
    ("ids", "prompts", "message"),
    [
        (
            [[1], [1, 2]],
            [4, 4],
            "column 'h' has 2 ids in row 2, whose prompt has 4 tokens; expected at most 1 of 4 tokens each "
            "(block_tokens says how many)",
        ),
        ([[1], [1, None]], [4, 8], "column 'h' has '[1, None]' in row 2; expected a list of whole numbers"),
        ([[1, 2], [3, 2]], [8, 8], f"column 'h': id 2 follows 3 in row 2, but follows 1 in row 1; {ONE_PARENT}"),
        (
            [[2], [1, 2]],
            [4, 8],
            f"column 'h': id 2 follows 1 in row 2, but is the first of its prompt in row 1; {ONE_PARENT}",
        ),
        (
            [[1, 2], [2]],
            [8, 4],
            f"column 'h': id 2 is the first of its prompt in row 2, but follows 1 in row 1; {ONE_PARENT}",
        ),
        (
            [[1, 2], [1]],
            [8, 3],
            "column 'h': id 1 stands for 3 tokens in row 2, where the prompt ends, but goes on elsewhere; expected 4 "
            "tokens",
        ),
    ],
)
def test_ids_that_contradict_themselves_are_told(ids, prompts, message):
    with pytest.raises(DataError) as error:
        hashes(ids, prompts).runs(np.array(prompts, np.int32))
    assert str(error.value) == f"trace.jsonl: {message}"


@pytest.mark.parametrize(
    "column",
    [
        pl.Series(["[1, 2]", "1 2"]),
        pl.Series(["1;2", " [ 1,2 ] "]),
        pl.Series(["1 ;2;", "[1 ,  2,]"]),
        pl.Series(["1 2", "[1, 2]"]),
        pl.Series([["1", "2"], ["1", "2"]]),
        pl.Series([[1.0, 2.0]] * 2),
        pl.Series([[1, 2]] * 2, dtype=pl.List(pl.UInt64)),
    ],
)
def test_lists_may_be_text_and_their_numbers_too(column):
    frame = pl.DataFrame({"h": column})
    assert listed(hashes(frame, [8, 8]).runs(np.array([8, 8], np.int32))) == ([0, 1, 2], [0, 0], [8, 8], 1)


def test_ids_of_64_bits_are_told_apart():
    for column in (
        pl.Series([[2**64 - 1], [2**63]], dtype=pl.List(pl.UInt64)),
        pl.Series([f"{2**64 - 1}", f"{2**63}"]),
    ):
        runs = hashes(pl.DataFrame({"h": column}), [4, 4]).runs(np.array([4, 4], np.int32))
        assert runs.count == 2


@pytest.mark.parametrize("cell", ["1,2,3;", "1, 2, 3", "[1,2,3]", "1;2;3;", "1 2 3 ", "[1 , 2, 3,]", "\t1\t2\t3\n"])
def test_marks_between_ids_may_be_any_and_end_a_list(cell):
    assert hashes(pl.DataFrame({"h": [cell, "1 2 3"]}), [12, 12]).runs(np.array([12, 12], np.int32)).count == 1


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pl.Series([[1.0], [1.5]]), "column 'h' has '[1.5]' in row 2; expected a list of whole numbers"),
        (pl.Series(["[1]", "[x]"]), "column 'h' has '[x]' in row 2; expected a list of whole numbers"),
        (pl.Series([["1"], ["y"]]), "column 'h' has \"['y']\" in row 2; expected a list of whole numbers"),
        *[
            (
                pl.Series(["1;2", cell]),
                f"column 'h' has {cell!r} in row 2; expected a list of whole numbers parted by one mark: a comma among "
                "semicolons or spaces may be a decimal one",
            )
            for cell in ("0,5;1,2", "[0,5; 1,2]", "0,5 1,2", "[0,5;1]", "1 2,5")
        ],
        (pl.Series([1, 2]), "column 'h' is of type Int64; expected a list of whole numbers in each row"),
        (pl.Series([[True]]), "column 'h' is of type List(Boolean); expected a list of whole numbers in each row"),
    ],
)
def test_what_is_no_list_of_ids_is_told(column, message):
    with pytest.raises(DataError) as error:
        hashes(pl.DataFrame({"h": column}), [4] * len(column))
    assert str(error.value) == f"trace.jsonl: {message}"
