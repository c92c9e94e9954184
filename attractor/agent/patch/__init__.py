"""Patches in the v4a format: parsing and application."""
