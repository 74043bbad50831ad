"""What a rule sees of its pool."""

from collections import deque
from dataclasses import dataclass

__all__ = ["Look", "Recent", "remember"]

Recent = deque[tuple[float, float]]  # (time, value), oldest first


@dataclass(frozen=True, slots=True)
class Look:
    """A pool at a time: replicas that are up, those that load, and unfinished requests."""

    time_s: float
    ready: int
    loading: int
    unfinished: int
    unsaturated: int = 0  # saturation: replicas that are up and not saturated, and the sums of what theirs have
    usage: float = 0.0
    waiting: float = 0.0


def remember(recent: Recent, time_s: float, value: float, window_s: float) -> None:
    """Forgets what is older than a window, and adds a value."""
    while recent and recent[0][0] <= time_s - window_s:
        recent.popleft()
    recent.append((time_s, value))
