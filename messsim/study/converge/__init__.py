"""How surely, and how soon, a promise is kept."""

from .convergence import converge

__all__ = ["converge"]
