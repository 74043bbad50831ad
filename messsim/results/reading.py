"""JSON files of results, read back as the types that they were written from."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import ConfigDict, RootModel, ValidationError

from messsim.errors import OutputError
from messsim.files import MOST_JSON, read_bytes, why

__all__ = ["Whole", "damaged", "read_whole"]

Shape = TypeVar("Shape")


class Whole(RootModel[Shape]):
    """A JSON object that has at least what its type says: ``Whole[Summary].model_validate(found)``."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, defer_build=True)


def read_whole(path: Path, shape: type[Shape]) -> Shape:
    """What a file holds, if it is of a type.

    Raises
    ------
    OutputError
        That names the file and the key, if it cannot be read, is damaged, or another version wrote it.
    """
    try:
        return Whole[shape].model_validate_json(read_bytes(path, MOST_JSON)).root  # type: ignore[valid-type]
    except ValidationError as error:
        raise damaged(path, error) from None
    except OSError as error:
        raise OutputError(f"{path}: {why(error, is_given=False)}") from None


def damaged(path: Path, error: ValidationError) -> OutputError:
    """The error for a file that is not of its type: the first key that is wrong, and how."""
    first = error.errors()[0]
    key, what = ".".join(map(str, first["loc"])) or "all of it", first["msg"]
    return OutputError(
        f"{path}: {key}: {what[0].lower()}{what[1:]}; it is damaged, or another version of messsim wrote it"
    )
