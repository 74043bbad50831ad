"""A run as a file for a trace viewer."""
