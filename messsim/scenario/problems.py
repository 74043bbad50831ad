"""pydantic's errors in the words of a scenario: key, value, what was expected, the nearest valid name."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from .scenario import Scenario

__all__ = ["describe"]


def describe(errors: Sequence[Any], data: dict[str, Any]) -> list[str]:
    """One line an error, in the order of the file's keys as pydantic visits them."""
    lines: list[str] = []
    for error in errors:
        for line in _lines(error, data):
            if line not in lines:
                lines.append(line)
    return lines


def _lines(error: dict[str, Any], data: dict[str, Any]) -> list[str]:
    path, tags = _path(error["loc"], data)
    key = ".".join(path)
    kind, message = error["type"], error["msg"]
    if kind == "value_error":
        said = message.removeprefix("Value error, ").split("\n")
        return [f"{key}: {line}" if key else line for line in said]
    if kind == "extra_forbidden":
        return [f"{key}: unknown key{_did_you_mean(path, tags)}"]
    if kind == "missing":
        return [f"{key}: missing"]
    if kind == "union_tag_not_found":
        return [f"{key}.kind: missing; expected one of {_tags(path)}"]
    if kind == "union_tag_invalid":
        context = error["ctx"]
        value, expected = context["tag"], context["expected_tags"].replace("'", "")
        return [f"{key}.kind = {value!r}: expected one of {expected}{_near(value, expected.split(', '))}"]
    expected = message.removeprefix("Input should be ").removeprefix("a valid ")
    value = error["input"]
    shown = repr(value) if not isinstance(value, (dict, list)) or len(repr(value)) < 60 else "..."
    near = ""
    if kind == "literal_error" and isinstance(value, str):
        near = _near(value, [w.strip("' ") for w in expected.replace(" or ", ",").split(",")])
    return [f"{key} = {shown}: expected {expected}{near}"]


def _path(loc: Sequence[Any], data: Any) -> tuple[list[str], list[str]]:
    """The key path without the union tags that pydantic puts between, and those tags."""
    path: list[str] = []
    tags: list[str] = []
    for part in loc:
        if isinstance(data, dict) and part not in data and part == data.get("kind"):
            tags.append(str(part))
            continue
        if not isinstance(data, (dict, list)) and path:
            tags.append(str(part))  # inside a value that a law was expanded from
            continue
        path.append(str(part))
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            data = {}
    return path, tags


def _near(word: str, names: Sequence[str]) -> str:
    found = get_close_matches(str(word), names, n=1, cutoff=0.5)
    return f"; did you mean {found[0]!r}?" if found else ""


def _did_you_mean(path: list[str], tags: list[str]) -> str:
    names = [n for model in _models_at(path[:-1], tags) for n in _keys(model)]
    near = _near(path[-1], names)
    return near or (f"; expected one of {', '.join(sorted(set(names)))}" if names else "")


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _tags(path: list[str]) -> str:
    return ", ".join(
        str(get_args(m.model_fields["kind"].annotation)[0]) for m in _models_at(path, []) if "kind" in m.model_fields
    )


def _models_at(path: list[str], tags: list[str]) -> list[type[BaseModel]]:
    """The models that may stand at a key path; of a union only those that a tag names, if one does."""
    models: list[type[BaseModel]] = [Scenario]
    for key in path:
        if key.isdigit():
            continue
        fields = [m.model_fields for m in models]
        found = {k: f for fs in fields for n, f in fs.items() for k in (f.alias or n,)}
        models = _models_in(found[key].annotation) if key in found else []
    tagged = [m for m in models if "kind" in m.model_fields and get_args(m.model_fields["kind"].annotation)[0] in tags]
    return tagged or models


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) is None and not isinstance(annotation, Union):  # type: ignore[arg-type]
        return []
    return [m for a in get_args(annotation) for m in _models_in(a)]
