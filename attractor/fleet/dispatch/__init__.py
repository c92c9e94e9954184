"""Runs of a project on their way into the fleet, and their heads on the way back."""
