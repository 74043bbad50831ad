"""pydantic's errors in the words of a scenario: key, value, what was expected, the nearest valid name."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from difflib import get_close_matches
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from messsim.errors import ScenarioError

__all__ = ["AUTO_TAGS", "RULE_TAG", "checked", "describe", "near", "paths_to"]

AUTO_TAGS = ("number", "word")  # of a union of numbers and "auto", which pydantic puts into the path of an error
RULE_TAG = "rule's name"  # likewise, of a union of the rules of dispatch and of files
MOST_TOLD = 100  # errors; to find what each of 300,000 keys may mean takes minutes
LONGEST_SHOWN = 60  # characters of a value
TOP = ", above the first [table]"
IN_UNITS = {"s": "seconds", "rps": "requests per second"}  # of keys, by how they end
UNIT_OF = re.compile(r"mean '[\w.]*_(s|rps)'")
NUMBER = re.compile(r"\s*([+-]?\d{1,15}(?:\.\d{1,15})?)\s*(%?)\s*")

# What was expected, by the type of pydantic's error and its context.
_EXPECTED: dict[str, Callable[[dict[str, Any]], str]] = {
    "bool_type": lambda _: "true or false",
    "int_type": lambda _: "a whole number",
    "float_type": lambda _: "a number",
    "finite_number": lambda _: "a finite number",
    "string_type": lambda _: "a string",
    "list_type": lambda _: "a list",
    "dict_type": lambda _: "a table",
    "model_type": lambda _: "a table",
    "model_attributes_type": lambda _: "a table",
    "greater_than": lambda c: f"above {c['gt']:g}",
    "greater_than_equal": lambda c: f"at least {_plain(c['ge'])}",
    "less_than": lambda c: f"below {_plain(c['lt'])}",
    "less_than_equal": lambda c: f"at most {_plain(c['le'])}",
    "too_short": lambda c: f"at least {c['min_length']} {'entry' if c['min_length'] == 1 else 'entries'}",
    "too_long": lambda c: f"at most {c['max_length']} entries",
    "string_too_short": lambda _: "at least one character",
}


Model = TypeVar("Model", bound=BaseModel)


def checked(root: type[Model], data: Mapping[str, Any], file: str | None = None) -> Model:
    """What some data say, as a table of a scenario.

    Raises
    ------
    ScenarioError
        With one line a problem.
    """
    try:
        return root.model_validate(data)
    except ValidationError as error:
        raise ScenarioError(describe(error.errors(), data, root), file) from None


def describe(errors: Sequence[Any], data: Mapping[str, Any], root: type[BaseModel]) -> list[str]:
    """One line an error, in the order of the file's keys as pydantic visits them; `root` is what the file should be."""
    lines = list(dict.fromkeys(line for error in errors[:MOST_TOLD] for line in _lines(error, data, root)))
    more = len(errors) - MOST_TOLD
    return [*lines, f"and {more:,} more errors"] if more > 0 else lines


def _lines(error: Mapping[str, Any], data: Mapping[str, Any], root: type[BaseModel]) -> list[str]:
    path, tags = _path(error["loc"], data)
    key = ".".join(path)
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "value_error":
        lines = error["msg"].removeprefix("Value error, ").split("\n")
        return [f"{key}: {line}" if key else line for line in lines]
    if kind == "extra_forbidden":
        hint = _did_you_mean(root, path, tags)
        if (unit := UNIT_OF.search(hint)) and not key.endswith(f"_{unit[1]}"):
            hint = hint.replace("?", f", in {IN_UNITS[unit[1]]}?")
        return [f"{key}: unknown key{hint}"]
    if kind == "missing":
        field = _field_at(root, path, tags)
        return [f"{key}: missing; expected {field.description}" if field and field.description else f"{key}: missing"]
    if kind == "union_tag_not_found":
        return [f"{key}.kind: missing; expected one of {', '.join(_kinds(root, path))}"]
    if kind == "union_tag_invalid":
        kinds, given = _kinds(root, path), value["kind"]
        return [f"{key}.kind = {_shown(given)}: expected one of {', '.join(kinds)}{near(given, kinds)}"]
    if kind == "literal_error":
        words = context["expected"].replace(" or ", ", ").replace("'", "").split(", ")
        if error["loc"][-1] == AUTO_TAGS[1]:
            return [f"{key} = {_shown(value)}: expected a number, or {words[0]!r}"]
        if error["loc"][-1] == RULE_TAG:
            words.append("FILE.py:function")
        return [f"{key} = {_shown(value)}: expected one of {', '.join(words)}{near(value, words)}"]
    expected = _EXPECTED[kind](context) if kind in _EXPECTED else error["msg"]
    if kind == "list_type" and _models_at(root, path, []) and path:
        expected = f"a list of tables, [[{key}]]"
    most = context.get("le", _most(_field_at(root, path, tags)))
    return [f"{key} = {_shown(value)}: expected {expected}{_written(kind, value, most)}"]


def _written(kind: str, value: Any, most: float | None) -> str:
    """How a number is written that was meant, where that is plain: without quotes, without a point, not in percent."""
    if kind == "less_than_equal" and most == 1 and 10 <= value <= 100:
        return f"; {value:g} % is {value / 100:g}"
    if kind == "int_type" and isinstance(value, float):
        return f", written {value:.15g}" if value.is_integer() and abs(value) < 1e15 else ""
    if kind not in ("int_type", "float_type") or not isinstance(value, str) or not (match := NUMBER.fullmatch(value)):
        return ""
    number = float(match[1])
    if match[2]:
        return f", written {number / 100:.15g}" if kind == "float_type" and most == 1 and 0 <= number <= 100 else ""
    return f" without quotes, {number:.15g}" if kind == "float_type" or number.is_integer() else ""


def _most(field: FieldInfo | None) -> float | None:
    """The largest value that a field takes, where it names one, also if it may be left out."""
    if field is None:
        return None
    inner = [a for part in get_args(field.annotation) for a in get_args(part) if isinstance(a, FieldInfo)]
    bounds = [bound for each in (field, *inner) for bound in each.metadata if hasattr(bound, "le")]
    return bounds[0].le if bounds else None


def _shown(value: Any) -> str:
    """A value as TOML writes it, as far as it is short."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, int) and value.bit_length() > 1000:
        return "a huge number"  # Python itself may refuse to write it
    text = repr(value)
    if len(text) <= LONGEST_SHOWN:
        return text
    if isinstance(value, (list, dict)):
        return "[...]" if isinstance(value, list) else "{...}"
    return text[: LONGEST_SHOWN - 3] + "..."


def _plain(bound: float) -> str:
    """A bound in full where it is whole: 4294967296, not 4.29497e+09."""
    return str(int(bound)) if bound == int(bound) else f"{bound:g}"


def _path(loc: Sequence[Any], data: Any) -> tuple[list[str], list[str]]:
    """The key path without the union tags that pydantic puts between, and those tags."""
    path: list[str] = []
    tags: list[str] = []
    for part in loc:
        if isinstance(data, dict) and part not in data and (part == data.get("kind") or part == RULE_TAG):
            tags.append(str(part))
            continue
        if path and (not isinstance(data, (dict, list)) or (isinstance(data, list) and isinstance(part, str))):
            tags.append(str(part))  # inside a table that a bare value stands for
            continue
        path.append(str(part))
        try:
            data = data[part]
        except (KeyError, IndexError):
            data = {}
    return path, tags


# What other tools call keys of a scenario: path of a table's key, or a key of models and pools.
MEANT_KEYS = {
    "policy": "router.policy",
    "rate": "arrivals.rate_rps",
    "rps": "arrivals.rate_rps",
    "qps": "arrivals.rate_rps",
    "request_rate": "arrivals.rate_rps",
    "concurrency": "arrivals.clients",
    "max_concurrency": "arrivals.clients",
    "mtbf": "cluster.failures.mtbf_s",
    "mtbf_s": "cluster.failures.mtbf_s",
    "mttr": "cluster.failures.mttr_s",
    "mttr_s": "cluster.failures.mttr_s",
    "outage": "cluster.failures",
    "outages": "cluster.failures",
    "downtime": "cluster.failures",
    "rpm": "requests_per_minute",
    "tpm": "tokens_per_minute",
    "num_requests": "requests",
    "num_prompts": "requests",
    "random_seed": "seed",
    "duration": "horizon_s",
    "duration_s": "horizon_s",
    "input_tokens": "tokens.prompt",
    "prompt_tokens": "tokens.prompt",
    "output_tokens": "tokens.output",
    "quality": "satisfaction",
    "accuracy": "satisfaction",
    "batch_size": "max_num_seqs",
    "max_batch_size": "max_num_seqs",
    "num_replicas": "replicas",
    "instances": "replicas",
    "tensor_parallel": "tp",
    "tensor_parallel_size": "tp",
    "max_num_batched_tokens": "max_batched_tokens",
    "enable_prefix_caching": "prefix_cache",
    "enable_chunked_prefill": "chunked_prefill",
    "max_tokens": "max_new_tokens",
    "price": "cost_per_request",
    "cost": "cost_per_request",
    "path": "file",
    "filename": "file",
    "usd_per_million_input_tokens": "usd_per_million_prompt_tokens",
    "usd_per_million_completion_tokens": "usd_per_million_output_tokens",
    "input_price": "usd_per_million_prompt_tokens",
    "output_price": "usd_per_million_output_tokens",
}


def near(word: Any, names: Sequence[str]) -> str:
    """The nearest of some names as a question, or nothing."""
    nearest = get_close_matches(word, names, n=1, cutoff=0.5) if isinstance(word, str) else []
    return f"; did you mean {nearest[0]!r}?" if nearest else ""


def _did_you_mean(root: type[BaseModel], path: list[str], tags: list[str]) -> str:
    meant = MEANT_KEYS.get(path[-1].lower().replace("-", "_"), "")
    names = sorted({name for model in _models_at(root, path[:-1], tags) for name in _fields(model)})
    if (leaf := meant.rpartition(".")[2]) in names:
        return f"; did you mean {leaf!r}?"
    if (table := (meant or path[-1]).partition(".")[0]) in root.model_fields:
        within = _models_at(root, [table], [])
        several = get_origin(root.model_fields[table].annotation) is list
        own = f", tables [[{table}]] of their own" if several else f", a table [{table}] of its own"
        place = own if within and not meant else "" if within else TOP
        return f"; did you mean {meant or path[-1]!r}{place if len(path) > 1 else ''}?"
    alike = [k for k in (path[-1], *_leaves(root)) if k.lower() == path[-1].lower()]
    elsewhere = {p for key in alike for p in paths_to(key, root) if not p.startswith(f"{path[0]}.")}
    if path[-1] not in names and len(elsewhere) == 1:
        return f"; did you mean {elsewhere.pop()!r}?"
    if any(leaf in _fields(model) for model in _models_at(root, ["models"], [])):
        return f"; did you mean 'models.{leaf}'?"
    leaves = {leaf: where[0] for leaf in _leaves(root) if len(where := paths_to(leaf, root)) == 1}
    if len(path) == 1 and (nearest := get_close_matches(path[-1], [*names, *leaves], n=1, cutoff=0.7)):
        return f"; did you mean {nearest[0] if nearest[0] in names else leaves[nearest[0]]!r}?"
    return near(path[-1], names) or (f"; expected one of {', '.join(names)}" if names else "")


def paths_to(key: str, root: type[BaseModel]) -> list[str]:
    """Where a key stands in the tables of a scenario, one below the other: ``alpha`` is ``sla.alpha``.

    Tables of which there are several, such as ``[[models]]``, are left out: their keys need a name before them.
    """
    collected = []
    for table, field in _fields(root).items():
        if get_origin(field.annotation) is list:
            continue
        collected += [f"{table}.{key}" for model in _models_in(field.annotation) if key in _fields(model)]
    return list(dict.fromkeys(collected))


def _leaves(root: type[BaseModel]) -> list[str]:
    """The keys of a scenario's tables."""
    tables = [f.annotation for f in _fields(root).values() if get_origin(f.annotation) is not list]
    return sorted({key for table in tables for model in _models_in(table) for key in _fields(model)})


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """A table's fields by the keys that a file has for them."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _field_at(root: type[BaseModel], path: list[str], tags: list[str]) -> FieldInfo | None:
    fields = [_fields(model) for model in _models_at(root, path[:-1], tags)]
    return next((known[path[-1]] for known in fields if path[-1] in known), None)


def _kind(model: type[BaseModel]) -> str | None:
    """The tag of a union's member."""
    values = get_args(model.model_fields["kind"].annotation) if "kind" in model.model_fields else ()
    return str(values[0]) if len(values) == 1 else None


def _kinds(root: type[BaseModel], path: list[str]) -> list[str]:
    return [kind for model in _models_at(root, path, []) if (kind := _kind(model))]


def _models_at(root: type[BaseModel], path: list[str], tags: list[str]) -> list[type[BaseModel]]:
    """The models that may stand at a key path; of a union only those that a tag names, if one does."""
    models: list[type[BaseModel]] = [root]
    for key in path:
        if not key.isdigit():
            models = [m for model in models if (f := _fields(model).get(key)) for m in _models_in(f.annotation)]
    return [m for m in models if _kind(m) in tags] or models


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that an annotation names, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for a in get_args(annotation) for m in _models_in(a)]
