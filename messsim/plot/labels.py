"""Where the names of points can stand in a scatter plot so that each can be read."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["PLACES", "Place", "placed"]

LETTER, LINE = 6.6, 15.0  # pixels of a label of 12 pixels, with some room
DOT = 5.0  # half of a dot's side


Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class Place:
    """Where a label begins, from its dot, in pixels; `align` is the end of it that is there."""

    align: str
    dx: float
    dy: float

    @property
    def mark(self) -> dict[str, str | float]:
        """As options of a text mark."""
        return {"align": self.align, "dx": self.dx, "dy": self.dy}

    def box(self, x: float, y: float, letters: int) -> Box:
        """Where the label of a dot lies."""
        width = LETTER * letters
        left = x + self.dx - {"left": 0.0, "center": width / 2, "right": width}[self.align]
        return left, y + self.dy - LINE / 2, left + width, y + self.dy + LINE / 2


PLACES = [
    *(Place(align, dx, dy) for dy in (-8.0, 9.0, 0.0) for align, dx in (("left", 8.0), ("right", -8.0))),
    Place("center", 0.0, -14.0),
    Place("center", 0.0, 15.0),
]


def placed(
    dots: Sequence[tuple[float, float]],
    names: Sequence[str],
    width: float,
    height: float,
    lines: Sequence[float] = (),
) -> list[int | None]:
    """The number in `PLACES` of each label, the first that covers no dot and no other label; None where none is free.

    Parameters
    ----------
    dots
        Pixels from the left and from the top.
    names
        Of the dots; those that come first choose first, and an empty one wants no place.
    width, height
        Of the plot, pixels; labels stay within.
    lines
        Lines from side to side, pixels from the top: a place that one of them crosses is the last resort.
    """
    taken: list[Box] = [(x - DOT, y - DOT, x + DOT, y + DOT) for x, y in dots]
    collected: list[int | None] = []
    for (x, y), name in zip(dots, names, strict=True):
        boxes = [place.box(x, y, len(name)) for place in PLACES] if name else []
        crossed = [any(top < line < bottom for line in lines) for _, top, _, bottom in boxes]
        free = (
            k
            for k, (left, top, right, bottom) in sorted(enumerate(boxes), key=lambda box: crossed[box[0]])
            if left >= 0 and top >= 0 and right <= width and bottom <= height
            if not any(_touch((left, top, right, bottom), other) for other in taken)
        )
        at = next(free, None)
        if at is not None:
            taken.append(boxes[at])
        collected.append(at)
    return collected


def _touch(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
