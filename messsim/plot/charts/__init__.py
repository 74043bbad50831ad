"""The charts of a run, one file a subject."""
