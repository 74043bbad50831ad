"""The command line: a command parses, calls one function, prints.

Each module registers its commands when it is imported; their order here is their order in ``messsim --help``.
"""

from . import running  # isort: split

from . import pages  # isort: split

from . import catalogue, hardware
from .base import app

__all__ = ["app", "catalogue", "hardware", "main", "pages", "running"]


def main() -> None:
    """Entry point."""
    app(prog_name="messsim")
