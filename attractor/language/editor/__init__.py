"""Answers requests of an editor about a text that may have syntax errors."""
