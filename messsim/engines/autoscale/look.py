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
    unsaturated: int = 0  # saturation: replicas of all its model's pools that are up and not saturated,
    usage: float = 0.0  # and the sums of what theirs have
    waiting: float = 0.0
    unfinished_elsewhere: int = 0  # requests that the others of these pools have
    another_grows: bool = False  # one of them would, in its place,
    another_shrinks: bool = False


def remember(recent: Recent, time_s: float, value: float, window_s: float) -> None:
    """Forgets what is older than a window, and adds a value."""
    while recent and recent[0][0] <= time_s - window_s:
        recent.popleft()
    recent.append((time_s, value))
