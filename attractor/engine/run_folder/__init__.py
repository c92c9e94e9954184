"""The run directory: its files, its lock, its inbox, its result."""
