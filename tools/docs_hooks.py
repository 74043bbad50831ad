"""A hook of the documentation's build (mkdocs.yml): formulas as MathML.

Formulas are turned into MathML here, so that a page shows them without a script and without the network.
"""

import html
import re
from typing import Any

from latex2mathml.converter import convert

__all__ = ["on_page_content"]

_FORMULA = re.compile(r'<(span|div) class="arithmatex">(?:\\\(|\\\[)(.*?)(?:\\\)|\\\])</\1>', re.DOTALL)


def on_page_content(content: str, **_: Any) -> str:
    """Turns what arithmatex marked into MathML."""
    return _FORMULA.sub(_mathml, content)


def _mathml(match: re.Match[str]) -> str:
    display = "inline" if match[1] == "span" else "block"
    return str(convert(html.unescape(match[2]).strip(), display=display))
