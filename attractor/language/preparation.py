"""From text to a graph that can run: parse, transform, validate (attractor-spec 9.1)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from attractor.language.collecting import collection_paused
from attractor.language.diagnostics import Diagnostic, in_order
from attractor.language.graph import Graph
from attractor.language.lint_rule import LintRule
from attractor.language.parsing import read_graph
from attractor.language.sources import Source
from attractor.language.transform import BuiltInTransform, Transform, transform_registry
from attractor.language.validation import validate
from attractor.language.vocabulary import Vocabulary

_NO_NAMES = Vocabulary()
_NO_RULES: Mapping[str, LintRule] = {}


class Prepared(NamedTuple):
    """A graph after its transforms, unless its grammar is broken, and all that was found."""

    graph: Graph | None
    diagnostics: tuple[Diagnostic, ...]

    @property
    def is_sound(self) -> bool:
        """Whether it can run."""
        return self.graph is not None and not any(one.is_error for one in self.diagnostics)


def prepare(
    text: str,
    *,
    file: str = "",
    transforms: Iterable[Transform] = (),
    vocabulary: Vocabulary = _NO_NAMES,
    extra_rules: Mapping[str, LintRule] = _NO_RULES,
) -> Prepared:
    """Parse a text, apply the built-in transforms and then those given, and validate."""
    with collection_paused():
        graph, diagnostics = read_graph(Source(text, file))
        if graph is None:
            return Prepared(None, diagnostics)
        graph = transform_all(graph, transforms=transforms)
        found = validate(graph, vocabulary=vocabulary, extra_rules=extra_rules)
        return Prepared(graph, in_order((*diagnostics, *found)))


def transform_all(graph: Graph, *, transforms: Iterable[Transform] = ()) -> Graph:
    """Apply the built-in transforms to a graph, and then those given, in their order."""
    for transform in (*built_in_transforms(), *transforms):
        graph = transform.apply(graph)
    return graph


def built_in_transforms() -> Sequence[Transform]:
    """Return the transforms that every pipeline goes through, in their order."""
    parts: list[BuiltInTransform] = list(transform_registry().values())
    parts.sort(key=lambda transform: transform.order)
    return parts
