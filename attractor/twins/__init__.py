"""Twins: local HTTP servers in place of model providers and other services."""
