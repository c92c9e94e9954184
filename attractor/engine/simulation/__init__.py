"""Walks and coverage of a graph, computed without executing its stages."""
