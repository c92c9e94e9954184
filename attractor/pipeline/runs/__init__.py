"""Finds runs, reads their records, sends orders to them, frees their space."""
