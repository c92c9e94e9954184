"""The workspace of a run: a folder without history, its snapshots and its result."""
