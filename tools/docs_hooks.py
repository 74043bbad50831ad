"""Hooks of the documentation's build (mkdocs.yml): generated pages, and formulas as MathML.

Formulas are turned into MathML here, so that a page shows them without a script and without the network.
"""

import html
import re
import sys
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))  # hooks are loaded by path, not as part of a package

from reference_pages import cli_page, scenario_page

__all__ = ["on_files", "on_page_content"]

_FORMULA = re.compile(r'<(span|div) class="arithmatex">(?:\\\(|\\\[)(.*?)(?:\\\)|\\\])</\1>', re.DOTALL)


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages that are made from the schema and from the command line."""
    from messsim.scenario import schema

    pages = {"reference/scenario.md": scenario_page(schema()), "reference/cli.md": cli_page()}
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_content(content: str, **_: Any) -> str:
    """Turns what arithmatex marked into MathML."""
    return _FORMULA.sub(_mathml, content)


def _mathml(found: re.Match[str]) -> str:
    display = "inline" if found[1] == "span" else "block"
    return convert(html.unescape(found[2]).strip(), display=display)
