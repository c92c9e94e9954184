"""Checks of `attractor doctor`, one file each."""
