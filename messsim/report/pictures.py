"""Charts as files."""

from importlib.util import find_spec
from typing import Any

from messsim.errors import ScenarioError

__all__ = ["needs_altair", "svg_of"]


def needs_altair() -> None:
    """Raises where charts cannot be drawn.

    Raises
    ------
    ScenarioError
        With the remedy.
    """
    if missing := [name for name in ("altair", "vl_convert") if find_spec(name) is None]:
        raise ScenarioError(f"{' and '.join(missing)} not installed; expected `pip install messsim[plot]` for pictures")


def svg_of(chart: Any) -> str:
    """An Altair chart as SVG text."""
    needs_altair()
    import vl_convert

    return str(vl_convert.vegalite_to_svg(chart.to_dict()))
