"""What a transform is, and where the built-in ones are found (attractor-spec 9.1)."""

from typing import Protocol, cast

from attractor.base.errors import UsageError
from attractor.base.registry import Registry
from attractor.language.graph import Graph
from attractor.language.surroundings import Surroundings

_HINT = "hand in an object with apply(graph), which returns the new graph"


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


def apply_transform(transform: Transform, graph: Graph) -> Graph:
    """Apply a transform; one that callers brought may not be what it should be."""
    name = getattr(transform, "__name__", type(transform).__name__)
    if isinstance(transform, type):
        raise UsageError(f"the transform {name} is a class", hint=f"hand in an object: {name}()")
    if not callable(getattr(transform, "apply", None)):
        raise UsageError(f"the transform {name} has no method apply", hint=_HINT)
    changed = cast(object, transform.apply(graph))
    if not isinstance(changed, Graph):
        raise UsageError(f"the transform {name} returned {type(changed).__name__}", hint=_HINT)
    return changed


def transform_registry() -> Registry[BuiltInTransform]:
    """Return the built-in transforms by name."""
    return Registry("attractor.language.transforms", BuiltInTransform, noun="transform")
