"""Runs pipelines drawn as DOT graphs; promotes only what hidden scenarios and a person approve."""

__all__ = ["__version__"]

__version__ = "0.1.0"
