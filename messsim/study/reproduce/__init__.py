"""The experiments of the MESS+ paper, and its theory, once more."""
