"""A policy, or a rule of dispatch, in a Python file of the user's: what it runs, it runs here, and what goes wrong
there is told as such.

Nothing in it may end messsim as if all were well: `sys.exit()` and `os._exit()` are errors, whatever code they give.
"""

import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import lru_cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any, NoReturn

from messsim import _core
from messsim.errors import MesssimError, PolicyError, ScenarioError
from messsim.files import sha256
from messsim.scenario.routing import Router
from messsim.wording import shown

from .contract import Build, Knowledge, Policy, Prepare
from .imports import is_beside, modules_beside, names_installed, top_name

__all__ = ["built_by", "load_file", "load_function"]

_importing = RLock()  # modules are Python's, not a thread's


class _EndsPython(Exception):
    """`os._exit` was called."""


def load_file(path: Path) -> Build:
    """The function `build` of a Python file, which this runs.

    Raises
    ------
    ScenarioError
        If there is no such file, it cannot be loaded or it has no such function.
    """
    build: Build = load_function(path, "build", "router.policy", "build(options, models, features)")
    beside = _read(path).beside

    def built(options: Router, models: int, features: int) -> Policy:
        with beside():
            policy = build(options, models, features)
        if isinstance(policy, Policy) and policy.prepare is not None:
            return replace(policy, prepare=beside()(policy.prepare))
        return policy

    return built


def load_function(path: Path, name: str, key: str, shape: str = "") -> Callable[..., Any]:
    """A function of a Python file that a key of the scenario names; this runs the file.

    Parameters
    ----------
    path, name
        Of the file and of the function.
    key
        Of the scenario, for errors.
    shape
        What the function looks like, for the error where there is none.

    Raises
    ------
    ScenarioError
        If there is no such file, it cannot be loaded or it has no such function.
    """
    if not path.is_file():
        raise ScenarioError(f"{key}: no such file {shown(str(path))}; expected a Python file with a function {name}")
    try:
        own = _read(path)
    except OSError as error:
        raise ScenarioError(f"{key}: {path} cannot be read: {error.strerror or error}") from None
    with _failing_as(f"{key}: {path} cannot be loaded", path), _without_bytecode():
        function = getattr(own.module, name, None)
    if not callable(function):
        raise ScenarioError(f"{key}: {path} has no function {shape or name}")
    if inspect.iscoroutinefunction(function):
        raise ScenarioError(f"{key}: {name} of {path} is an async function; expected a plain one, without async")
    loaded: Callable[..., Any] = function
    return loaded


def _read(path: Path) -> "_Own":
    """A file as it stands, with what it imports from beside it: in one process, all runs of it are of one module, and
    what it compiles is compiled once.
    """
    real = path.resolve()
    return _own(real, tuple((file, sha256(file)) for file in (real, *modules_beside(real))))


@lru_cache(maxsize=64)
def _own(path: Path, content: tuple[tuple[Path, str], ...]) -> "_Own":
    return _Own(path, [file for file, _ in content[1:]])


class _Own:
    """A Python file of the user's and the modules beside it, which are this file's alone: another folder may have a
    module of the same name, and one that changed is read again. Installed packages are the process's.
    """

    def __init__(self, path: Path, modules: list[Path]) -> None:
        self.path = path
        self._installed = names_installed(path.parent)
        self._names = {top_name(path.parent, file) for file in modules}  # with a module goes all that is in it
        self._modules: dict[str, ModuleType] = {}
        self._module: ModuleType | None = None

    @property
    def module(self) -> ModuleType:
        """The file's, which this runs when it is first asked for."""
        name = f"messsim_policy_{self.path.stem}"
        if self._module is None:
            spec = importlib.util.spec_from_file_location(name, self.path)
            assert spec is not None
            assert spec.loader is not None
            module = sys.modules[name] = importlib.util.module_from_spec(spec)
            with self.beside():
                spec.loader.exec_module(module)
            self._module = module
        sys.modules[name] = self._module  # Numba asks for it by its name
        return self._module

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Imports look in the file's folder first, as they do for a script."""
        folder = self.path.parent
        with _importing:
            shared = self._installed | _with_machine_code()
            others = _taken_out(self._names - shared)
            sys.modules.update(self._modules)
            before = {name.partition(".")[0] for name in [*sys.modules]}
            sys.path.insert(0, str(folder))
            try:
                yield
            finally:
                with suppress(ValueError):  # the file may have changed the path itself
                    sys.path.remove(str(folder))
                tops = ((name.partition(".")[0], module) for name, module in [*sys.modules.items()])
                # by computed names, for instance
                self._names |= {top for top, module in tops if top not in before and is_beside(folder, module)}
                self._modules = _taken_out(self._names - shared)
                sys.modules.update(others)


def _with_machine_code() -> set[str]:
    """Packages with modules of machine code, messsim and NumPy among them: many cannot be loaded twice in a process."""
    files = ((name, getattr(module, "__file__", None)) for name, module in [*sys.modules.items()])
    return {name.partition(".")[0] for name, file in files if str(file).endswith(tuple(EXTENSION_SUFFIXES))}


def _taken_out(names: set[str]) -> dict[str, ModuleType]:
    """Modules of these names and all that are in them, which Python then has no longer."""
    return {name: sys.modules.pop(name) for name in [*sys.modules] if name.partition(".")[0] in names}


@contextmanager
def _without_bytecode() -> Iterator[None]:
    """Python takes it for current where a file changes within a second."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def built_by(build: Build, where: Path | str, options: Router, models: int, features: int) -> Policy:
    """What a `build` from elsewhere returns, and its `prepare` watched likewise.

    Raises
    ------
    ScenarioError
        If it raises, ends Python, returns no policy, or one of the policy's functions cannot be compiled.
    """
    try:
        with _failing_as(f"router.policy: build of {where} failed", where), _without_bytecode():
            policy: object = build(options, models, features)
    except PolicyError as error:
        raise ScenarioError(f"router.policy: {where}: {error}") from None
    if not isinstance(policy, Policy):
        raise ScenarioError(
            f"router.policy: build of {where} returned {_short(policy)}; expected a Policy, as compile_policy makes it"
        )
    return policy if policy.prepare is None else replace(policy, prepare=_watched(policy.prepare, where))


def _watched(prepare: Prepare, where: Path | str) -> Prepare:
    def watched(kernel: _core.Policy, knowledge: Knowledge) -> None:
        with _failing_as(f"router.policy: prepare of {where} failed", where):
            prepare(kernel, knowledge)

    return watched


@contextmanager
def _failing_as(what: str, where: Path | str) -> Iterator[None]:
    """Whatever an author's code does wrong, as one sentence with its line; Ctrl-C stays what it is."""
    try:
        with _no_sudden_end():
            yield
    except (MesssimError, KeyboardInterrupt):
        raise
    except SystemExit as error:
        raise ScenarioError(f"{what}: it ends Python by sys.exit({error.code!r}){_line(error, where)}") from None
    except _EndsPython as error:
        raise ScenarioError(f"{what}: it ends Python by os._exit({error}){_line(error, where)}") from None
    except BaseException as error:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        line = "" if isinstance(error, SyntaxError) else _line(error, where)  # which names its line itself
        raise ScenarioError(f"{what}: {text}{line}") from error


@contextmanager
def _no_sudden_end() -> Iterator[None]:
    """`os._exit` would end messsim with the file's own code, 0 perhaps, and without a word."""
    before = os._exit

    def refused(status: int) -> NoReturn:
        raise _EndsPython(str(status))

    os._exit = refused
    try:
        yield
    finally:
        os._exit = before


def _line(error: BaseException, where: Path | str) -> str:
    """The last line of the author's file that the error came through."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(where)]
    return f" (line {lines[-1]})" if lines else ""


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
