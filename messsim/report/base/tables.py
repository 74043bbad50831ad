"""Tables and figures as people read them, on wide terminals and on narrow ones."""

from collections.abc import Callable, Iterator, Sequence

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table

from messsim.wording import half_width, number, percent, seconds

from .screen import Text

__all__ = ["Fitting", "grid", "half_width", "number", "percent", "seconds"]

ANY_WIDTH = 10_000


def grid(*rows: tuple[str, str]) -> Table:
    """Names on the left, figures on the right."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, figure in rows:
        table.add_row(name, figure)
    return table


class Fitting:
    """A table that loses no column and no character: where it is too wide, columns go on below it, names repeated.

    On a terminal that is too narrow even for names and one column, each row becomes a list of ``heading value``.

    Parameters
    ----------
    columns
        Headings; the first `left` columns hold text, which names the row, the others figures.
    spare
        Columns that go below first, in the order in which they go; after them the rightmost.
    """

    def __init__(self, columns: Sequence[str], *, spare: Sequence[str] = (), left: int = 1) -> None:
        self._columns = list(columns)
        self._spare = [self._columns.index(name) for name in spare if name in self._columns]
        self._left = left
        self._rows: list[tuple[tuple[str, ...], str]] = []

    def add_row(self, *cells: str, style: str = "") -> None:
        """Adds a row with a cell for each column."""
        self._rows.append((cells, style))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """For Rich: in one piece, in several, or turned."""

        def fits(columns: list[int]) -> bool:
            table = self._of(columns)
            wanted = Measurement.get(console, options.update_width(ANY_WIDTH), table).maximum
            return wanted <= options.max_width

        blocks = self._blocks(fits)
        if blocks is None:
            yield from self._turned()
            return
        for number_, block in enumerate(blocks):
            if number_:
                yield Text()
            yield self._of(block)

    def _blocks(self, fits: Callable[[list[int]], bool]) -> list[list[int]] | None:
        """Which columns stand together; None where some column does not fit beside the names."""
        names, waiting = list(range(self._left)), list(range(self._left, len(self._columns)))
        if not waiting:
            return [names] if fits(names) else None
        if not all(fits([*names, i]) for i in waiting):
            return None
        collected = []
        while waiting:
            block = list(waiting)
            going = [i for i in self._spare if i in block] + [i for i in reversed(block) if i not in self._spare]
            while not fits([*names, *block]):
                block.remove(going.pop(0))
            collected.append([*names, *block])
            waiting = [i for i in waiting if i not in block]
        return collected

    def _of(self, columns: list[int]) -> Table:
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
        for i in columns:
            text = i < self._left
            table.add_column(self._columns[i], justify="left" if text else "right", no_wrap=not text, overflow="fold")
        for cells, style in self._rows:
            table.add_row(*[cells[i] for i in columns], style=style)
        return table

    def _turned(self) -> Iterator[RenderableType]:
        for number_, (cells, style) in enumerate(self._rows):
            if number_:
                yield Text()
            table = Table.grid(padding=(0, 2, 0, 0))
            table.add_column(style="dim", overflow="fold")
            table.add_column(overflow="fold")
            for heading, cell in zip(self._columns, cells, strict=True):
                table.add_row(heading, cell, style=style)
            yield table
