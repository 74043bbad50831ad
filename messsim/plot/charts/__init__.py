"""The charts of a run, one file each."""
