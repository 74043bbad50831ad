"""Where a result comes from: versions, machine, data."""

import os
import platform
from importlib.metadata import version
from typing import Any

from messsim.files import sha256
from messsim.scenario import Scenario
from messsim.version import __version__

__all__ = ["files_of", "provenance"]


def provenance(scenario: Scenario) -> dict[str, Any]:
    """Versions of what the numbers depend on, the machine, and SHA-256 of every file read."""
    return {
        "messsim": __version__,
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("numpy", "scipy", "polars", "simpy")},
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "data": {f: sha256(scenario.path(f)) for f in files_of(scenario)},
    }


def files_of(scenario: Scenario) -> list[str]:
    """Every file that a run reads beside its scenario, as the scenario names it."""
    said = (scenario.arrivals, scenario.satisfaction)
    files = [part.file for part in said if part.kind in ("trace", "table")]
    return files + [scenario.router.policy] * scenario.router.policy.endswith(".py")
