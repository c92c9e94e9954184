"""The journal of a run: its events, their reducer, and the checkpoint."""
