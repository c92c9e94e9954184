"""Simulates pipelines and tests them without a run directory."""
