"""One run, for people."""
