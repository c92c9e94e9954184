"""Starts, follows and controls runs, and prints their status."""
