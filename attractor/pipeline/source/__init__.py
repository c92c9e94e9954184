"""Reads pipelines: from their files, from a run directory, and changed ones."""
