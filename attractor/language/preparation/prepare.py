"""Prepares a pipeline: parses a text, applies transforms and validates."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from attractor.language.diagnostics import Diagnostic, error, in_order
from attractor.language.errors import OutsideProject, UnreadablePipeline
from attractor.language.graph.graph import Graph, Node
from attractor.language.linting.ignore_comments import without_ignored
from attractor.language.linting.lint_rule import ExtraRules, Vocabulary, named_rules
from attractor.language.linting.validate import (
    AS_WRITTEN,
    VITAL,
    Levels,
    apply_levels,
    rule_names,
    validate_by,
    validate_locally,
)
from attractor.language.preparation.transform import (
    Files,
    FilesRead,
    KnownFiles,
    Transform,
    TransformContext,
    transform_all,
)
from attractor.language.reading import collection_paused, decode, read_graph
from attractor.language.source.syntax_tree import Value
from attractor.language.source.text import Source, quote

_NO_NAMES = Vocabulary()
_RUN_OTHERS = frozenset({"pipeline", "stack.manager_loop"})
_NO_FILES: Mapping[str, bytes] = {}


class Prepared(NamedTuple):
    """A graph after its transforms, and all diagnostics; `graph` is None after a syntax error.

    `files` are all files that it was made of besides its text.
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
    """Parse a text, apply the built-in transforms and `transforms`, and validate.

    Without `files` and `inputs`, references to them stay and are not reported. A `goal` overrides
    the goal of the graph.
    """
    source = Source(text, file)
    read = FilesRead(files) if files else None
    further = named_rules(extra_rules)
    with collection_paused():
        graph, found, readable = read_graph(source)
        if graph is None and readable is not None:
            found = (*found, *_besides(found, readable))
        if graph is not None:
            around = TransformContext(files=read, inputs=inputs)
            graph = with_goal(graph, goal) if goal else graph
            graph = transform_all(graph, transforms=transforms, around=around)
            if files and not graph.types.isdisjoint(_RUN_OTHERS):
                look_at_pipelines(graph, around, files)
            found = (*found, *around.found, *validate_by(further, graph, vocabulary))
        told = without_ignored(
            apply_levels(_offering(found, source.file), levels),
            source,
            vital=VITAL,
            rules=lambda: rule_names().union(one.name for one in further),
        )
    return Prepared(graph, in_order(told), read.by_name if read else _NO_FILES)


def _besides(mistakes: Sequence[Diagnostic], readable: Graph) -> Iterator[Diagnostic]:
    """Yield diagnostics on lines without syntax errors."""
    mistaken = {one.span.line for one in mistakes}
    yield from (one for one in validate_locally(readable) if one.span.line not in mistaken)


def _offering(found: Iterable[Diagnostic], file: str) -> Iterator[Diagnostic]:
    """Remove edits of other files, which a fix of this text cannot make."""
    for one in found:
        is_elsewhere = any(edit.span.file != file for edit in one.edits)
        yield replace(one, edits=()) if is_elsewhere else one


def with_goal(graph: Graph, goal: str) -> Graph:
    """Return the graph with another goal."""
    return replace(graph, attributes=graph.attributes.replaced("goal", Value.of(goal)))


_RULE = "pipeline_file"
_PIPELINE, _MANAGER = "pipeline", "stack.manager_loop"
_PATH = "use a path relative to the folder of this file"


def look_at_pipelines(graph: Graph, around: TransformContext, files: Files) -> None:
    """Report each missing or invalid pipeline file; read each once."""
    faults: dict[str, tuple[str, str]] = {}
    for node, value in _named(graph):
        name = str(value).strip()
        if name not in faults:
            faults[name] = _fault(name, files)
        if faults[name][0]:
            around.report(_told(node, value, *faults[name]), rule=_RULE)


def _named(graph: Graph) -> Iterator[tuple[Node, Value]]:
    child = graph.attributes.value("stack.child_dotfile")
    uses = [(one, one.attributes.value("file")) for one in graph.of_type(_PIPELINE)]
    uses += [(one, child) for one in graph.of_type(_MANAGER)[:1]]
    yield from ((node, value) for node, value in uses if value and str(value).strip())


def _fault(name: str, files: Files) -> tuple[str, str]:
    """Return message and fix for a file; empty if it is a pipeline."""
    if isinstance(files, KnownFiles) and not files.has(name):
        return "", ""
    try:
        text = decode(files.read(name), file=name)
    except OutsideProject:
        # The run reads it.
        return "", ""
    except UnreadablePipeline as unreadable:
        return unreadable.message, unreadable.hint or _PATH
    mistakes = [one for one in read_graph(Source(text, name)).diagnostics if one.is_error]
    if not mistakes:
        return "", ""
    first = mistakes[0]
    others = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
    said = f"invalid pipeline {quote(name)}: line {first.span.line}: {first.message}{others}"
    return said, f"run attractor validate {name}"


def _told(node: Node, value: Value, message: str, fix: str) -> Diagnostic:
    span = value.span if value.span.is_somewhere else node.span
    return error(message, span, node=node.id, fix=fix)
