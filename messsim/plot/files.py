"""Charts as files."""

from __future__ import annotations

import io
from typing import Any

__all__ = ["FORMATS", "as_bytes"]

FORMATS = ("svg", "png")
PIXELS_PER_POINT = 2


def as_bytes(chart: Any, kind: str) -> bytes:
    """A chart as the content of a file of one of the `FORMATS`."""
    if kind == "png":
        image = io.BytesIO()
        chart.save(image, format="png", scale_factor=PIXELS_PER_POINT)
        return image.getvalue()
    text = io.StringIO()
    chart.save(text, format=kind)
    return text.getvalue().encode("utf-8")
