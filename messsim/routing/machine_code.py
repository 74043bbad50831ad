"""Machine code that Numba made in an earlier process, linked by LLVM alone: Numba's import and first use take 0.4 s.

What is kept of a function is an object file for this processor, and the names of what it calls. All that it may call is
in C's mathematics, or in messsim: what allocates memory, or calls anything else of Numba's, is left to Numba's own
cache.
"""

import contextlib
import ctypes
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from messsim.files import json_text, partial_name

__all__ = ["MachineCode", "keep", "kept"]

# LLVM's own functions by what they call where they are no instructions; the others never are more than instructions.
CALLED = {f"llvm.{name}.f64": name for name in ("cos", "exp", "exp2", "floor", "log", "log2", "log10", "pow", "sin")}
INSTRUCTIONS = tuple(
    f"llvm.{name}." for name in ("abs", "fabs", "lifetime", "smax", "smin", "sqrt", "umax", "umin", "x86.atomic.sub.cc")
)
OF_C = {"acos", "asin", "atan", "atan2", "cosh", "expm1", "fmod", "hypot", "log1p", "sinh", "sqrt", "tan", "tanh"}
OF_C |= {"memcpy", "memmove", "memset", *CALLED.values()}
# Arrays that have a count of references are let go by it. These have none, being of messsim: it is never called.
UNUSED = "NRT_MemInfo_call_dtor"
SETTINGS = "NUMBA_"  # variables of the environment with which Numba's code may be another

_unused = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: None)


@dataclass(frozen=True)
class MachineCode:
    """A function that other code may call.

    Attributes
    ----------
    address
        Where it is.
    owner
        What it is gone with.
    """

    address: int
    owner: Any


def kept(folder: Path | None) -> MachineCode | None:
    """The function that is kept in a folder; None where there is none, or this process lacks what it calls."""
    if folder is None or _is_off():
        return None
    import llvmlite.binding as llvm

    try:
        head, code = _file(folder, llvm).read_bytes().split(b"\n", 1)
        about = json.loads(head)
        if hashlib.sha256(code).hexdigest() != about["sha256"]:
            return None
        return _linked(llvm, code, about["name"], about["calls"])
    except (OSError, ValueError, KeyError, TypeError, RuntimeError):  # it is absent, or damaged
        return None


def keep(folder: Path | None, callback: Any) -> None:
    """Keeps what `numba.cfunc` has compiled just now, if LLVM alone can link it."""
    if folder is None or _is_off():
        return
    import llvmlite.binding as llvm

    with contextlib.suppress(OSError, AttributeError, RuntimeError):
        library = callback._library
        module = library._final_module
        calls = list(_calls(module))
        code = library._get_compiled_object()  # a RuntimeError where it came from Numba's cache
        # large arrays outside the function are addresses of this process (Numba keeps no such function, either)
        is_alone = not library.has_dynamic_globals and not any(g.is_declaration for g in module.global_variables)
        if None in calls or not is_alone:
            return
        about = {"name": callback.native_name, "calls": calls, "sha256": hashlib.sha256(code).hexdigest()}
        target = _file(folder, llvm)
        part = partial_name(target)
        part.write_bytes(json_text(about, indent=None).encode() + code)
        part.replace(target)


def _is_off() -> bool:
    return os.name != "posix" or any(name.startswith(SETTINGS) for name in os.environ)


def _file(folder: Path, llvm: Any) -> Path:
    """Its name tells the processor, as LLVM sees it, and the versions of what made it.

    Raises
    ------
    RuntimeError
        If LLVM does not know the processor.
    """
    processor = (llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())
    made_by = (version("numba"), version("llvmlite"))
    return folder / f"{hashlib.sha256(repr((processor, made_by)).encode()).hexdigest()[:32]}.code"


def _calls(module: Any) -> Iterator[str | None]:
    """What a module calls that it does not define; None for each function that is in neither C nor messsim."""
    for function in module.functions:
        called = CALLED.get(function.name, function.name)
        if called.startswith(("llvm.memcpy.", "llvm.memmove.", "llvm.memset.")):
            called = called.split(".")[1]
        if function.is_declaration and not called.startswith(INSTRUCTIONS) and called != "llvm.assume":
            yield called if called in OF_C or called == UNUSED or called.startswith("messsim_") else None


def _linked(llvm: Any, code: bytes, name: str, calls: list[str]) -> MachineCode | None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)  # which finds the functions of C
    if UNUSED in calls and llvm.address_of_symbol(UNUSED) is None:
        llvm.add_symbol(UNUSED, ctypes.cast(_unused, ctypes.c_void_p).value)
    if any(llvm.address_of_symbol(called) is None for called in calls):
        return None  # LLVM would end the process
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    address = engine.get_function_address(name)
    return MachineCode(address, engine) if address else None
