"""Converts pipelines of other tools."""
