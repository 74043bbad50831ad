"""Files of others, imported and replayed, for people."""
