"""Walks a graph without running anything, and finds what can be reached."""
