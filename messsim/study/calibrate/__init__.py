"""Profiles from measurements."""

from .fitting import calibrate

__all__ = ["calibrate"]
