"""Draws pipelines and runs."""
