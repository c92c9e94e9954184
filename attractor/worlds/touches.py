"""Warns at the start of work that declares files which other work in progress declares too.

Pipelines declare them by the graph attribute `touches`, actors by an option.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.engine.run_folder.layout import RunDirectory, is_held, read_manifest
from attractor.factory.open_project import OpenProject
from attractor.language.declarations.touches import declared_touches, read_touches, shared_touches
from attractor.language.reading import parse
from attractor.records.drawing import read_graph
from attractor.records.lookup import list_folders
from attractor.worlds.orders import actors_of_project


@dataclass(frozen=True)
class DeclaredWork:
    """Work in progress, and the patterns of the files that it is expected to change."""

    name: str
    touches: Sequence[str]


def overlap_warnings(touches: Sequence[str], others: Iterable[DeclaredWork]) -> Iterator[str]:
    """Yield a warning for each other work that may change the same files."""
    for other in others:
        if shared := shared_touches(touches, other.touches):
            yield f"{other.name} may change the same files: {', '.join(shared)}"


def work_in_progress(opened: OpenProject) -> Iterator[DeclaredWork]:
    """Yield the runs that a process of the project executes, and the actors, with their files."""
    for root in list_folders(opened.project.runs_dir):
        directory = RunDirectory(root)
        # A damaged run is reported elsewhere.
        with suppress(AttractorError):
            if is_held(directory.lock):
                touches = declared_touches(read_graph(directory))
                yield DeclaredWork(f"run {read_manifest(directory).run_id}", touches)
    for folder in actors_of_project(opened):
        with suppress(AttractorError):
            history = folder.read()
            if not history.archived:
                touches = read_touches(history.actor.touches)
                yield DeclaredWork(f"actor {folder.name}", touches)


def warn_of_overlap(opened: OpenProject, touches: Sequence[str]) -> None:
    """Tell a person which other work may change the same files, unless the settings allow it."""
    if touches and opened.project.worlds.overlap == "warn":
        for warning in overlap_warnings(touches, work_in_progress(opened)):
            opened.project.console.tell(f"Warning: {warning}.")


def touches_of_file(file: Path, opened: OpenProject) -> Sequence[str]:
    """Return the files that a pipeline declares; none if it cannot be read, which others report."""
    with suppress(AttractorError, OSError):
        text = opened.project.parts.texts.get(str(file.absolute())) or file.read_text()
        return declared_touches(parse(text, file=str(file)))
    return ()
