"""Which modules a policy's file imports from beside it: what it decides depends on them too."""

import ast
import re
import sysconfig
from collections.abc import Iterator
from importlib.machinery import all_suffixes
from importlib.metadata import distributions
from pathlib import Path
from types import ModuleType

__all__ = ["is_beside", "modules_beside", "names_installed", "top_name"]

PACKAGE = Path(__file__).resolve().parents[1]  # a version of messsim is told apart by its number
PYTHON = [Path(sysconfig.get_path(part)) for part in ("stdlib", "platstdlib")]
INSTALLED = {"site-packages", "dist-packages"}


def modules_beside(policy: Path) -> list[Path]:
    """The files that a Python file imports from its own folder, and those that these import from there, in order.

    They are read, never run. Imports inside functions count, and names that are given to ``import_module`` as they
    stand; what a file finds by other means is not seen.
    """
    folder = policy.parent
    names: set[Path] = set()
    waiting = [policy]
    while waiting:
        file = waiting.pop()
        new = {path for name in _imported(file, folder) for path in _files(folder, name)} - names - {policy}
        new = {path for path in new if not path.resolve().is_relative_to(PACKAGE)}
        names |= new
        waiting += [path for path in sorted(new) if path.suffix == ".py"]
    return sorted(names)


def top_name(folder: Path, file: Path) -> str:
    """The first part of what a file that `modules_beside` gives is called where it is imported."""
    return file.relative_to(folder).parts[0].split(".")[0]  # also of helper.cpython-311-x86_64-linux-gnu.so


def names_installed(folder: Path) -> set[str]:
    """Modules and packages that an installer put into a folder, by its records of what it wrote."""
    records = (each.read_text("RECORD") or "" for each in distributions(path=[str(folder)]))
    return {re.split("[/.,]", line)[0] for record in records for line in record.splitlines()}


def is_beside(folder: Path, module: ModuleType) -> bool:
    """Whether a module was read from a folder or one in it, other than Python's and installed ones (a .venv)."""
    try:
        places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
    except Exception:  # a module may be any object
        return False
    paths = [path for place in places if place and (path := Path(str(place))).is_relative_to(folder)]
    python = [path for path in PYTHON if path.is_relative_to(folder)]
    return any(
        INSTALLED.isdisjoint(path.relative_to(folder).parts) and not any(path.is_relative_to(each) for each in python)
        for path in paths
    )


def _imported(file: Path, folder: Path) -> Iterator[str]:
    """Dotted names, as the folder would resolve them."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):  # it cannot be imported either: that is told elsewhere
        return
    package = file.relative_to(folder).parts[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}".lstrip(".") for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            yield from (a.value for a in node.args[:1] if isinstance(a, ast.Constant) and isinstance(a.value, str))


def _files(folder: Path, name: str) -> Iterator[Path]:
    """The files of a module and of the packages around it, those that there are."""
    place = folder
    for part in name.split("."):
        for start in (place / part, place / part / "__init__"):
            yield from (f for end in all_suffixes() if (f := start.with_name(start.name + end)).is_file())
        place = place / part
