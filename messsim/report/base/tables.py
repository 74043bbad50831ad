"""Tables and figures as people read them, on wide terminals and on narrow ones."""

from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table

from messsim.shapes.studies import Spread
from messsim.wording import half_width, number, percent, seconds

from .screen import Text

__all__ = ["Fitting", "grid", "half_width", "number", "percent", "seconds"]

ANY_WIDTH = 10_000


def grid() -> Table:
    """Names on the left, figures on the right."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    return table


def end_values(spread: Spread | None) -> list[float | None]:
    """The cells of a CSV for `mean`, `low`, `high` and `count`."""
    return [None] * 4 if spread is None else [spread["mean"], spread["low"], spread["high"], spread["count"]]


class Fitting:
    """A table whose cells are never cut: where the terminal is narrow, whole columns are left out and named.

    Parameters
    ----------
    columns
        Headings; the first `left` columns hold text, the others figures.
    spare
        Columns that may go, in the order in which they go.
    """

    def __init__(self, columns: Sequence[str], *, spare: Sequence[str] = (), left: int = 1) -> None:
        self._columns = list(columns)
        self._spare = list(spare)
        self._left = left
        self._rows: list[tuple[tuple[str, ...], str]] = []

    def add_row(self, *cells: str, style: str = "") -> None:
        """Adds a row with a cell for each column."""
        self._rows.append((cells, style))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """For Rich: the widest version that fits."""
        for gone in range(len(self._spare) + 1):
            table = self._without(self._spare[:gone])
            wanted = Measurement.get(console, options.update_width(ANY_WIDTH), table).maximum
            if wanted <= options.max_width:
                break
        yield table
        if gone:
            yield Text(f"(a wider terminal also shows: {', '.join(reversed(self._spare[:gone]))})", style="dim")

    def _without(self, names: list[str]) -> Table:
        kept = [i for i, column in enumerate(self._columns) if column not in names]
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
        for i in kept:
            text = i < self._left
            table.add_column(self._columns[i], justify="left" if text else "right", no_wrap=not text, overflow="fold")
        for cells, style in self._rows:
            table.add_row(*[cells[i] for i in kept], style=style)
        return table
