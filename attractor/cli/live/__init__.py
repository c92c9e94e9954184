"""What a person at a terminal sees of a run while it is at work."""
