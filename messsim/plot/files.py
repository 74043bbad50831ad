"""Charts as files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

from messsim.errors import OutputError

from .signs import with_signs
from .theme import Specification

__all__ = ["FORMATS", "as_bytes", "svg_of"]

FORMATS = ("svg", "png")
PIXELS_PER_POINT = 2
FAR_S = 600  # the largest chart takes seconds

RENDERER = """
import json, sys
import vl_convert
asked = json.load(sys.stdin.buffer)
if asked["kind"] == "svg":
    drawn = vl_convert.vegalite_to_svg(asked["chart"], vl_version=asked["version"]).encode("utf-8")
else:
    drawn = vl_convert.vegalite_to_png(asked["chart"], vl_version=asked["version"], scale=asked["scale"])
sys.stdout.buffer.write(drawn)
"""


def svg_of(chart: Any) -> str:
    """An Altair chart as SVG text.

    Raises
    ------
    OutputError
        If it cannot be drawn.
    """
    return as_bytes(with_signs(chart.to_dict()), "svg").decode("utf-8")


def as_bytes(chart: Specification, kind: str) -> bytes:
    """A chart as the content of a file of one of the `FORMATS`.

    It is drawn by a process of its own: what the renderer cannot take ends that process, and not a study.

    Raises
    ------
    OutputError
        If it cannot be drawn.
    """
    import altair

    version = ".".join(altair.SCHEMA_VERSION.split(".")[:2])
    asked = {"chart": chart, "kind": kind, "version": version, "scale": PIXELS_PER_POINT}
    path = os.pathsep.join(p for p in sys.path if p)
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", RENDERER],
            input=json.dumps(asked).encode("ascii"),
            capture_output=True,
            env=os.environ | {"PYTHONPATH": path, "RUST_BACKTRACE": "0"},
            timeout=FAR_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OutputError(f"the picture cannot be drawn: {error}") from None
    if done.returncode != 0:
        raise OutputError(f"the picture cannot be drawn: {_reason(done.returncode, done.stderr)}")
    return done.stdout


def _reason(code: int, errors: bytes) -> str:
    if code < 0:
        return f"its renderer ended by {signal.Signals(-code).name}"
    lines = [line for line in errors.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1] if lines else f"its renderer ended with exit code {code}"
