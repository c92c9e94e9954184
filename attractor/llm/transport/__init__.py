"""Sends requests to providers over HTTP and reads the responses."""
