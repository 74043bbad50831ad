"""Slow, plain twins of the C kernels: what the tests believe."""
