"""Explains the state of a run: why it waits, stopped, failed or ended."""
