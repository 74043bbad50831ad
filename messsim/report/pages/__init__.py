"""Directories of results as pages and charts."""
