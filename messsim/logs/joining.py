"""Prompts of several files as one: what their ids have in common however each file writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

__all__ = ["joinable", "listed"]

MOST_NAMED, LONGEST_NAMED = 3, 40  # prompts that a note names, and letters of each


def joinable(parts: list[pl.DataFrame]) -> list[pl.DataFrame]:
    """Prompts as they join files: without blanks around text, and whole numbers where pandas writes 1.0, beside gaps.

    Each in all of the files, unless a model has answered two prompts of one of them that would become one. Where 1.1
    stands beside 1.0, and 1 nowhere, they are no whole numbers. Zeros before a number are left out where that joins
    prompts: some tools write 007.
    """

    def some(form: str) -> bool:
        return any(part["prompt"].str.contains(form).any() for part in parts)

    parts = _unless_alike(parts, [part["prompt"].str.strip_chars() for part in parts])
    if some(r"^-?\d+$") or not some(r"^-?\d+\.(\d*[1-9]|\d{2,})\d*$"):
        parts = _unless_alike(parts, [part["prompt"].str.replace(r"^(-?\d+)\.0$", "$1") for part in parts])
    bare = [part["prompt"].str.replace(r"^0+(\d+)$", "$1") for part in parts]
    return _unless_alike(parts, bare) if _different(bare) < _different([part["prompt"] for part in parts]) else parts


def _unless_alike(parts: list[pl.DataFrame], changed: list[pl.Series]) -> list[pl.DataFrame]:
    """With changed prompts, unless a model has answered two of a file that are one then."""
    made = [part.with_columns(prompts) for part, prompts in zip(parts, changed, strict=True)]
    if any(_answered(new) < _answered(part) for new, part in zip(made, parts, strict=True)):
        return parts
    return made


def _answered(part: pl.DataFrame) -> int:
    """How many prompts its models have answered, each on its own."""
    return part.select("prompt", "model").n_unique()


def _different(prompts: list[pl.Series]) -> int:
    import polars as pl

    return pl.concat(prompts).n_unique()


def listed(prompts: pl.Series) -> str:
    """The first of some prompts, and of each the beginning."""
    first = [repr(p if len(p) <= LONGEST_NAMED else f"{p[:LONGEST_NAMED]}...") for p in prompts[:MOST_NAMED]]
    return ", ".join(first) + (", ..." if len(prompts) > MOST_NAMED else "")
