"""Suites of scenarios: plays their trials, and computes the satisfaction of a candidate."""
