"""One run: before it, during it and after it."""
