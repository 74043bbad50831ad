"""The cheapest cluster that keeps a set of requirements."""

from .cheapest import plan

__all__ = ["plan"]
