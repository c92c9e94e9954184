"""The handlers: one file a node type."""
