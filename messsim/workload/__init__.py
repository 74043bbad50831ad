"""Requests as columns: arrivals, token counts, features and potential outcomes, drawn before routing."""

from .chance import Chance, column_id
from .chunk import Chunk
from .waits import Wait, wait_of
from .workload import Workload

__all__ = ["Chance", "Chunk", "Wait", "Workload", "column_id", "wait_of"]
