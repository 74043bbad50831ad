"""The same scenario with other values, checked as if its file said so."""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from messsim.errors import ScenarioError

from .left_out import without_empty_pools
from .overrides import override, split_path
from .own import with_own_profiles
from .problems import checked, describe, paths_to
from .python_values import without_numpy

__all__ = ["changed_at", "full_path", "value_of"]


Changed = TypeVar("Changed", bound=Any)  # a scenario, whose module stands above this one


def changed_at(scenario: Changed, values: Mapping[str, Any]) -> Changed:
    """A scenario with other values at some key paths: see `messsim.scenario.with_values`."""
    data = scenario.model_dump(by_alias=True, exclude_unset=True)
    for path, value in values.items():
        keys = split_path(path)
        if keys is None:
            raise ScenarioError(f"{path!r}: expected a key path such as router.V")
        data = override(data, keys, without_numpy(_plain(value)))
        if keys[-1] == "profile":  # a file's figures already stand there, in place of its name
            data = override(data, [*keys[:-1], "coefficients"], None)
    folder = scenario.folder
    data = with_own_profiles(without_empty_pools(data), folder, None)
    changed: Changed = checked(type(scenario), data).placed_in(folder)
    return changed


def _plain(value: Any) -> Any:
    """A table of a scenario as what its file would hold."""
    return value.model_dump(by_alias=True, exclude_unset=True) if isinstance(value, BaseModel) else value


def full_path(root: type[BaseModel], key: str) -> str:
    """The path of a key that only one table has: ``alpha`` is ``sla.alpha``; a path, or a key of no table, is its own.

    Raises
    ------
    ScenarioError
        If no table has it, or several have.
    """
    if "." in key or key in root.model_fields:
        return key
    paths = paths_to(key, root)
    if len(paths) > 1:
        raise ScenarioError(f"{key}: is a key of several tables; expected one of {', '.join(paths)}")
    if not paths:
        raise ScenarioError(describe([{"type": "extra_forbidden", "loc": (key,), "input": None}], {key: None}, root))
    return paths[0]


def value_of(root: type[BaseModel], name: str, value: Any) -> Any:
    """A value of one field, checked by itself; a table may be a dictionary.

    Raises
    ------
    ScenarioError
        If the field cannot have it.
    """
    value = without_numpy(value)
    try:
        return _adapter(root, name).validate_python(value, strict=not isinstance(value, (dict, list, BaseModel)))
    except ValidationError as error:
        problems = [{**e, "loc": (name, *e["loc"])} for e in error.errors()]
        raise ScenarioError(describe(problems, {name: value}, root)) from None


@cache
def _adapter(root: type[BaseModel], name: str) -> TypeAdapter[Any]:
    field = root.model_fields[name]
    annotated: Any = Annotated[field.annotation, field]
    return TypeAdapter(annotated)
