"""Results that show themselves: as text, in a notebook, and as a table."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterator, KeysView, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from messsim import results
from messsim.errors import OutputError

if TYPE_CHECKING:
    import polars as pl
    from rich.console import RenderableType

__all__ = ["Result", "StudyResult"]

WIDTH = 110  # characters
# Colours that are told apart on a white notebook and on a dark one; the rest is the notebook's own.
COLOURS = [
    (110, 118, 128),
    (205, 70, 60),
    (45, 150, 85),
    (175, 125, 20),
    (65, 125, 215),
    (165, 90, 185),
    (30, 145, 155),
]
STYLE = "font-family: ui-monospace, Menlo, Consolas, monospace; line-height: 1.25; white-space: pre; overflow-x: auto"


class Table:
    """A table that Polars, pandas and others read, and that shows itself as the command of its study prints it.

    It reads as its summary does: ``result["key"]``, ``"key" in result``, ``dict(result)``.
    """

    summary: Mapping[str, Any]

    def __getitem__(self, key: str) -> Any:
        return self.summary[key]

    def __contains__(self, key: object) -> bool:
        return key in self.summary

    def __iter__(self) -> Iterator[str]:
        return iter(self.summary)

    def keys(self) -> KeysView[str]:
        """The keys of the summary."""
        return self.summary.keys()

    def _frame(self) -> pl.DataFrame:
        raise NotImplementedError

    def _shown(self) -> RenderableType:
        raise NotImplementedError

    def to_pandas(self) -> Any:
        """The table as a pandas frame (extra ``pandas``).

        Raises
        ------
        OutputError
            If pandas is not installed; with the remedy.
        """
        try:
            import pandas  # noqa: F401
            import pyarrow  # noqa: F401
        except ImportError:
            raise OutputError("a pandas frame needs pandas; install it with `pip install 'messsim[pandas]'`") from None
        return self._frame().to_pandas()

    def to_polars(self) -> pl.DataFrame:
        """The table as a Polars frame."""
        return self._frame()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """For whatever reads Arrow: ``pyarrow.table(result)``, ``polars.DataFrame(result)``, DuckDB."""
        return self._frame().__arrow_c_stream__(requested_schema)

    def __str__(self) -> str:
        return _printed(self._shown()).rstrip()

    def _repr_html_(self) -> str:
        """For a notebook."""
        return _printed(self._shown(), html=True)


class Result(results.Result, Table):  # type: ignore[misc]  # whose summary, a TypedDict, is a mapping too
    """What came of a run; its table is a row a request, and ``result["sla"]`` reads its summary."""

    def _frame(self) -> pl.DataFrame:
        return self.requests.collect()

    def _shown(self) -> RenderableType:
        from messsim.report.run.summary import run_summary

        return run_summary(self.summary, self.notes)

    def __str__(self) -> str:
        return Table.__str__(self)


class StudyResult(Table):
    """What came of a study: ``result["key"]`` reads the object that ``--json`` prints, and it is a table besides.

    Attributes
    ----------
    summary
        The object that ``--json`` prints.
    """

    def __init__(
        self,
        summary: Mapping[str, Any],
        frame: Callable[[], pl.DataFrame],
        shown: Callable[[], RenderableType],
        what: str,
    ) -> None:
        self.summary = summary
        self._make_frame, self._make_shown, self._what = frame, shown, what

    def __getstate__(self) -> dict[str, object]:
        """For pickle and copies: the table and what is shown of it, made."""
        made = {"_make_frame": partial(copy.copy, self.table), "_make_shown": partial(copy.copy, self._shown())}
        return vars(self) | made

    @cached_property
    def table(self) -> pl.DataFrame:
        """A row for each run, point, cluster, model or case (Polars): see the function that returned it."""
        return self._make_frame()

    def _frame(self) -> pl.DataFrame:
        return self.table

    def _shown(self) -> RenderableType:
        return self._make_shown()

    def __repr__(self) -> str:
        return f"<messsim {self._what}: {', '.join(self.summary)}>"


def _printed(renderable: RenderableType, *, html: bool = False) -> str:
    """What a terminal would show, as text or as HTML; names are escaped, and command nothing."""
    from rich.terminal_theme import TerminalTheme

    from messsim.report.base.screen import Screen

    screen = Screen(file=io.StringIO(), width=WIDTH, record=html)
    screen.print(renderable)
    if not html:
        return str(screen.file.getvalue())  # type: ignore[attr-defined]
    theme = TerminalTheme((255, 255, 255), (0, 0, 0), [*COLOURS, COLOURS[0]])
    return screen.export_html(theme=theme, inline_styles=True, code_format=f'<pre style="{STYLE}">{{code}}</pre>')
