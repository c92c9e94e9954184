"""Creates and opens workspaces."""
