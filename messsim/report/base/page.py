"""A report, or one chart, as one HTML file that needs nothing else: no server, no network, no fonts."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from messsim.errors import OutputError
from messsim.files import cache_folder
from messsim.plot.figure import Figure, drawable, library
from messsim.plot.parts import MOST_LETTERS
from messsim.plot.points import BETWEEN
from messsim.plot.theme import DARK, LIGHT, Specification
from messsim.results import write_file

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Page", "Section", "Table", "Tile", "chart_html", "html"]

HERE = Path(__file__).parent
LETTER = 6  # pixels of one beside an axis


@dataclass(frozen=True)
class Table:
    """Rows of text; the first column heads its row.

    `words`: the others hold words, not figures; `keyed`: what heads a row is the value of a key, told with its name.
    """

    caption: str
    header: list[str]
    rows: list[list[str]]
    words: bool = False
    keyed: bool = False

    @classmethod
    def of(cls, caption: str, frame: pl.DataFrame) -> Table:
        """From a frame of strings."""
        return cls(caption, frame.columns, [list(row) for row in frame.rows()])


@dataclass(frozen=True)
class Tile:
    """One figure that is read at a glance, and a few words to it."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the page: words, charts, tables, and text that is shown as it is, in this order.

    `wide`: one chart a row; `shown`: the text as it is stands open.
    """

    id: str
    title: str
    text: str = ""
    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    verbatim: str = ""
    wide: bool = False
    shown: bool = False


@dataclass(frozen=True)
class Page:
    """What a page says.

    Attributes
    ----------
    kept
        Good news, bad news or (None) neither.
    headline, verdict
        In a word, and in a sentence.
    footer
        Where it all comes from.
    """

    title: str
    subtitle: str
    kept: bool | None
    headline: str
    verdict: str
    tiles: list[Tile]
    notes: list[str]
    sections: list[Section]
    footer: str


def unbroken(heading: str) -> str:
    """A heading that is not broken between a number and its unit, nor before it: ``TTFT < 2 s``."""
    return re.sub(r"(?<=[<>≤≥=]) | (?=%)|(?<=\d) (?=[A-Za-zµ]{1,3}\b)", "\u00a0", heading)


def columns_of(tiles: int, most: int) -> int:
    """How many tiles stand in a row, at most so many: rows are alike, and none has a single tile where that can be."""
    even = -(-tiles // -(-tiles // most)) if tiles else 1
    return next((c for c in range(even, 1, -1) if tiles % c != 1), even)


def html(page: Page) -> bytes:
    """The file of a report."""
    figures = [figure for section in page.sections for figure in section.figures if figure.chart is not None]
    return _rendered("page.html", figures, page=page)


def chart_html(figure: Figure) -> bytes:
    """The file of one chart, with its note and its figures.

    Raises
    ------
    OutputError
        If there is nothing to draw.
    """
    return _rendered("chart.html", [drawable(figure)], figure=figure)


def _rendered(template: str, figures: list[Figure], **values: Any) -> bytes:
    """A template in its frame, which holds all that makes a page safe.

    Whatever comes from a scenario is escaped by Jinja, as text and, by its ``tojson``, as JSON (``<``, ``>``, ``&`` and
    all beyond ASCII); only the page's own scripts may run, by their hashes, and nothing may be fetched
    (Content-Security-Policy).
    """
    import jinja2
    from markupsafe import Markup

    library()
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    scripts = [_bundle(), _own("page.js")]
    return (
        environment.get_template(template)
        .render(
            values,
            table_of=Table.of,
            columns_of=columns_of,
            unbroken=unbroken,
            style=Markup(_own("page.css")),
            scripts=[Markup(s) for s in scripts],
            policy=_policy(scripts),
            charts=[_specification(f) for f in figures],
            themes={"light": LIGHT, "dark": DARK},
        )
        .encode("utf-8")
    )


def _own(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


@cache
def _bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, which takes a second to make: it is kept for other pages."""
    import vl_convert

    folder = cache_folder()
    file = None if folder is None else folder / f"charts-{version('vl-convert-python')}.js"
    script = None if file is None else _kept(file)
    if script is None:
        script = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # their stub calls it required
        if file is not None:
            with contextlib.suppress(OutputError):  # a folder that cannot be written to
                write_file(file, f"{_digest(script)}\n{script}".encode())
    assert "</script" not in script.lower()
    return script


def _kept(file: Path) -> str | None:
    """A script that this user has kept behind a line with its hash; None where there is none, or it is damaged."""
    try:
        digest, script = file.read_bytes().decode().split("\n", 1)
        is_own = not hasattr(os, "getuid") or file.stat().st_uid == os.getuid()
    except (OSError, ValueError):
        return None
    return script if is_own and digest == _digest(script) and "</script" not in script.lower() else None


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _policy(scripts: list[str]) -> str:
    allowed = " ".join(f"'sha256-{_digest(s)}'" for s in scripts)
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def _specification(figure: Figure) -> Specification:
    """The chart as Vega-Lite, as wide as its place on the page.

    It says how many letters the longest name of its legend has, and how wide the names beside its rows are, pixels.
    """
    chart = figure.chart.properties(width="container", height=figure.height)
    specification: Specification = json.loads(chart.to_json(validate=False))
    specification.pop("config", None)
    names, rows = ([n for layer in specification["layer"] for n in _names(layer, axis)] for axis in ("color", "y"))
    lines = [line for name in rows for line in str(name).split(BETWEEN)]
    legend = {
        "longest": min(MOST_LETTERS, max(map(len, names), default=0)),
        "aside": min(190, LETTER * max(map(len, lines), default=0)),
    }
    return specification | {"autosize": {"type": "fit-x", "contains": "padding"}, "usermeta": legend}


def _names(layer: Specification, axis: str) -> list[str]:
    encoding = layer["encoding"].get(axis, {})
    domain = (encoding.get("scale") or {}).get("domain") if encoding.get("type") == "nominal" else None
    return domain if isinstance(domain, list) else []
