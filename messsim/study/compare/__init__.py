"""Policies on the same requests."""

from .policies import compare

__all__ = ["compare"]
