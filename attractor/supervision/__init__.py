"""Processes that stay: start, find and end them."""
