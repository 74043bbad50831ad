"""Requests as columns: arrivals, token counts, features and potential outcomes, drawn before routing."""

from .chance import Chance, column_id
from .chunk import Chunk
from .workload import Workload

__all__ = ["Chance", "Chunk", "Workload", "column_id"]
