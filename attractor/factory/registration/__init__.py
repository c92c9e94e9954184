"""Registers suites after checks that they can judge."""
