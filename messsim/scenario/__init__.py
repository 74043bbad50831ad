"""The scenario file as typed, validated data; knows nothing of simulation."""

from .checks import notes_of
from .loading import dump, load, parse, with_values
from .scenario import Scenario

__all__ = ["Scenario", "dump", "load", "notes_of", "parse", "schema", "with_values"]


def schema() -> dict[str, object]:
    """JSON Schema of the scenario file."""
    return Scenario.model_json_schema(by_alias=True)
