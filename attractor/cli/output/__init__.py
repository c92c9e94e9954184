"""Formats results for people and programs."""
