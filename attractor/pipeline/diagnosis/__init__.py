"""Explains why a run stands or failed as it did."""
