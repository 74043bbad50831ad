"""The command line: a command parses, calls one function, prints.

Each module registers its commands when it is imported; their order here is their order in ``messsim --help``.
"""

from importlib import import_module

from .base import app

__all__ = ["app", "main"]

MODULES = (
    "running",
    "replicating",
    "comparing",
    "convergence",
    "sweeping",
    "planning",
    "replaying",
    "pages",
    "importing",
    "catalogue",
    "hardware",
    "trust",
    "papers",
)
for name in MODULES:
    import_module(f"{__name__}.{name}")


def main() -> None:
    """Entry point."""
    app(prog_name="messsim")
