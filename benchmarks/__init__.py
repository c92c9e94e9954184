"""Benchmarks: each prints a ratio and its limit, and exits with 1 above the limit."""
