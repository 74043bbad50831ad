"""Charts as files."""

from importlib.util import find_spec

from messsim.errors import ScenarioError

__all__ = ["needs_altair"]


def needs_altair() -> None:
    """Raises where charts cannot be drawn.

    Raises
    ------
    ScenarioError
        With the remedy.
    """
    if missing := [name for name in ("altair", "vl_convert") if find_spec(name) is None]:
        raise ScenarioError(f"{' and '.join(missing)} not installed; expected `pip install messsim[plot]` for pictures")
