"""Runs pipelines as children of a run."""
