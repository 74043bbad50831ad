"""``--set key.path=value``."""

import re
import tomllib
from typing import Any

from messsim.errors import ScenarioError

__all__ = ["override", "parse_override"]


def parse_override(text: str) -> tuple[list[str], Any]:
    """Splits ``a.b."c.d"=value``; the value is TOML, or a plain string where that is no TOML."""
    key, equals, value = text.partition("=")
    keys = [quoted or bare for quoted, bare in re.findall(r'"([^"]*)"|([^.]+)', key.strip())]
    if not equals or not keys:
        raise ScenarioError(f"--set {text}: expected key.path=value")
    try:
        parsed = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        return keys, value.strip()
    return keys, parsed["value"] if set(parsed) == {"value"} else value.strip()


def override(data: Any, keys: list[str], value: Any) -> Any:
    """A copy of `data` with the value put at the end of the path.

    A list is entered by position (``models.0``) or by the name of its entry (``models.small``).
    """
    key, rest = keys[0], keys[1:]
    if isinstance(data, list):
        i = _position(data, key)
        return [*data[:i], override(data[i], rest, value) if rest else value, *data[i + 1 :]]
    table = data if isinstance(data, dict) else {}
    return {**table, key: override(table.get(key, {}), rest, value) if rest else value}


def _position(entries: list[Any], key: str) -> int:
    names = [str(e.get("name")) if isinstance(e, dict) else "" for e in entries]
    if key in names:
        return names.index(key)
    if key.isdigit() and int(key) < len(entries):
        return int(key)
    known = ", ".join(n for n in names if n not in ("", "None"))
    raise ScenarioError(f"--set: no entry {key!r}; expected a position below {len(entries)}, or one of {known}")
