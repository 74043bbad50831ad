"""Profiles, and how far they are from hardware, for people."""
