"""Suites of scenarios: plays their trials, and measures the satisfaction of a candidate."""
