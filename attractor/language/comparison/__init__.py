"""Compares two pipelines by their meaning, not by their lines."""
