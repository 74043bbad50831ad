"""Engines: deterministic functions of (columns, cluster, policy)."""

from .outcome import Outcome, Progress
from .records import RecordChunk
from .setup import Setup, prepare

__all__ = ["Outcome", "Progress", "RecordChunk", "Setup", "prepare"]
