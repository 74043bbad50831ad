"""How far away the capacity of a pool is, in a line."""

from messsim.shapes.checks import CheckedStart

from ..base.screen import Text
from ..base.tables import seconds

__all__ = ["start_line"]


def start_line(pool: str, start: CheckedStart) -> Text:
    """How long a replica takes to start, how much it loads, and who says so."""
    whose = {"scenario": "as the scenario says", "profile": "of its profile", "assumed": "assumed"}[start["weights_of"]]
    return Text(
        f"pool {pool}: a replica takes {seconds(start['mean_s'])} to start and loads {start['weights_gb']:.4g} GB of "
        f"weights, {whose}"
    )
