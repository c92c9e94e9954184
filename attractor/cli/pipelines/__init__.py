"""Finds, checks, fixes and watches pipeline files."""
