"""Every field of the summary with its unit and meaning, from the types of `messsim.summary`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, NotRequired, get_args, get_origin

from typing_extensions import get_type_hints

from messsim.summary import Summary

__all__ = ["Field", "fields_of"]


@dataclass(frozen=True)
class Field:
    """A field of the summary.

    Attributes
    ----------
    path
        Keys from the outside in, ``sla.satisfaction``; entries of a list have the path of the list.
    unit
        ``unit`` is `cost.unit`; empty where it has none.
    meaning
        In Markdown.
    """

    path: str
    unit: str
    meaning: str


def fields_of(table: type = Summary, above: str = "") -> Iterator[Field]:
    """Every field of the summary that is explained, in its order."""
    for key, hint in get_type_hints(table, include_extras=True).items():
        origin: Any = get_origin(hint)
        given = get_args(hint)[0] if origin is NotRequired else hint
        kind, *about = get_args(given) if get_origin(given) is Annotated else (given,)
        if about:
            yield Field(f"{above}{key}", *about)
        else:
            for inner in _tables(kind):
                yield from fields_of(inner, f"{above}{key}.")


def _tables(hint: Any) -> list[type]:
    """The tables that a type is, or is a list of, or may be."""
    if hasattr(hint, "__required_keys__"):
        return [hint]
    return [table for part in get_args(hint) for table in _tables(part)]
