"""Walks a graph, stage by stage, and keeps a record that survives a crash."""
