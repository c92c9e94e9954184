"""What a transform is, and where the built-in ones are found (attractor-spec 9.1).

What a pipeline may use besides its own text: files beside it, and the inputs of a run.

From text to a graph that can run: parse, transform, validate (attractor-spec 9.1).
"""

import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol, cast

from attractor.base.errors import UsageError
from attractor.base.registry import Registry
from attractor.language.diagnostics import Diagnostic, in_order
from attractor.language.errors import OutsideProject, UnreadablePipeline
from attractor.language.graph.graph import Graph
from attractor.language.linting.ignore_comments import without_ignored
from attractor.language.linting.lint_rule import (
    AS_WRITTEN,
    VITAL,
    ExtraRules,
    Levels,
    Vocabulary,
    named_rules,
    rule_names,
    validate_by,
    validate_locally,
    weighed,
)
from attractor.language.source.parse import collection_paused, read_graph
from attractor.language.source.syntax_tree import Value
from attractor.language.source.text import Source

_LARGEST = 10_000_000


class Files(Protocol):
    """The files beside a pipeline, by names relative to its folder."""

    def read(self, name: str) -> bytes:
        """Return what a file holds; raise UnreadablePipeline when it cannot be read."""
        ...


class FolderFiles:
    """The files in a folder and below it, or in a larger folder around it."""

    def __init__(self, folder: Path, *, within: Path | None = None) -> None:
        self._folder = folder
        self._within = within or folder

    def read(self, name: str) -> bytes:
        """Return what a file holds."""
        try:
            file = (self._folder / name).resolve()
            if not file.is_relative_to(self._within.resolve()):
                raise OutsideProject(f"cannot read {name}: it lies outside the project")
            return _read_regular(file)
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or str(error)
            raise UnreadablePipeline(f"cannot read {name}: {said}") from error


def _read_regular(file: Path) -> bytes:
    """Read a file; what is none could be without an end, or make us wait for ever."""
    found = file.stat()
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        raise ValueError("it is no file")
    if found.st_size > _LARGEST:
        raise ValueError(f"it has more than {_LARGEST} bytes")
    return file.read_bytes()


class KnownFiles:
    """Files whose content is known already, such as those a run was started with."""

    def __init__(self, by_name: Mapping[str, bytes]) -> None:
        self._by_name = by_name

    def has(self, name: str) -> bool:
        """Tell whether a file is among them; one that is not may be there all the same."""
        return name in self._by_name

    def read(self, name: str) -> bytes:
        """Return what a file holds."""
        if name not in self._by_name:
            raise UnreadablePipeline(f"cannot read {name}: it is not among the known files")
        return self._by_name[name]


class FilesRead:
    """Remembers what was read, because it belongs to what the pipeline means (ruling L8)."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self.by_name: dict[str, bytes] = {}

    def read(self, name: str) -> bytes:
        """Return what a file holds; one that is asked for twice is read once."""
        if name not in self.by_name:
            self.by_name[name] = self._files.read(name)
        return self.by_name[name]


class TransformContext:
    """What transforms may use, and where they say what they found.

    What is None was not given: a transform leaves what would need it as it is.
    """

    def __init__(
        self, *, files: Files | None = None, inputs: Mapping[str, str] | None = None
    ) -> None:
        self.files = files
        self.inputs = inputs
        self.found: list[Diagnostic] = []

    def report(self, diagnostic: Diagnostic, *, rule: str) -> None:
        """Note what is wrong, by the name of the rule that it breaks."""
        self.found.append(replace(diagnostic, rule=rule))


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

    def __call__(self, around: TransformContext) -> Transform:
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
            around = TransformContext(files=read, inputs=inputs)
            graph = with_goal(graph, goal) if goal else graph
            graph = transform_all(graph, transforms=transforms, around=around)
            if files and not graph.types.isdisjoint(_RUN_OTHERS):
                # Imported here: few callers need it.
                from attractor.language.preparation.requirements import look_at_pipelines

                look_at_pipelines(graph, around, files)
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
    around: TransformContext | None = None,
) -> Graph:
    """Apply the built-in transforms to a graph, and then those given, in their order."""
    surroundings = around or TransformContext()
    built_in = [make(surroundings) for make in built_in_transforms()]
    for transform in (*built_in, *transforms):
        graph = apply_transform(transform, graph)
    return graph


def built_in_transforms() -> Sequence[BuiltInTransform]:
    """Return the transforms that every pipeline goes through, in their order."""
    parts: list[BuiltInTransform] = list(transform_registry().values())
    parts.sort(key=lambda transform: transform.order)
    return parts
