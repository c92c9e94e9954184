"""Turns pipelines with other tools' words into ours."""
