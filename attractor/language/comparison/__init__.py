"""Compares two pipelines by nodes, edges and attributes, not by lines."""
