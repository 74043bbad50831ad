"""Machine code of policies, kept from one process to the next.

Numba keeps it in files beside an index, which it writes whole or not at all: processes may share them. Its own key has
a function's bytecode and the processor, not what the function refers to, so each function has a folder named by a hash
of that too. A function whose references cannot all be hashed is compiled anew in each process.
"""

import contextlib
import hashlib
import inspect
import platform
import threading
import types
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from messsim.files import cache_folder

__all__ = ["compiled_by", "digest_of", "folder_of"]

LAYOUT = 4  # of what is kept: raised where an older version's would be read as this one's
CONSTANTS = (bool, int, float, complex, str, bytes, type(None))
LIBRARIES = {"builtins", "math", "numpy", "numba"}  # what they are called is what they are, given their versions

_numba_settings = threading.Lock()  # the folder is a setting of Numba's, of the whole process


def digest_of(function: Callable[..., Any], *options: str) -> str | None:
    """A hash of everything that the machine code of a function depends on; None where something has none."""
    versions = (platform.python_version(), np.__version__, version("numba"))
    try:
        parts = [repr((LAYOUT, *versions, *options)), *_parts(function, set())]
    except _Unknown:
        return None
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def compiled_by(make: Callable[[bool], Any], digest: str | None) -> Any:
    """What ``make(cache)`` compiles, from the folder of this digest where it is there already.

    Whatever is wrong with that folder, and a function that Numba cannot keep, is compiled without it.
    """
    import numba

    config: Any = numba.config
    if (folder := folder_of(digest)) is not None:
        with _numba_settings, contextlib.suppress(Exception):
            before = config.CACHE_DIR
            try:
                folder.mkdir(parents=True, exist_ok=True)
                config.CACHE_DIR = str(folder)
                return make(True)
            finally:
                config.CACHE_DIR = before
    return make(False)


def folder_of(digest: str | None) -> Path | None:
    """Where what has this digest is kept; None where nothing is."""
    folder = cache_folder()
    return None if digest is None or folder is None else folder / "policies" / digest[:32]


class _Unknown(Exception):
    """Something that a function refers to has no hash."""


def _parts(value: Any, seen: set[int]) -> Iterator[str]:
    """What a value is, in words that are equal for equal ones only."""
    value = getattr(value, "py_func", value)  # of a function that Numba has compiled
    if isinstance(value, CONSTANTS):
        yield repr(value)
    elif isinstance(value, tuple):
        yield f"tuple of {len(value)}"
        for each in value:
            yield from _parts(each, seen)
    elif isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        yield f"array {value.dtype.str} {value.shape} {hashlib.sha256(value.tobytes()).hexdigest()}"
    elif isinstance(value, types.ModuleType):
        yield _of_library(value.__name__, value.__name__)
    elif isinstance(value, types.FunctionType) and not _in_library(value.__module__):
        yield from _of_function(value, seen)
    elif isinstance(value, (type, types.BuiltinFunctionType, types.FunctionType, np.ufunc)):
        yield _of_library(getattr(value, "__module__", None) or "numpy", getattr(value, "__qualname__", value.__name__))
    else:
        raise _Unknown


def _of_function(function: types.FunctionType, seen: set[int]) -> Iterator[str]:
    code = function.__code__
    if id(code) in seen:
        return
    seen.add(id(code))
    if any(isinstance(c, types.CodeType) for c in code.co_consts) or function.__defaults__ or function.__kwdefaults__:
        raise _Unknown
    yield f"function {code.co_name} {code.co_varnames} {code.co_names} {code.co_consts!r} {code.co_code.hex()}"
    used = inspect.getclosurevars(function)
    for name, value in sorted({**used.globals, **used.nonlocals}.items()):
        yield name
        yield from _parts(value, seen)


def _in_library(module: str | None) -> bool:
    return module is not None and module.split(".")[0] in LIBRARIES


def _of_library(module: str, name: str) -> str:
    if not _in_library(module):
        raise _Unknown
    return f"{module}.{name}"
