"""Fences texts of others, so that a model can tell them from its instructions."""

from collections.abc import Mapping


def fenced(data: Mapping[str, str], marker: str) -> str:
    """Return named texts between lines with a marker that the texts cannot know."""
    return "\n\n".join(
        f"<<<data {marker}: {name}\n{text}\ndata {marker}>>>" for name, text in data.items()
    )
