"""Lessons of a project: agents propose them, people take them, and prompts quote them."""
