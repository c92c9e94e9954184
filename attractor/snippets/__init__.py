"""Snippets of code, each executed in a fresh sandbox."""
