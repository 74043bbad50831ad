"""Where a result comes from: versions, machine, data."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

from messsim.files import sha256
from messsim.routing.imports import modules_beside
from messsim.scenario import Scenario
from messsim.summary import Provenance
from messsim.version import __version__

__all__ = ["files_of", "provenance"]


def provenance(scenario: Scenario) -> Provenance:
    """Versions of what the numbers depend on, the machine, and SHA-256 of every file read."""
    return {
        "messsim": __version__,
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("numpy", "scipy", "polars", "simpy")},
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "data": {name: sha256(scenario.path(name)) for _, name in files_of(scenario)},
    }


def files_of(scenario: Scenario) -> list[tuple[str, str]]:
    """Every file that a run reads beside its scenario: the key that names it, and its path as the scenario names it.

    Of a policy or a rule of dispatch in a file these are also the modules that it imports from beside it. Profiles of
    one's own are not among them: their figures stand in the scenario once it is read.
    """
    parts = (("arrivals.file", scenario.arrivals), ("satisfaction.file", scenario.satisfaction))
    files = [(key, part.file) for key, part in parts if part.kind in ("trace", "table")]
    if scenario.tokens.file is not None:
        files.append(("tokens.file", scenario.tokens.file))
    if scenario.router.predictor.warm_start is not None:
        files.append(("router.predictor.warm_start", scenario.router.predictor.warm_start))
    for key, name in scenario.python_files:
        files.append((key, name))
        files += [(f"{key} imports", module) for module in _imports(scenario, name)]
    return files


def _imports(scenario: Scenario, name: str) -> list[str]:
    """The modules beside a Python file, named from where the scenario names it; where that is a link, from the
    scenario's folder: Python looks beside what it leads to.
    """
    path = scenario.path(name)
    real = path.resolve()
    modules = modules_beside(real)
    if real.parent != path.parent.resolve():
        return [os.path.relpath(module, scenario.path(".").resolve()) for module in modules]
    return [str(Path(name).parent / module.relative_to(real.parent)) for module in modules]
