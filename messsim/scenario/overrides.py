"""``--set key.path=value``."""

import json
import re
import tomllib
from collections.abc import Collection
from datetime import date, time
from typing import Any

from messsim.amounts import amount
from messsim.errors import ScenarioError

from .toml import MOST_PARTS, Table, has_deep_key

__all__ = ["format_value", "override", "parse_override", "parse_value", "router_options", "split_path"]

_KEY = r'(?:"[^"]*"|[^."=\s]+)'
_PATH = rf"{_KEY}(?:\.{_KEY})*"
_NOT_TOML = r"[+-]?(?:\.\d+(?:[eE][+-]?\d+)?%?|\d+\.(?:[eE][+-]?\d+)?%?|\d+(?:\.\d+)?%)"  # a number all the same
_OVERRIDE = re.compile(rf"\s*({_PATH})\s*=(.*)", re.DOTALL)


def parse_override(text: str) -> tuple[list[str], Any]:
    """Splits ``a.b."c.d"=value``; the value is as `parse_value` reads it."""
    match = _OVERRIDE.fullmatch(_utf8(text))
    if not match:
        raise ScenarioError(f"--set {text}: expected key.path=value")
    return _keys(match[1]), parse_value(match[2])


def _utf8(text: str) -> str:
    """The text of a command line as it is: what was no UTF-8 there could not be written down."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ScenarioError(f"{ascii(text)[1:-1]}: is not UTF-8") from None
    return text


def split_path(text: str) -> list[str] | None:
    """The keys of ``a.b."c.d"``; None if it is no such path."""
    match = re.fullmatch(rf"\s*({_PATH})\s*", text)
    return _keys(match[1]) if match else None


def _keys(path: str) -> list[str]:
    keys = [key.strip('"') for key in re.findall(_KEY, path)]
    if len(keys) > MOST_PARTS:
        raise ScenarioError(f"{'.'.join(keys[:3])}...: a key of {len(keys):,} parts; expected at most {MOST_PARTS:,}")
    return keys


def parse_value(text: str) -> Any:
    """A value in TOML, a number that TOML writes otherwise (``.62``, ``5.``, ``62%``), or else a plain string."""
    text = _utf8(text).strip()
    if has_deep_key(text):
        return text
    if re.fullmatch(_NOT_TOML, text):
        return amount(text)[0]
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return parsed["value"] if set(parsed) == {"value"} else text


def format_value(value: Any) -> str:
    """A value in TOML on one line: what `parse_value` reads back."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{format_value(k)} = {format_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(format_value, value)) + "]"
    if isinstance(value, (date, time)):
        return value.isoformat()
    return "".join(c if c.isprintable() else _escaped(c) for c in json.dumps(value, ensure_ascii=False))


def _escaped(character: str) -> str:
    """What no line can show, as TOML writes it; JSON leaves DEL and all beyond ASCII as they are."""
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def router_options(sets: list[str]) -> Table:
    """Options of ``[router]`` from ``V=1e-4``, or ``router.V=1e-4``."""
    options: Table = {}
    for text in sets:
        keys, value = parse_override(text)
        options = override(options, keys[1:] if keys[0] == "router" and len(keys) > 1 else keys, value)
    return options


def override(data: Any, keys: list[str], value: Any) -> Any:
    """A copy of `data` with the value put at the end of the path.

    A list is entered by position (``models.0``) or by the name of its entry (``models.small``). A name with dots is
    found where it is one of those that are there (``models.llama-3.1-8b``); elsewhere it is quoted.

    Raises
    ------
    ScenarioError
        If a list has no such entry.
    """
    return _put(data, keys, 0, value)


def _put(data: Any, keys: list[str], depth: int, value: Any) -> Any:
    if depth == len(keys):
        return value
    if isinstance(data, list):
        i, depth = _position(data, keys, depth)
        return [*data[:i], _put(data[i], keys, depth, value), *data[i + 1 :]]
    table = data if isinstance(data, dict) else {}
    key, depth = _name(keys, depth, table)
    return {**table, key: _put(table.get(key, {}), keys, depth, value)}


def _name(keys: list[str], depth: int, known: Collection[str]) -> tuple[str, int]:
    """The longest known name that the path goes on with, dots and all, else its next key; and where it goes on."""
    for end in range(len(keys), depth, -1):
        name = ".".join(keys[depth:end])
        if name in known:
            return name, end
    return keys[depth], depth + 1


def _position(entries: list[Any], keys: list[str], depth: int) -> tuple[int, int]:
    names = [str(e.get("name")) if isinstance(e, dict) and "name" in e else "" for e in entries]
    key, end = _name(keys, depth, names)
    if key in names:
        return names.index(key), end
    if key.isdecimal() and int(key) < len(entries):
        return int(key), end
    ways = [f"a position below {len(entries)}"] * bool(entries)
    quoted = [name if re.fullmatch(_PATH, name) else f'"{name}"' for name in names if name]
    ways += [f"one of {', '.join(quoted)}"] * any(names)
    expected = f"; expected {', or '.join(ways)}" if ways else ", it is empty"
    raise ScenarioError(f"{'.'.join(keys)}: {'.'.join(keys[:depth])} has no entry {key!r}{expected}")
