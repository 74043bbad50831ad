"""What a file of requests says that nobody reads, told by the names of its columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .nested import names_in

__all__ = ["PROMPTS", "unread"]

Kinds = tuple[tuple[str, re.Pattern[str]], ...]  # what it says, and the names of columns that do

PROMPTS: Kinds = (
    ("hashes of blocks", re.compile(r"hash_ids|prefix_(hash|len)", re.I)),
    ("sessions and turns", re.compile(r"session|conversation|chat_id|turn(_|$)|turn_index", re.I)),
)  # what prompts are made of


def unread(schema: Mapping[str, Any], used: Iterable[str | None], kinds: Kinds) -> str:
    """A note on columns that say one of these, and are not used; empty where there are none."""
    collected, used = [], set(used)
    for what, pattern in kinds:
        columns = [n for n in names_in(schema) if pattern.search(n.rsplit(".", 1)[-1]) and n not in used]
        if columns:
            collected.append(f"{what} ({columns[0]})")
    return f"the file also has {', '.join(collected)}, which are left out" if collected else ""
