"""The simulator against queueing theory: scenarios whose long run is known, and what comes of them."""

from .verification import verify

__all__ = ["verify"]
