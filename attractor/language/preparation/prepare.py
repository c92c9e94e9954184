"""Prepares a pipeline: parses a text, applies the registered transforms and validates."""

import posixpath
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol, cast

from attractor.base.errors import UsageError
from attractor.base.registry import Registry
from attractor.language.diagnostics import Diagnostic, UnreadablePipeline, error, in_order
from attractor.language.graph.graph import CHILD_FILE, Graph, Node, supervised_file
from attractor.language.linting.lint_rule import ExtraRules, Vocabulary, named_rules
from attractor.language.linting.validate import (
    AS_WRITTEN,
    VITAL,
    Levels,
    apply_levels,
    rule_names,
    validate_by,
    validate_locally,
    without_ignored,
)
from attractor.language.reading import Reading, collection_paused, decode, read_graph
from attractor.language.source.syntax_tree import Value
from attractor.language.source.text import Source, quote

_LARGEST = 10_000_000


class Files(Protocol):
    """The files beside a pipeline, by names relative to the folder of the pipeline."""

    def read(self, name: str) -> bytes:
        """Return the content of a file, or raise UnreadablePipeline."""
        ...


class FolderFiles:
    """Reads files below a folder, or below a larger folder that contains this folder."""

    def __init__(self, folder: Path, *, within: Path | None = None) -> None:
        self._folder = folder
        self._within = within or folder

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        try:
            file = (self._folder / name).resolve()
            if not file.is_relative_to(self._within.resolve()):
                raise UnreadablePipeline(f"cannot read {name}: it is outside the project")
            return _read_regular(file)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UnreadablePipeline(f"cannot read {name}: {reason}") from error


def _read_regular(file: Path) -> bytes:
    """Read a regular file; devices and pipes are refused, because reading might never end."""
    found = file.stat()
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        raise ValueError("not a regular file")
    if found.st_size > _LARGEST:
        raise ValueError(f"more than {_LARGEST} bytes")
    return file.read_bytes()


class KnownFiles:
    """Files with known content, such as the files at the start of a run."""

    def __init__(self, by_name: Mapping[str, bytes]) -> None:
        self._by_name = by_name

    def has(self, name: str) -> bool:
        """Return whether the content of a file is known."""
        return name in self._by_name

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        if name not in self._by_name:
            raise UnreadablePipeline(f"cannot read {name}: the file is not part of the run")
        return self._by_name[name]


class FilesRead:
    """Reads files and records every file read, because each one is part of the pipeline (L8)."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self.by_name: dict[str, bytes] = {}

    def read(self, name: str) -> bytes:
        """Return the content of a file; each file is read once."""
        if name not in self.by_name:
            self.by_name[name] = self._files.read(name)
        return self.by_name[name]


class FilesBelow:
    """Files by names relative to another folder, such as the folder of a child pipeline."""

    def __init__(self, files: Files, folder: str) -> None:
        self._files = files
        self._folder = folder

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        return self._files.read(path_below(self._folder, name))


def path_below(folder: str, name: str) -> str:
    """Return the path of a file in a folder, without superfluous parts."""
    return posixpath.normpath(posixpath.join(folder, name))


class TransformContext:
    """Files and inputs for transforms, and the diagnostics of transforms.

    Without `files` or `inputs`, a transform does not change references to files or inputs.
    """

    def __init__(
        self, *, files: Files | None = None, inputs: Mapping[str, str] | None = None
    ) -> None:
        self.files = files
        self.inputs = inputs
        self.found: list[Diagnostic] = []

    def report(self, diagnostic: Diagnostic, *, rule: str) -> None:
        """Add a diagnostic under the name of a rule."""
        self.found.append(replace(diagnostic, rule=rule))


_HINT = "pass an object with apply(graph), which returns the new graph"


class Transform(Protocol):
    """Makes a new graph from a graph, between parsing and validation."""

    def apply(self, graph: Graph) -> Graph:
        """Return the new graph; leave the old graph unchanged."""
        ...


class BuiltInTransform(Protocol):
    """A built-in transform: a factory with an order."""

    order: int
    """The position of the transform; transforms run in ascending order."""

    def __call__(self, context: TransformContext) -> Transform:
        """Make the transform for one pipeline."""
        ...


def apply_transform(transform: Transform, graph: Graph) -> Graph:
    """Apply a transform of the caller; raise an error if the transform is invalid."""
    name = getattr(transform, "__name__", type(transform).__name__)
    if isinstance(transform, type):
        raise UsageError(f"the transform {name} is a class", hint=f"pass an object: {name}()")
    if not callable(getattr(transform, "apply", None)):
        raise UsageError(f"the transform {name} has no method apply", hint=_HINT)
    changed = cast(object, transform.apply(graph))
    if not isinstance(changed, Graph):
        raise UsageError(
            f"the transform {name} returned {type(changed).__name__}, not a graph", hint=_HINT
        )
    return changed


def transform_registry() -> Registry[BuiltInTransform]:
    """Return the built-in transforms by name."""
    return Registry("attractor.language.transforms", BuiltInTransform, noun="transform")


def transform_all(
    graph: Graph,
    *,
    transforms: Iterable[Transform] = (),
    context: TransformContext | None = None,
) -> Graph:
    """Apply the built-in transforms to a graph, then `transforms`."""
    context = context or TransformContext()
    built_in = [make(context) for make in built_in_transforms()]
    for transform in (*built_in, *transforms):
        graph = apply_transform(transform, graph)
    return graph


def built_in_transforms() -> Sequence[BuiltInTransform]:
    """Return the built-in transforms in order."""
    parts: list[BuiltInTransform] = list(transform_registry().values())
    parts.sort(key=lambda transform: transform.order)
    return parts


_NO_NAMES = Vocabulary()
_NO_FILES: Mapping[str, bytes] = {}


class Prepared(NamedTuple):
    """A graph after its transforms, and all diagnostics; `graph` is None after a syntax error.

    `files` contains all other files from which the pipeline was read.
    """

    graph: Graph | None
    diagnostics: tuple[Diagnostic, ...]
    files: Mapping[str, bytes] = _NO_FILES

    @property
    def is_sound(self) -> bool:
        """Whether the pipeline can run."""
        return self.graph is not None and not any(one.is_error for one in self.diagnostics)


def prepare(
    text: str | Graph,
    *,
    file: str = "",
    files: Files | None = None,
    inputs: Mapping[str, str] | None = None,
    goal: str = "",
    transforms: Iterable[Transform] = (),
    vocabulary: Vocabulary = _NO_NAMES,
    extra_rules: ExtraRules = (),
    levels: Levels = AS_WRITTEN,
    reading: Reading | None = None,
) -> Prepared:
    """Parse a text, apply the built-in transforms and `transforms`, and validate.

    A graph is not parsed; its diagnostics keep its places. Neither is a text with its `reading`.
    Without `files` and `inputs`, references to files and inputs are kept and not reported. A `goal`
    overrides the goal of the graph.
    """
    source = Source(text if isinstance(text, str) else "", file)
    read = FilesRead(files) if files else None
    further, transforms = named_rules(extra_rules), tuple(transforms)
    with collection_paused():
        reading = reading or (read_graph(source) if isinstance(text, str) else Reading(text, ()))
        graph, found, readable = reading
        if graph is None and readable is not None:
            mistaken = {mistake.span.line for mistake in found}
            local = [one for one in validate_locally(readable) if one.span.line not in mistaken]
            found = (*found, *local)
        if graph is not None:
            context = TransformContext(files=read, inputs=inputs)
            graph = with_goal(graph, goal) if goal else graph
            graph = transform_all(graph, transforms=transforms, context=context)
            if files and read:
                check_pipeline_files(graph, context, files)
                read_children(graph, read, transforms)
            found = (*found, *context.found, *validate_by(further, graph, vocabulary))
        # A fix of this text cannot edit other files.
        found = (
            replace(diagnostic, edits=())
            if any(edit.span.file != source.file for edit in diagnostic.edits)
            else diagnostic
            for diagnostic in found
        )
        diagnostics = without_ignored(
            apply_levels(found, levels),
            source,
            vital=VITAL,
            rules=lambda: rule_names().union(one.name for one in further),
        )
    return Prepared(graph, in_order(diagnostics), read.by_name if read else _NO_FILES)


def with_goal(graph: Graph, goal: str) -> Graph:
    """Return the graph with another goal."""
    return replace(graph, attributes=graph.attributes.replaced("goal", Value.of(goal)))


_RULE = "pipeline_file"
_PIPELINE, _MANAGER = "pipeline", "stack.manager_loop"
_PATH = "use a path relative to the folder of this file"


def check_pipeline_files(graph: Graph, context: TransformContext, files: Files) -> None:
    """Report each missing or invalid pipeline file; read each file once."""
    faults: dict[str, tuple[str, str]] = {}
    for node, value in _named(graph):
        name = str(value).strip()
        if name not in faults:
            faults[name] = _fault(name, files)
        message, fix = faults[name]
        if message:
            span = value.span if value.span.is_somewhere else node.span
            context.report(error(message, span, node=node.id, fix=fix), rule=_RULE)


def read_children(graph: Graph, files: Files, transforms: Iterable[Transform]) -> None:
    """Read all nested child pipelines, and the files that they name; errors are found elsewhere."""
    waiting, seen = [(graph, "")], set[str]()
    while waiting:
        parent, folder = waiting.pop()
        for _, value in _named(parent):
            name = path_below(folder, str(value).strip())
            if name in seen:
                continue
            seen.add(name)
            below = posixpath.dirname(name)
            with suppress(UnreadablePipeline):
                child = read_graph(Source(decode(files.read(name), file=name), name)).graph
                if child:
                    context = TransformContext(files=FilesBelow(files, below))
                    child = transform_all(child, transforms=transforms, context=context)
                    waiting.append((child, below))


def _named(graph: Graph) -> Iterator[tuple[Node, Value]]:
    uses = [(node, node.attributes.value("file")) for node in graph.of_type(_PIPELINE)]
    managers = graph.of_type(_MANAGER)
    own = [node for node in managers if node.attributes.value(CHILD_FILE)]
    # The other managers share the file of the graph, which is reported once.
    others = [node for node in managers if node not in own][:1]
    uses += [(node, supervised_file(graph, node)) for node in (*own, *others)]
    yield from ((node, value) for node, value in uses if value and str(value).strip())


def _fault(name: str, files: Files) -> tuple[str, str]:
    """Return the message and the fix for a file; both are empty if the file is a valid pipeline."""
    if isinstance(files, KnownFiles) and not files.has(name):
        return "", ""
    try:
        text = decode(files.read(name), file=name)
    except UnreadablePipeline as unreadable:
        return unreadable.message, unreadable.hint or _PATH
    mistakes = [one for one in read_graph(Source(text, name)).diagnostics if one.is_error]
    if not mistakes:
        return "", ""
    first = mistakes[0]
    others = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
    message = f"invalid pipeline {quote(name)}: line {first.span.line}: {first.message}{others}"
    return message, f"run attractor validate {name}"
