"""The handlers: one file for each node type."""
