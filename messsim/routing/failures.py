"""A function of a policy as machine code, and what it raised where it failed.

Numba's own callbacks print an exception and return 0, which is a valid model. Here the exception is caught in compiled
code, and the callback returns `_core.POLICY_RAISED`; what it was is found by calling the function once more, from
Python and on a copy of its state, so that a call that does not fail costs nothing. So is an int() of NaN or infinity,
which compiled code makes a number of.
"""

import contextlib
import ctypes
import itertools
import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from messsim import _core
from messsim.errors import INT_OF_NAN

from .compiled import compiled_by, folder_of
from .machine_code import keep, kept

__all__ = ["Role", "reason"]

ANSI = re.compile(r"\x1b\[[0-9;]*m")
DULL = re.compile(r"Failed in |No implementation of function|During: |There are |>>> |$")
_numbers = itertools.count(1)  # of roles that no other process shares
_roles: WeakValueDictionary[int, "Role"] = WeakValueDictionary()
_failures: dict[int, str] = {}  # what was raised, by the address of the state that the function was given
_callbacks: list[Any] = []  # compiled code has their addresses

WHERE = re.compile(r'File "([^"]+)", line (\d+)')


class Role:
    """A function of the user's under the whole signature of its role.

    Parameters
    ----------
    role
        decide, finish, rated or learn.
    function
        The user's.
    arguments, given
        The names of all arguments of the role, and of those that `inner` takes.
    lengths
        Of each array, as an expression of the other arguments.

    Attributes
    ----------
    address
        Of the machine code; it lives as long as this object.
    failures
        What was raised, by the address of the state that the function was given.
    """

    def __init__(
        self,
        role: str,
        function: Callable[..., Any],
        arguments: tuple[str, ...],
        given: list[str],
        lengths: dict[str, str],
        digest: str | None,
    ) -> None:
        self.role = role
        self.function = function
        self.given = given
        self.lengths = lengths
        self.arguments = arguments
        self.failures = _failures
        self._digest = digest
        self._number = next(_numbers) if digest is None else int(digest[:15], 16)
        _roles[self._number] = self

    @property
    def address(self) -> int:
        """Of the machine code."""
        address: int = self._code.address
        return address

    def is_kept(self, kinds: tuple[Any, ...]) -> bool:
        """Takes the machine code of an earlier process; `kinds` are ctypes of the arguments."""
        _noting(self.role, kinds)
        code = kept(folder_of(self._digest))
        if code is not None:
            self._code = code
        return code is not None

    def link(self, inner: Any, signature: Any) -> None:
        """Compiles the wrapper of the user's function, compiled: pointers become arrays, an exception a code.

        Written as source, since Numba has no other way to pass on a choice of arguments; kept by its digest.
        """
        import numba

        number, digest = self._number, self._digest
        every = ", ".join(self.arguments)
        source = (
            f"def {self.role}({every}):\n"
            "    try:\n"
            f"        code = whole(inner({', '.join(self._view(a) for a in self.given)}))\n"
            "    except Exception:\n"
            f"        return failed({number}, {every})\n"
            f"    return failed({-number}, {every}) if code == {INT_OF_NAN} else code\n"
        )
        file = Path("<wrapper>")
        if (folder := folder_of(digest)) is not None:
            file = folder / f"{self.role}.py"
            with contextlib.suppress(OSError), file.open("x", encoding="utf-8") as out:  # Numba asks for its age
                out.write(source)
        space = {
            "inner": inner,
            "whole": numba.int64,  # beside an unsigned number any other becomes a float
            "carray": vars(numba)["carray"],
            "failed": numba.types.ExternalFunction(_failed(self.role), numba.int64(numba.int64, *signature.args)),
            "__name__": __name__,
        }
        exec(compile(source, str(file), "exec"), space)
        self._code = compiled_by(lambda cache: numba.cfunc(signature, cache=cache)(space[self.role]), digest)
        keep(folder_of(digest), self._code)

    def _view(self, argument: str) -> str:
        return f"carray({argument}, ({self.lengths[argument]},))" if argument in self.lengths else argument

    def note(self, values: Sequence[Any], *, of_nan: bool = False) -> int:
        """Called by the compiled code where it failed, or returned what int() makes of NaN, with its arguments."""
        call = dict(zip(self.arguments, values, strict=True))
        key = ctypes.addressof(call["state"].contents)
        try:
            raised = self._not_compiled(call) if of_nan else self._raised(call)
            if raised is None:
                return INT_OF_NAN
            self.failures[key] = f"{self.role} raised {raised}"
        except BaseException as error:  # nothing may pass through the C code that waits for the answer
            self.failures[key] = f"{self.role} raised an exception ({type(error).__name__})"
        return int(_core.POLICY_RAISED)

    def interpreted(self, call: Mapping[str, Any]) -> Exception | None:
        """What the user's function raises where Python runs it: more than where it is compiled."""
        return raised_by(self.function, [call[a] for a in self.given])

    def _raised(self, call: Mapping[str, Any]) -> str:
        arguments = [self._array(a, call) if a in self.lengths else call[a] for a in self.given]
        import numba

        error = raised_by(numba.njit(self.function, boundscheck=True), arguments)
        if error is None:
            return "an exception that it does not raise again"
        return f"{type(error).__name__}: {error}{self._where(error, arguments)}"

    def _not_compiled(self, call: Mapping[str, Any]) -> str | None:
        """What the interpreter raises where compiled code raises nothing; None: it does not either."""
        arguments = [self._array(a, call) if a in self.lengths else call[a] for a in self.given]
        error = raised_by(self.function, arguments)
        return None if error is None else f"{type(error).__name__}: {error}{self._where(error, arguments)}"

    def _array(self, argument: str, call: Mapping[str, Any]) -> NDArray[np.float64]:
        length = eval(self.lengths[argument], {"int": int}, call)
        array = np.array([call[argument][k] for k in range(length)], dtype=np.float64)
        array.flags.writeable = argument == "state"
        return array

    def _where(self, error: Exception, arguments: list[Any]) -> str:
        """The line, as the interpreter knows it: compiled code keeps none."""
        again = raised_by(self.function, arguments)
        if again is None or type(again) is not type(error):
            return ""
        file = self.function.__code__.co_filename
        lines = [f.lineno for f in traceback.extract_tb(again.__traceback__) if f.filename == file]
        return f" ({Path(file).name}, line {lines[-1]})" if lines else ""


@cache
def _noting(role: str, kinds: tuple[Any, ...]) -> None:
    """What compiled code calls where it failed: by name, since an address is of this process alone."""
    import llvmlite.binding

    callback = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, *kinds)(
        lambda number, *values: _roles[abs(number)].note(values, of_nan=number < 0)
    )
    _callbacks.append(callback)
    llvmlite.binding.add_symbol(_failed(role), ctypes.cast(callback, ctypes.c_void_p).value)


def _failed(role: str) -> str:
    return f"messsim_{role}_failed"


def raised_by(function: Callable[..., Any], arguments: list[Any]) -> Exception | None:
    """What a call raises; arrays are copied, so that it changes nothing."""
    copies = [a.copy() if isinstance(a, np.ndarray) and a.flags.writeable else a for a in arguments]
    try:
        with np.errstate(all="ignore"):
            function(*copies)
    except Exception as error:
        return error
    return None


def reason(error: Exception) -> str:
    """Numba's reason for not compiling a function, without its tour of the compiler, and the line."""
    text = ANSI.sub("", str(error))
    if "Cannot modify readonly array" in text:
        note = "it writes into an array that it may only read; only state may be written"
    else:
        lines = [line.strip() for line in text.split("\n")]
        note = next((line for line in lines if not DULL.match(line)), type(error).__name__).rstrip(":")
    places = WHERE.findall(text)
    return f"{note} ({Path(places[-1][0]).name}, line {places[-1][1]})" if places else note
