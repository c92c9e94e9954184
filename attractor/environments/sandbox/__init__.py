"""Sandboxes with bubblewrap."""
