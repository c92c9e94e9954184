"""What a transform is, and where the built-in ones are found (attractor-spec 9.1)."""

from typing import Protocol

from attractor.base.registry import Registry
from attractor.language.graph import Graph
from attractor.language.surroundings import Surroundings


class Transform(Protocol):
    """Makes another graph of a graph, between parsing and validation."""

    def apply(self, graph: Graph) -> Graph:
        """Return the new graph; the old one stays as it was."""
        ...


class BuiltInTransform(Protocol):
    """Makes a transform that every pipeline goes through of what surrounds the pipeline."""

    order: int
    """Its place among the others: the smallest comes first."""

    def __call__(self, around: Surroundings) -> Transform:
        """Make the transform for one pipeline."""
        ...


def transform_registry() -> Registry[BuiltInTransform]:
    """Return the built-in transforms by name."""
    return Registry("attractor.language.transforms", BuiltInTransform, noun="transform")
