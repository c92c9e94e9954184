"""Estimates the cost and time of a pipeline."""
