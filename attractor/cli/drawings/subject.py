"""What `attractor render` draws: a pipeline's file, or a run with how far it has come."""

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
from attractor.language.preparation.transform import TransformContext, transform_all
from attractor.language.reading import parse
from attractor.pipeline.source.vocabulary import files_beside


@dataclass(frozen=True)
class Subject:
    """A graph to be drawn, the states of its run if it is one's, and what is to be said of it."""

    graph: Graph
    states: RunStates | None = None
    found: Sequence[Diagnostic] = ()

    @property
    def picture(self) -> Picture:
        """Return what a drawing shows."""
        return overlay(self.graph, self.states) if self.states else Picture(self.graph)


class Readable(Protocol):
    """Something that can be drawn again and again as it changes."""

    @property
    def beside(self) -> Path:
        """Where a drawing of it goes unless another place is said, without its ending."""
        ...

    def files(self) -> Iterable[str]:
        """Return the files that it is made of, as far as they are known."""
        ...

    def read(self) -> Subject:
        """Read it as it is now."""
        ...


class _Asked:
    """The files beside a pipeline; it remembers what was asked for, even what is not there."""

    def __init__(self, file: Path) -> None:
        self._files = files_beside(file)
        self.names: dict[str, None] = {}

    def read(self, name: str) -> bytes:
        self.names[name] = None
        return self._files.read(name)


@dataclass
class PipelineToDraw:
    """A pipeline in a file, with the files that it names."""

    file: str
    _parts: tuple[str, ...] = field(default=())

    @property
    def beside(self) -> Path:
        """Beside its file, under its name."""
        return Path(self.file).with_suffix("")

    def files(self) -> Iterable[str]:
        """Return the pipeline's file, and those that it named when it was read."""
        return (self.file, *self._parts)

    def read(self) -> Subject:
        """Read the pipeline; what cannot be read of its parts is found, and the rest is drawn."""
        source = open_pipeline(self.file).source
        folder = Path(source.file).parent
        graph = parse(source.text, file=source.file)
        asked = _Asked(Path(source.file))
        around = TransformContext(files=asked)
        graph = transform_all(graph, around=around)
        self._parts = tuple(os.path.join(folder, name) for name in asked.names)  # noqa: PTH118
        return Subject(graph, found=tuple(around.found))


@dataclass(frozen=True)
class RunToDraw:
    """A run in its directory."""

    root: Path

    @property
    def beside(self) -> Path:
        """In the current folder, under its id: the directory of a run is the run's own."""
        return Path(self.root.name)

    def files(self) -> Iterable[str]:
        """Return the graph and the journal."""
        return (str(self.root / "graph.dot"), str(self.root / "events.jsonl"))

    def read(self) -> Subject:
        """Read the graph as it was run, and the journal."""
        from attractor.engine.run_folder.drawing import read_drawn
        from attractor.engine.run_folder.layout import RunDirectory

        found = read_drawn(RunDirectory(self.root))
        return Subject(found.graph, found.states)


def find_subject(word: str, invocation: Invocation) -> Readable:
    """Return what a word names: a file, or else a run."""
    is_file = word == STANDARD_INPUT or Path(word).is_file()
    if is_file or is_pipeline_name(word):
        return PipelineToDraw(word)
    from attractor.pipeline.runs.lookup import find_run

    try:
        root = find_run(word, invocation.configuration.settings.runs_dir)
    except UsageError as error:
        message = f"{word} is neither a file nor a run: {error.message}"
        raise UsageError(message, hint=error.hint) from error
    return RunToDraw(root)
