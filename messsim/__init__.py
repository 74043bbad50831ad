"""messsim: a fast, exact simulator of LLM inference clusters whose router promises satisfaction.

>>> import messsim
>>> scenario = messsim.Scenario(
...     requests=2000,
...     sla=messsim.Sla(alpha=0.6),
...     arrivals=messsim.Poisson(rate_rps=4),
...     satisfaction=messsim.Irt(),
...     models=[
...         messsim.Model(name="small", satisfaction=0.55, profile="Llama-3.1-8B", gpu="H100"),
...         messsim.Model(name="large", satisfaction=0.74, profile="Llama-3.1-70B", gpu="H100", tp=4),
...     ],
... )
>>> result = messsim.run(scenario)
>>> result.summary["sla"]["kept"], messsim.run(scenario.changed(policy="cheapest")).summary["sla"]["kept"]
(True, False)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from messsim import plot
    from messsim.api.shown import Result, StudyResult
    from messsim.api.studies import challenge, check, compare, converge, plan, replicate, run, sweep, verify
    from messsim.errors import MesssimError
    from messsim.routing import MessPlus
    from messsim.scenario import Scenario, load, parse
    from messsim.scenario.arrivals import Closed, Diurnal, Gamma, Mmpp, Poisson, Trace
    from messsim.scenario.clients import Clients
    from messsim.scenario.fleet import Cluster, Cost, Model, Pool
    from messsim.scenario.laws import Constant, Empirical, Geometric, Lognormal, Tokens
    from messsim.scenario.phases import Phase
    from messsim.scenario.quality import Features, Irt, Table, Task
    from messsim.scenario.routing import Feedback, Router, Sla, Slo, Tenant
    from messsim.version import __version__

__all__ = [
    "Clients",
    "Closed",
    "Cluster",
    "Constant",
    "Cost",
    "Diurnal",
    "Empirical",
    "Features",
    "Feedback",
    "Gamma",
    "Geometric",
    "Irt",
    "Lognormal",
    "MessPlus",
    "MesssimError",
    "Mmpp",
    "Model",
    "Phase",
    "Poisson",
    "Pool",
    "Result",
    "Router",
    "Scenario",
    "Sla",
    "Slo",
    "StudyResult",
    "Table",
    "Task",
    "Tenant",
    "Tokens",
    "Trace",
    "__version__",
    "challenge",
    "check",
    "compare",
    "converge",
    "load",
    "parse",
    "plan",
    "plot",
    "replicate",
    "run",
    "sweep",
    "verify",
]

_NAMES = {  # by the module that they are in
    "messsim.api.studies": "challenge check compare converge plan replicate run sweep verify",
    "messsim.api.shown": "Result StudyResult",
    "messsim.errors": "MesssimError",
    "messsim.routing": "MessPlus",
    "messsim.scenario": "Scenario load parse",
    "messsim.scenario.arrivals": "Closed Diurnal Gamma Mmpp Poisson Trace",
    "messsim.scenario.clients": "Clients",
    "messsim.scenario.fleet": "Cluster Cost Model Pool",
    "messsim.scenario.laws": "Constant Empirical Geometric Lognormal Tokens",
    "messsim.scenario.phases": "Phase",
    "messsim.scenario.quality": "Features Irt Table Task",
    "messsim.scenario.routing": "Feedback Router Sla Slo Tenant",
    "messsim.version": "__version__",
    "messsim.plot": "plot",
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Imports each name when it is first used: ``import messsim`` costs nothing."""
    if name == "_core":  # asked for only where it is not imported yet
        return _built_core()
    if name not in _HOMES:
        raise AttributeError(f"module 'messsim' has no attribute {name!r}")
    import importlib

    try:
        home = importlib.import_module(_HOMES[name])
    except ModuleNotFoundError:
        _built_core()  # a Python without it was never given what messsim needs: that is told first
        raise
    return home if _HOMES[name] == f"messsim.{name}" else getattr(home, name)


def _built_core() -> Any:
    """The compiled core, or an error that says how to get it: in a folder of sources it may not have been built."""
    import importlib
    import sys
    from pathlib import Path

    from messsim.errors import NotBuilt

    try:
        return importlib.import_module("messsim._core")
    except ModuleNotFoundError as missing:
        folder, version = Path(__file__).resolve().parents[1], ".".join(map(str, sys.version_info[:2]))
        lacks = "messsim's compiled core is not built for"
        if missing.name != "messsim._core":
            lacks = f"{missing.name}, which messsim needs, is not installed in this"
        raise NotBuilt(
            f"{folder}: {lacks} Python {version}; expected "
            f"`{sys.executable} -m pip install -e {folder}`, which builds and installs it"
        ) from None


def __dir__() -> list[str]:
    return __all__
