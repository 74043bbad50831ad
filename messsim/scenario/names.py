"""Names within one table of a scenario that cannot be told from one another."""

from collections import Counter
from collections.abc import Iterator, Sequence

__all__ = ["given_twice", "name_problems"]


def given_twice(table: str, names: Sequence[str]) -> Iterator[str]:
    """Which names of a table are given twice."""
    for name, times in sorted(Counter(names).items()):
        if times > 1:
            yield f"{table}: the name {name!r} is given twice; expected different names"


def name_problems(table: str, names: Sequence[str]) -> Iterator[str]:
    """What is wrong with the names of a table: given twice, or alike as columns of a study's results.

    A figure's column is its path with underscores for points and without quotes (`messsim.study.runs.rows.column_of`):
    of two names alike in it a study would show one's figures for both.
    """
    yield from given_twice(table, names)
    by_column: dict[str, str] = {}
    for name in dict.fromkeys(names):
        other = by_column.setdefault(name.replace('"', "").replace(".", "_"), name)
        if other != name:
            yield (
                f"{table}: the names {other!r} and {name!r} are one in columns of results, which have underscores for "
                "points and no quotes; expected names that differ otherwise"
            )
