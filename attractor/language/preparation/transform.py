"""Transforms of a graph: the interface, the registry, and the files and inputs they use."""

import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, cast

from attractor.base.errors import UsageError
from attractor.base.registry import Registry
from attractor.language.diagnostics import Diagnostic
from attractor.language.errors import OutsideProject, UnreadablePipeline
from attractor.language.graph.graph import Graph

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
