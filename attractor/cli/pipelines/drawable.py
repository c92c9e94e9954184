"""Subjects of `attractor render`: a pipeline file, or a run with its states."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import field
from pathlib import Path
from typing import Protocol

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.cli.invocation import Invocation
from attractor.cli.pipelines.files import STANDARD_INPUT, is_pipeline_name, open_pipeline
from attractor.language.diagnostics import Diagnostic
from attractor.language.drawing.picture import Picture
from attractor.language.drawing.run_overlay import RunStates, overlay
from attractor.language.graph.graph import Graph
from attractor.language.preparation.prepare import TransformContext, transform_all
from attractor.language.reading import parse
from attractor.pipeline.source.vocabulary import files_beside


@dataclass(frozen=True)
class Subject:
    """A graph to draw, with the states of its run and diagnostics."""

    graph: Graph
    states: RunStates | None = None
    found: Sequence[Diagnostic] = ()

    @property
    def picture(self) -> Picture:
        """Return the picture to draw."""
        return overlay(self.graph, self.states) if self.states else Picture(self.graph)


class Drawable(Protocol):
    """A subject that can be read again after a change."""

    @property
    def beside(self) -> Path:
        """Default output path, without extension."""
        ...

    def files(self) -> Iterable[str]:
        """Return the input files known so far."""
        ...

    def read(self) -> Subject:
        """Read the current state."""
        ...


class _FilesUsed:
    """Files beside a pipeline; records the requested names, including those of missing files."""

    def __init__(self, file: Path) -> None:
        self._files = files_beside(file)
        self.names: dict[str, None] = {}

    def read(self, name: str) -> bytes:
        self.names[name] = None
        return self._files.read(name)


@dataclass
class DrawablePipeline:
    """A pipeline file and the files it names."""

    file: str
    _parts: tuple[str, ...] = field(default=())

    @property
    def beside(self) -> Path:
        """Path beside the file, with its name."""
        return Path(self.file).with_suffix("")

    def files(self) -> Iterable[str]:
        """Return the pipeline file and the files it named when it was last read."""
        return (self.file, *self._parts)

    def read(self) -> Subject:
        """Read the pipeline; unreadable parts become diagnostics."""
        source = open_pipeline(self.file).source
        folder = Path(source.file).parent
        graph = parse(source.text, file=source.file)
        files_used = _FilesUsed(Path(source.file))
        around = TransformContext(files=files_used)
        graph = transform_all(graph, around=around)
        self._parts = tuple(os.path.join(folder, name) for name in files_used.names)  # noqa: PTH118
        return Subject(graph, found=tuple(around.found))


@dataclass(frozen=True)
class DrawableRun:
    """A run directory."""

    root: Path

    @property
    def beside(self) -> Path:
        """Path in the current folder, with the run id."""
        return Path(self.root.name)

    def files(self) -> Iterable[str]:
        """Return the graph file and the journal."""
        return (str(self.root / "graph.dot"), str(self.root / "events.jsonl"))

    def read(self) -> Subject:
        """Read the graph of the run and the journal."""
        from attractor.engine.run_folder.drawing import read_drawn
        from attractor.engine.run_folder.layout import RunDirectory

        found = read_drawn(RunDirectory(self.root))
        return Subject(found.graph, found.states)


def find_subject(word: str, invocation: Invocation) -> Drawable:
    """Return the file or run that an argument names."""
    is_file = word == STANDARD_INPUT or Path(word).is_file()
    if is_file or is_pipeline_name(word):
        return DrawablePipeline(word)
    from attractor.pipeline.runs.lookup import find_run

    try:
        root = find_run(word, invocation.configuration.settings.runs_dir)
    except UsageError as error:
        message = f"{word} is neither a file nor a run: {error.message}"
        raise UsageError(message, hint=error.hint) from error
    return DrawableRun(root)
