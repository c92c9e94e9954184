"""Writes pipelines: a text in its one layout (`fmt`), and a graph as text."""
