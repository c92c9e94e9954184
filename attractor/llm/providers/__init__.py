"""Adapters of providers, one file each."""
