"""From text to a graph that can run: parse, transform, validate (attractor-spec 9.1)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from attractor.language import when_needed
from attractor.language.collecting import collection_paused
from attractor.language.diagnostics import Diagnostic, in_order
from attractor.language.extra_rules import ExtraRules, named_rules
from attractor.language.graph import Graph
from attractor.language.ignores import without_ignored
from attractor.language.parsing import read_graph
from attractor.language.severities import AS_WRITTEN, VITAL, Levels, weighed
from attractor.language.sources import Source
from attractor.language.surroundings import Files, FilesRead, Surroundings
from attractor.language.transform import (
    BuiltInTransform,
    Transform,
    apply_transform,
    transform_registry,
)
from attractor.language.validation import rule_names, validate_by, validate_locally
from attractor.language.values import Value
from attractor.language.vocabulary import Vocabulary

_NO_NAMES = Vocabulary()
_RUN_OTHERS = frozenset({"pipeline", "stack.manager_loop"})
_NO_FILES: Mapping[str, bytes] = {}


class Prepared(NamedTuple):
    """A graph after its transforms, unless its grammar is broken, and all that was found.

    `files` are those it was made of besides its text: a change of one is a change of the pipeline.
    """

    graph: Graph | None
    diagnostics: tuple[Diagnostic, ...]
    files: Mapping[str, bytes] = _NO_FILES

    @property
    def is_sound(self) -> bool:
        """Whether it can run."""
        return self.graph is not None and not any(one.is_error for one in self.diagnostics)


def prepare(
    text: str,
    *,
    file: str = "",
    files: Files | None = None,
    inputs: Mapping[str, str] | None = None,
    goal: str = "",
    transforms: Iterable[Transform] = (),
    vocabulary: Vocabulary = _NO_NAMES,
    extra_rules: ExtraRules = (),
    levels: Levels = AS_WRITTEN,
) -> Prepared:
    """Parse a text, apply the built-in transforms and then those given, and validate.

    Without `files` and `inputs` what would need them stays as it is written, and is not reported.
    A goal that is given stands for the one that is written.
    """
    source = Source(text, file)
    read = FilesRead(files) if files else None
    further = named_rules(extra_rules)
    with collection_paused():
        graph, found, readable = read_graph(source)
        if graph is None and readable is not None:
            found = (*found, *_besides(found, readable))
        if graph is not None:
            around = Surroundings(files=read, inputs=inputs)
            graph = with_goal(graph, goal) if goal else graph
            graph = transform_all(graph, transforms=transforms, around=around)
            if files and not graph.types.isdisjoint(_RUN_OTHERS):
                when_needed.look_at_pipelines(graph, around, files)
            found = (*found, *around.found, *validate_by(further, graph, vocabulary))
        told = without_ignored(
            weighed(_offering(found, source.file), levels),
            source,
            vital=VITAL,
            rules=lambda: rule_names().union(one.name for one in further),
        )
    return Prepared(graph, in_order(told), read.by_name if read else _NO_FILES)


def _besides(mistakes: Sequence[Diagnostic], readable: Graph) -> Iterator[Diagnostic]:
    """Yield what is wrong on other lines than the mistakes, around which much looks odd."""
    mistaken = {one.span.line for one in mistakes}
    yield from (one for one in validate_locally(readable) if one.span.line not in mistaken)


def _offering(found: Iterable[Diagnostic], file: str) -> Iterator[Diagnostic]:
    """Take away edits of other files: who mends this text cannot make them."""
    for one in found:
        is_elsewhere = any(edit.span.file != file for edit in one.edits)
        yield replace(one, edits=()) if is_elsewhere else one


def with_goal(graph: Graph, goal: str) -> Graph:
    """Return the graph with another goal."""
    return replace(graph, attributes=graph.attributes.replaced("goal", Value.of(goal)))


def transform_all(
    graph: Graph,
    *,
    transforms: Iterable[Transform] = (),
    around: Surroundings | None = None,
) -> Graph:
    """Apply the built-in transforms to a graph, and then those given, in their order."""
    surroundings = around or Surroundings()
    built_in = [make(surroundings) for make in built_in_transforms()]
    for transform in (*built_in, *transforms):
        graph = apply_transform(transform, graph)
    return graph


def built_in_transforms() -> Sequence[BuiltInTransform]:
    """Return the transforms that every pipeline goes through, in their order."""
    parts: list[BuiltInTransform] = list(transform_registry().values())
    parts.sort(key=lambda transform: transform.order)
    return parts
