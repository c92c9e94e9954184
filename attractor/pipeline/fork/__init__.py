"""Starts a run from an earlier point of another one."""
