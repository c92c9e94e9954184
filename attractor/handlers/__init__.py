"""What each type of node does: one file a type."""
