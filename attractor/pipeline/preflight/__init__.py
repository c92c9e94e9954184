"""Checks before a run starts: requirements, programs, secrets, workspace."""
