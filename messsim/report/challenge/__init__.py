"""A challenge, for people."""
