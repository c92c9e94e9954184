"""Tests of snippets in sandboxes."""
