"""Whole runs, repeated: a run is a pure function of its scenario and its seed."""

from .simulation.single import run

__all__ = ["run"]
