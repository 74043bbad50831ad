"""``--set key.path=value``."""

import re
import tomllib
from typing import Any

from messsim.errors import ScenarioError

__all__ = ["override", "parse_override"]

_KEY = r'(?:"[^"]*"|[^."=\s]+)'
_OVERRIDE = re.compile(rf"\s*({_KEY}(?:\.{_KEY})*)\s*=(.*)", re.DOTALL)


def parse_override(text: str) -> tuple[list[str], Any]:
    """Splits ``a.b."c.d"=value``; the value is TOML, or a plain string where that is no TOML."""
    found = _OVERRIDE.fullmatch(text)
    if not found:
        raise ScenarioError(f"--set {text}: expected key.path=value")
    keys = [key.strip('"') for key in re.findall(_KEY, found[1])]
    value = found[2].strip()
    try:
        parsed = tomllib.loads(f"value = {value}")
    except (ValueError, RecursionError):
        return keys, value
    return keys, parsed["value"] if set(parsed) == {"value"} else value


def override(data: Any, keys: list[str], value: Any) -> Any:
    """A copy of `data` with the value put at the end of the path.

    A list is entered by position (``models.0``) or by the name of its entry (``models.small``).
    """
    return _put(data, keys, 0, value)


def _put(data: Any, keys: list[str], depth: int, value: Any) -> Any:
    if depth == len(keys):
        return value
    if isinstance(data, list):
        i = _position(data, keys, depth)
        return [*data[:i], _put(data[i], keys, depth + 1, value), *data[i + 1 :]]
    table = data if isinstance(data, dict) else {}
    return {**table, keys[depth]: _put(table.get(keys[depth], {}), keys, depth + 1, value)}


def _position(entries: list[Any], keys: list[str], depth: int) -> int:
    key = keys[depth]
    names = [str(e.get("name")) if isinstance(e, dict) and "name" in e else "" for e in entries]
    if key in names:
        return names.index(key)
    if key.isdecimal() and int(key) < len(entries):
        return int(key)
    ways = [f"a position below {len(entries)}"] * bool(entries)
    ways += [f"one of {', '.join(filter(None, names))}"] * any(names)
    expected = f"; expected {', or '.join(ways)}" if ways else ", it is empty"
    raise ScenarioError(f"--set {'.'.join(keys)}: {'.'.join(keys[:depth])} has no entry {key!r}{expected}")
