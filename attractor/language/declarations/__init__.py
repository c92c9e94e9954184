"""Parses the declarations of a pipeline: inputs, requirements, stylesheet and templates."""
