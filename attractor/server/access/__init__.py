"""Callers of the server: tokens, sessions, limits and the log of requests."""
