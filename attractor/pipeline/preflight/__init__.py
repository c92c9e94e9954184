"""Finds everything that would stop a run, before the run exists."""
