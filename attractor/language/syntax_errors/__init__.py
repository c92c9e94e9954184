"""Explains syntax errors, with their position and a fix."""
