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
        """Return the content of a file, or raise UnreadablePipeline."""
        ...


class FolderFiles:
    """Reads files below a folder, or below a larger folder around it."""

    def __init__(self, folder: Path, *, within: Path | None = None) -> None:
        self._folder = folder
        self._within = within or folder

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        try:
            file = (self._folder / name).resolve()
            if not file.is_relative_to(self._within.resolve()):
                raise OutsideProject(f"cannot read {name}: it is outside the project")
            return _read_regular(file)
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or str(error)
            raise UnreadablePipeline(f"cannot read {name}: {said}") from error


def _read_regular(file: Path) -> bytes:
    """Read a regular file: a device might be endless, and a pipe might block."""
    found = file.stat()
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        raise ValueError("not a regular file")
    if found.st_size > _LARGEST:
        raise ValueError(f"more than {_LARGEST} bytes")
    return file.read_bytes()


class KnownFiles:
    """Files with known content, such as those that a run was started with."""

    def __init__(self, by_name: Mapping[str, bytes]) -> None:
        self._by_name = by_name

    def has(self, name: str) -> bool:
        """Return whether the content of a file is known."""
        return name in self._by_name

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        if name not in self._by_name:
            raise UnreadablePipeline(f"cannot read {name}: not among the known files")
        return self._by_name[name]


class FilesRead:
    """Records the files that were read: they are part of the pipeline (ruling L8)."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self.by_name: dict[str, bytes] = {}

    def read(self, name: str) -> bytes:
        """Return the content of a file; read it once."""
        if name not in self.by_name:
            self.by_name[name] = self._files.read(name)
        return self.by_name[name]


class TransformContext:
    """Files and inputs for transforms, and their diagnostics.

    Without `files` or `inputs`, a transform leaves references to them unchanged.
    """

    def __init__(
        self, *, files: Files | None = None, inputs: Mapping[str, str] | None = None
    ) -> None:
        self.files = files
        self.inputs = inputs
        self.found: list[Diagnostic] = []

    def report(self, diagnostic: Diagnostic, *, rule: str) -> None:
        """Add a diagnostic under the name of its rule."""
        self.found.append(replace(diagnostic, rule=rule))


_HINT = "pass an object with apply(graph), which returns the new graph"


class Transform(Protocol):
    """Makes a new graph from a graph, between parsing and validation."""

    def apply(self, graph: Graph) -> Graph:
        """Return the new graph; leave the old one unchanged."""
        ...


class BuiltInTransform(Protocol):
    """A built-in transform: a factory with an order."""

    order: int
    """Its position: the smallest comes first."""

    def __call__(self, around: TransformContext) -> Transform:
        """Make the transform for one pipeline."""
        ...


def apply_transform(transform: Transform, graph: Graph) -> Graph:
    """Apply a transform of the caller, which may be invalid."""
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
    around: TransformContext | None = None,
) -> Graph:
    """Apply the built-in transforms to a graph, then `transforms`."""
    surroundings = around or TransformContext()
    built_in = [make(surroundings) for make in built_in_transforms()]
    for transform in (*built_in, *transforms):
        graph = apply_transform(transform, graph)
    return graph


def built_in_transforms() -> Sequence[BuiltInTransform]:
    """Return the built-in transforms in order."""
    parts: list[BuiltInTransform] = list(transform_registry().values())
    parts.sort(key=lambda transform: transform.order)
    return parts
