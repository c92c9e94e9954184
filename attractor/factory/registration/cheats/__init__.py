"""Cheats that suites are tried against, each in a file."""
