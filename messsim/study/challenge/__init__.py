"""Routers under hard conditions, beside one another."""
