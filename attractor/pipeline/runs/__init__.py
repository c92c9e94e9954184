"""Finds runs, reads their records, and removes their leftovers."""
