"""Reading TOML files, with errors that name the file and the cure."""

import tomllib
from pathlib import Path
from typing import Any

from messsim.errors import ScenarioError

__all__ = ["read_toml"]


def read_toml(file: Path, what: str) -> dict[str, Any]:
    """What a TOML file holds; `what` it was expected to be is told where there is no such file.

    Raises
    ------
    ScenarioError
        If it cannot be read, or is no TOML.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")  # some editors put a byte order mark in front
    except FileNotFoundError:
        raise ScenarioError(f"no such file; expected {what} in TOML", str(file)) from None
    except IsADirectoryError:
        raise ScenarioError(f"is a directory; expected {what} in TOML", str(file)) from None
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise ScenarioError(f"not UTF-8 text: byte {error.start} is 0x{byte:02x}", str(file)) from None
    except OSError as error:
        raise ScenarioError(f"cannot be read: {error.strerror}", str(file)) from None
    try:
        return tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError, or an integer of thousands of digits
        raise ScenarioError(f"not valid TOML: {error}", str(file)) from None
    except RecursionError:
        raise ScenarioError("not valid TOML: nested too deeply", str(file)) from None
