"""The simulator against hardware."""
