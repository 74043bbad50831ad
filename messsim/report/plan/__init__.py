"""What a plan found, for people."""
