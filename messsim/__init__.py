"""messsim: a fast, exact simulator of LLM inference clusters whose router promises satisfaction.

>>> import messsim
>>> result = messsim.run(messsim.load("scenarios/quickstart.toml"))  # doctest: +SKIP
>>> result.summary["sla"]["satisfaction"]  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from messsim import plot
    from messsim.results import Result
    from messsim.routing import MessPlus
    from messsim.scenario import Scenario, load, parse
    from messsim.study import run
    from messsim.version import __version__

__all__ = ["MessPlus", "Result", "Scenario", "__version__", "load", "parse", "plot", "run"]

_HOMES = {
    "MessPlus": "messsim.routing",
    "Result": "messsim.results",
    "Scenario": "messsim.scenario",
    "__version__": "messsim.version",
    "load": "messsim.scenario",
    "parse": "messsim.scenario",
    "plot": "messsim.plot",
    "run": "messsim.study",
}


def __getattr__(name: str) -> Any:
    """Imports each name when it is first used: ``import messsim`` costs nothing."""
    if name == "_core":  # asked for only where it is not imported yet
        return _built_core()
    if name not in _HOMES:
        raise AttributeError(f"module 'messsim' has no attribute {name!r}")
    import importlib

    if _HOMES[name] == f"messsim.{name}":
        return importlib.import_module(_HOMES[name])
    return getattr(importlib.import_module(_HOMES[name]), name)


def _built_core() -> Any:
    """The compiled core, or an error that says how to get it: in a folder of sources it may not have been built."""
    import importlib
    import sys
    from pathlib import Path

    from messsim.errors import NotBuilt

    try:
        return importlib.import_module("messsim._core")
    except ModuleNotFoundError:
        folder, version = Path(__file__).resolve().parents[1], ".".join(map(str, sys.version_info[:2]))
        raise NotBuilt(
            f"{folder}: messsim's compiled core is not built for Python {version}; expected "
            f"`{sys.executable} -m pip install -e {folder}`, which builds it"
        ) from None


def __dir__() -> list[str]:
    return __all__
