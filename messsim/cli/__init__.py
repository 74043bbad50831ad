"""The command line: a command parses, calls one function, prints.

Each module registers its commands when it is imported; their order here is their order in ``messsim --help``.
"""

from importlib import import_module

from .base import app
from .signals import end_like_ctrl_c
from .streams import watch_standard_streams

__all__ = ["app", "main"]

MODULES = (
    "running",
    "replicating",
    "comparing",
    "challenging",
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
    end_like_ctrl_c()
    watch_standard_streams()
    app(prog_name="messsim")
