"""Policies beside one another, for people."""
