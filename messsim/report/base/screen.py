"""The terminal: everything that people read is printed here, and no name or file can command their terminal."""

import re
from typing import IO, Any

import rich.text
from rich.console import Console, ConsoleDimensions

from messsim.wording import visible

__all__ = ["Screen", "Text"]

ANY_WIDTH = 10_000  # characters of a line that no terminal breaks
LEAST_WIDTH = 40  # a terminal breaks such lines itself where it is narrower: Rich would cut figures off
BLANKS = re.compile(r" +$", re.MULTILINE)


class Text(rich.text.Text):
    """Rich's text, whose control characters are shown and not obeyed."""

    def __init__(self, text: str = "", *args: Any, **options: Any) -> None:
        super().__init__(visible(text), *args, **options)


class Screen(Console):
    """Rich's console that shows every string as it is: neither markup, nor emoji codes, nor control characters act.

    Where it is no terminal, nothing is broken or moved to fit one.

    Parameters
    ----------
    stderr
        Whether it writes to standard error.
    file, width
        Where else it writes, and how wide that is.
    record
        Whether what is printed can be exported.
    """

    def __init__(
        self, *, stderr: bool = False, file: IO[str] | None = None, width: int | None = None, record: bool = False
    ) -> None:
        super().__init__(stderr=stderr, file=file, width=width, record=record, markup=False, emoji=False)
        if width is None and self._width is not None:  # by COLUMNS
            self._width = max(self._width, LEAST_WIDTH)

    @property
    def size(self) -> ConsoleDimensions:
        """The terminal's, or what COLUMNS says, at least 40; a pipe or a file has lines of any length."""
        if self._width is not None or self.is_terminal or self._environ.get("COLUMNS", "").isdigit():
            size = super().size
            return size if self._width is not None else size._replace(width=max(size.width, LEAST_WIDTH))
        return ConsoleDimensions(ANY_WIDTH, super().size.height)

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self._width, self._height = new_size

    def render_str(self, text: str, **options: Any) -> rich.text.Text:
        """Rich calls this for every string that it prints or measures, cells and headings of tables too."""
        return super().render_str(visible(text), **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """As Rich does; but in a pipe or a file no line ends in blanks, which Rich adds up to the width."""
        if self.is_terminal or self.record:
            super().print(*objects, **options)
            return
        with self.capture() as captured:
            super().print(*objects, **options)
        text = BLANKS.sub("", captured.get())
        super().print(rich.text.Text(text), end="", soft_wrap=True, highlight=False)

    def print_plain(self, text: str, style: str | None = None) -> None:
        """One line, or several, as they are: not broken at the terminal's width, nothing highlighted."""
        self.print(text, style=style, highlight=False, soft_wrap=True)
