"""The state of a run as values: runs, walks, progress, attempts."""
