"""Prints constraints for pip that ask for the least version of each library that pyproject.toml declares.

python tools/lowest_versions.py [EXTRA ...] > constraints.txt
"""

import re
import sys
import tomllib
from pathlib import Path

__all__ = ["lowest"]

ROOT = Path(__file__).parents[1]
BOUND = re.compile(r"([\w.-]+)(\[[\w,]+\])?>=([\w.]+)")


def lowest(extras: list[str], pyproject: Path = ROOT / "pyproject.toml") -> list[str]:
    """One line a library, such as ``typer==0.19``, of the dependencies and of extras.

    Raises
    ------
    ValueError
        If a dependency has no least version, or is not written as ``name>=version``.
    """
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    declared = [*project["dependencies"], *(d for e in extras for d in project["optional-dependencies"][e])]
    collected = [(text, BOUND.fullmatch(text)) for text in declared]
    if wrong := [text for text, bound in collected if bound is None]:
        raise ValueError(f"{pyproject}: {', '.join(wrong)}: expected NAME>=VERSION")
    return [f"{bound[1]}=={bound[3]}" for _, bound in collected if bound is not None]


if __name__ == "__main__":
    print("\n".join(lowest(sys.argv[1:])))
