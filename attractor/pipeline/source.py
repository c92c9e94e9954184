"""Reads a pipeline to be run: its bytes, their hash, and a graph without errors."""

from dataclasses import dataclass, replace

from attractor.base.canonical import content_hash
from attractor.handlers.registry import handler_registry
from attractor.language.diagnostics import Diagnostic
from attractor.language.errors import ParseError, ValidationError
from attractor.language.graph import Graph
from attractor.language.parsing import open_source, read_graph
from attractor.language.preparation import transform_all
from attractor.language.sources import Source
from attractor.language.validation import validate
from attractor.language.values import Attribute, Attributes, Value, ValueKind
from attractor.language.vocabulary import Vocabulary


@dataclass(frozen=True)
class PipelineSource:
    """A pipeline that can run: its text as written, the hash of that, and its graph."""

    text: str
    content_hash: str
    graph: Graph
    diagnostics: tuple[Diagnostic, ...]


def open_pipeline(file: str, *, goal: str = "") -> PipelineSource:
    """Read a pipeline from its file; a goal that is given stands for the one that is written."""
    return read_pipeline(open_source(file), goal=goal)


def read_pipeline(source: Source, *, goal: str = "") -> PipelineSource:
    """Read a pipeline from its text, or raise what keeps it from running."""
    graph, found = read_graph(source)
    if graph is None:
        raise ParseError(found)
    graph = transform_all(with_goal(graph, goal) if goal else graph)
    vocabulary = Vocabulary(types=frozenset(handler_registry()))
    diagnostics = (*found, *validate(graph, vocabulary=vocabulary))
    if any(one.is_error for one in diagnostics):
        raise ValidationError(tuple(diagnostics))
    digest = content_hash(source.text.encode())
    return PipelineSource(source.text, digest, graph, tuple(diagnostics))


def with_goal(graph: Graph, goal: str) -> Graph:
    """Return the graph with another goal."""
    attribute = Attribute("goal", Value(ValueKind.STRING, goal, goal))
    by_key = {**graph.attributes.by_key, "goal": attribute}
    return replace(graph, attributes=Attributes(by_key))
