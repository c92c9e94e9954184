"""Prepares a parsed graph for a run: imports, transforms, validation and fixes."""
