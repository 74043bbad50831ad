"""The pages of the documentation as data: code blocks with what stands before them, and inline code."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

FENCE = re.compile(
    r"^(?P<indent> *)(?:<!-- *(?P<mark>[^\n]*?) *-->\n+ *)?```(?P<language>\w+)[^\n]*\n(?P<text>.*?)^(?P=indent)```",
    re.DOTALL | re.MULTILINE,
)
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


@dataclass(frozen=True)
class Block:
    """A fenced block; `mark` is the comment just above it.

    ``<!-- file: NAME -->`` writes a block to a file, ``<!-- not run: REASON -->`` keeps it from being run, and
    ``<!-- run with: ARGS -->`` adds arguments to each of its `messsim` commands that takes them, so that a test runs at
    a small size what a reader runs at the real one.
    """

    language: str
    text: str
    line: int
    mark: str = ""

    @property
    def runs(self) -> bool:
        return not self.mark.startswith("not run")

    @property
    def file(self) -> str:
        """The file it is written to; empty: it is run."""
        return self._after("file:")

    @property
    def more(self) -> str:
        """Arguments that the test adds to its commands."""
        return self._after("run with:")

    def _after(self, word: str) -> str:
        return self.mark.removeprefix(word).strip() if self.mark.startswith(word) else ""


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a page, unindented."""
    collected = []
    for match in FENCE.finditer(text):
        indent = len(match["indent"])
        body = "\n".join(line[indent:] for line in match["text"].split("\n"))
        line = text.count("\n", 0, match.start("text")) + 1
        collected.append(Block(match["language"], body, line, match["mark"] or ""))
    return collected


def inline(text: str) -> list[str]:
    """What stands between single backticks, outside of blocks."""
    return INLINE.findall(FENCE.sub("", text))


def commands(block: Block, options: Mapping[str, Collection[str]]) -> list[str]:
    """The lines of a shell block, continued lines joined, with the arguments that the test adds.

    `options` are those of each command of messsim.
    """
    return [_with(line, block.more, options) for line in block.text.replace("\\\n", " ").split("\n")]


def _with(line: str, more: str, options: Mapping[str, Collection[str]]) -> str:
    words = line.split()
    takes = more and words[:1] == ["messsim"] and more.split()[0] in options.get(words[1], ())
    return f"{line} {more}" if takes else line
