"""From a TOML file and overrides to a Scenario, or to an error that names file, key, value and cure."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from messsim.errors import ScenarioError
from messsim.files import is_utf8

from .changing import changed_at
from .checks import keys_without_effect
from .left_out import without_empty_pools
from .overrides import format_value, override, parse_override
from .own import with_own_profiles
from .problems import describe
from .python_values import without_numpy
from .scenario import Scenario
from .toml import Table, read_toml

__all__ = ["dump", "load", "parse", "with_values"]


def load(path: str | Path, sets: list[str] | None = None, **flags: Any) -> Scenario:
    """Reads a scenario file.

    Parameters
    ----------
    path
        The TOML file.
    sets
        Overrides as ``key.path=value``, the value in TOML; applied in order. A pool whose replicas become 0 is left
        out, and so is a model whose only pool it was.
    flags
        Top-level keys that replace the file's and the overrides' (None: leave alone).

    Raises
    ------
    ScenarioError
        With one line a problem. Values of the file are checked before they are overridden.
    """
    if isinstance(path, Mapping):
        raise ScenarioError("a dictionary is no file; expected messsim.parse of it")
    if not isinstance(path, (str, PathLike)):
        raise ScenarioError(f"{path!r} is no path of a file; expected one such as 'scenario.toml'")
    file = Path(path)
    data = read_toml(file, "a scenario")
    if data.keys() >= PROFILE and "models" not in data:
        hint = f"profile = {format_value(file.name)} below [[models]]"
        raise ScenarioError(f"is a profile, as calibrate writes them; a scenario names it: {hint}", str(file))
    return parse(data, sets, file=str(file), folder=file.resolve().parent, **flags)


def parse(
    data: Table,
    sets: list[str] | None = None,
    *,
    file: str | None = None,
    folder: Path | None = None,
    **flags: Any,
) -> Scenario:
    """The same from a dictionary of what the TOML file would hold."""
    changes = [parse_override(s) for s in sets or []]
    given = {k: without_numpy(v) for k, v in flags.items() if v is not None}
    if file is None:
        data = without_numpy(data)
    if changes or given:
        _validate(data, file, passing=MENDABLE)  # missing keys and checks across tables may be mended
        try:
            for keys, value in changes:
                data = override(data, keys, value)
        except ScenarioError as error:
            raise ScenarioError(f"--set {error}") from None
        data = data | given
        if "requests" in given:
            data.pop("horizon_s", None)
        data = without_empty_pools(data)
    scenario = _validate(with_own_profiles(data, folder or Path.cwd(), file), file)
    assert scenario is not None
    return scenario.placed_in(folder or Path.cwd())


def with_values(scenario: Scenario, values: Mapping[str, Any]) -> Scenario:
    """The same scenario with other values at some key paths, checked as if its file said so.

    Parameters
    ----------
    scenario
        What is changed.
    values
        By key path: ``{"router.V": 1e-3, 'models."llama-3.1-8b".replicas': 2}``.

    Raises
    ------
    ScenarioError
        If a path leads nowhere, or the scenario cannot be run with the value.
    """
    return changed_at(scenario, values)


PROFILE = {"tp", "coefficients"}  # keys of its file
MENDABLE = ("missing", "value_error", "union_tag_not_found")


def _validate(data: Table, file: str | None, *, passing: tuple[str, ...] = ()) -> Scenario | None:
    """The scenario, or None if all that is wrong with it are errors of the kinds that pass."""
    try:
        return Scenario.model_validate(data)
    except ValidationError as error:
        errors = [e for e in error.errors() if e["type"] not in passing]
        if errors:
            raise ScenarioError(describe(errors, data, Scenario), file) from None
        return None


def dump(scenario: Scenario) -> str:
    """The scenario as TOML with every default filled in and files as absolute paths: it runs from any folder."""
    data = scenario.model_dump(exclude_none=True, by_alias=True)
    for serving in (*data["models"], *data["pools"]):
        for key in keys_without_effect(serving["kind"]):
            serving.pop(key, None)
    for table in (data["arrivals"], data["satisfaction"], data["tokens"]):
        if "file" in table:
            table["file"] = _absolute(scenario, table["file"])
    if scenario.router.policy.endswith(".py"):
        data["router"]["policy"] = _absolute(scenario, scenario.router.policy)
    if scenario.cluster.own_rule is not None:
        code, function = scenario.cluster.own_rule
        data["cluster"]["dispatch"] = f"{_absolute(scenario, code)}:{function}"
    if (file := scenario.router.predictor.warm_start) is not None:
        data["router"]["predictor"]["warm_start"] = _absolute(scenario, file)
    return tomli_w.dumps(data)


def _absolute(scenario: Scenario, name: str) -> str:
    path = scenario.path(name).resolve()
    if not is_utf8(path):
        shown = ascii(str(path))[1:-1]
        raise ScenarioError(
            f"{shown}: is not UTF-8, so that the scenario cannot be written down; expected another name"
        )
    return str(path)
