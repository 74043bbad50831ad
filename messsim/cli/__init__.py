"""The command line: a command parses, calls one function, prints.

Each module of this folder registers its commands when it is imported: those of `FIRST` in that order, then the others.
"""

import atexit
import gc
import os
import sys
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from .signals import end_like_ctrl_c, exit_code
from .streams import watch_standard_streams

if TYPE_CHECKING:
    from .base import app

__all__ = ["app", "main"]

FIRST = (  # in ``messsim --help``
    "init",
    "run",
    "replicate",
    "compare",
    "challenge",
    "converge",
    "sweep",
    "plan",
    "replay",
    "report",
    "importing",
    "catalogue",
    "hardware",
    "verify",
    "reproduce",
)


def __getattr__(name: str) -> Any:
    """The application, with all its commands, when it is first asked for: ``messsim --version`` needs none of it."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    others = {m.name for m in iter_modules(__path__)} - {*FIRST, "__main__"}
    for module in (*FIRST, *sorted(others)):
        import_module(f"{__name__}.{module}")
    return import_module(f"{__name__}.base").app


def main() -> None:
    """Entry point."""
    end_like_ctrl_c()
    try:
        _main()
    except (KeyboardInterrupt, SystemExit) as end:
        interrupt = _interrupt(end)
        if interrupt is None:
            raise
        if sys.stderr is not None:
            print("interrupted; nothing was written", file=sys.stderr)
        raise SystemExit(exit_code(interrupt)) from None


def _interrupt(end: BaseException) -> KeyboardInterrupt | None:
    """What ended a command that had not begun: imports, or options, of which Typer makes an exit code of its own."""
    by = end if isinstance(end, KeyboardInterrupt) else getattr(end.__context__, "__cause__", None)
    return by if isinstance(by, KeyboardInterrupt) else None


def _main() -> None:
    watch_standard_streams()
    if sys.argv[1:] == ["--version"]:
        from messsim.version import __version__

        print(f"messsim {__version__}", flush=True)  # a full disk shows before Python ends
        return
    # What is imported is kept: looking through it for rubbish, also as Python ends, is a tenth of a short command.
    gc.set_threshold(500_000)
    atexit.register(gc.freeze)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices are small: more threads would only spin
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")  # to look for some reads a file of each installed package
    __getattr__("app")(prog_name="messsim")
