"""Explains syntax errors: what is wrong, where, and how to fix it."""
