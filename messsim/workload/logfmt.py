"""Lines of keys and values, ``ts=2024-05-06T10:00:00Z tokens=12 msg="done"``, as Go's loggers write them: as JSON.

https://brandur.org/logfmt; Go's log/slog quotes values as Go does.
"""

from __future__ import annotations

import json
import re

__all__ = ["as_json", "is_logfmt"]

KEY = r"[A-Za-z_@][\w.@/:-]*"
VALUE = r'"(?:\\.|[^"\\])*"|[^\s"=]*'
PAIR = re.compile(rf"({KEY})=({VALUE})(?:\s+|$)")
PAIRS = r"\s*{key}=(?:{value})(?:\s+{key}=(?:{value}))+\s*"
LINE = re.compile(PAIRS.format(key=KEY, value=VALUE))
SEPARATORS = ",;\t|"
# A line that tells below one that is none itself: rows of a table may have pairs in their first column.
TELLS = re.compile(PAIRS.format(key=KEY, value=r'"(?:\\.|[^"\\])*"|[^\s"=,;|]*[,;|]*'))
NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
MOST_LINES = 50  # that tell


def is_logfmt(text: bytes) -> bool:
    """Whether most of the first lines of a text are nothing but keys with values, and the first is no header."""
    lines = [line for line in text.decode(errors="replace").splitlines()[:MOST_LINES] if line.strip()]
    telling = [line for line in lines if (LINE if LINE.fullmatch(lines[0]) else TELLS).fullmatch(line)]
    is_table = any("=" not in lines[0] and all(s in line for line in [lines[0], *telling]) for s in SEPARATORS if lines)
    return 2 * len(telling) > len(lines) and not is_table


def as_json(text: bytes) -> tuple[bytes, int]:
    """The lines as objects of JSON, and how many are left out because they are something else.

    Of a key that a line has more than once the first value counts.
    """
    lines = [line for line in text.decode().splitlines() if line.strip()]
    rows = [_object(line) for line in lines if LINE.fullmatch(line)]
    return "\n".join(rows).encode(), len(lines) - len(rows)


def _object(line: str) -> str:
    pairs = {key: _value(value) for key, value in reversed(PAIR.findall(line.strip()))}
    return "{" + ", ".join(f"{json.dumps(key)}: {value}" for key, value in reversed(pairs.items())) + "}"


def _value(text: str) -> str:
    """A value as JSON: a number, text, or null where there is none."""
    if text.startswith('"'):
        try:
            return json.dumps(json.loads(text, strict=False))
        except ValueError:  # an escape that JSON has not
            return json.dumps(text[1:-1].replace('\\"', '"'))
    text = text.rstrip(",;")  # which some put between pairs
    if not text:
        return "null"
    return text if NUMBER.fullmatch(text) else json.dumps(text)
