"""Walks and coverage of a graph without executing its stages."""
