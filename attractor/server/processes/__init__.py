"""Runs as processes of their own."""
