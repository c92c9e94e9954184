"""Starts runs, follows them, orders them, and shows their status."""
