"""The pipeline files of a project: lists, reads and writes them for an editor."""

import fcntl
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused, UnknownName, UsageError
from attractor.base.files import write_whole
from attractor.base.json import content_hash
from attractor.language.diagnostics import UnreadablePipeline
from attractor.language.preparation.prepare import Files
from attractor.language.reading import decode
from attractor.pipeline.source.find import PIPELINE_ENDINGS, find_pipeline_files
from attractor.pipeline.source.gallery import find_in_gallery, is_gallery_word
from attractor.pipeline.source.vocabulary import files_beside

HIDDEN_FOLDERS = ("scenarios", "runs")
"""The folders of a project whose files are never shown: they may contain hidden scenarios."""

HOLDOUTS = "holdout"
"""The folder of hidden scenarios in a suite, which may be anywhere in a project."""


@dataclass(frozen=True)
class PipelineFile:
    """A pipeline file of a project: its path in the project, its text, and the hash of the text."""

    name: str
    text: str
    content: str


SHIPPED = ("assembly_line", "crew", "crew_by_rule", "growth", "tester")
"""The names of the pipelines in the package, which work on the repository of an app."""


def list_pipeline_files(project: Path, runs_dir: Path) -> Iterator[str]:
    """Yield the paths of the pipeline files of a project, without those of runs and suites."""
    hidden = {str(one) for one in (runs_dir, *(project / each for each in HIDDEN_FOLDERS))}
    # An unreadable folder has no pipelines to show.
    for file in find_pipeline_files(str(project), lambda error: None, hidden=hidden):
        yield Path(file).relative_to(project).as_posix()


def read_pipeline_file(project: Path, name: str, runs_dir: Path) -> PipelineFile:
    """Return a pipeline file of a project."""
    place = find_place(project, name)
    if not place.is_file():
        raise UnknownName("file", name, list_pipeline_files(project, runs_dir))
    content = place.read_bytes()
    return PipelineFile(name, decode(content, file=name), content_hash(content))


def write_pipeline_file(project: Path, name: str, text: str, *, known: str) -> PipelineFile:
    """Write a pipeline file of a project; refuse if it is not the content that the caller knows.

    `known` is the hash of that content; empty for a new file.
    """
    place, content = find_place(project, name), text.encode()
    place.parent.mkdir(parents=True, exist_ok=True)
    # Of two callers that know the same content, only one may write.
    with locked(place.parent):
        now = content_hash(place.read_bytes()) if place.is_file() else ""
        if now != known:
            raise Refused(
                f"{name} was changed meanwhile" if known else f"{name} already exists",
                hint="open the file again, or save under another name",
            )
        write_whole(place, content)
    return PipelineFile(name, text, content_hash(content))


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Hold a folder itself, so that no lock file appears in the project."""
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(at, fcntl.LOCK_EX)
        yield
    finally:
        os.close(at)


def path_in(project: Path, name: str) -> Path:
    """Return the path of a file or folder of a project; refuse a path outside of the project."""
    root = project.resolve()
    try:
        place = (root / name).resolve()
        place.exists()  # raises for a name that is too long
    except (OSError, ValueError, RuntimeError) as cause:
        raise UsageError(f"invalid file {name!r}", hint="pass a path in the project") from cause
    if not place.is_relative_to(root):
        raise UsageError(f"{name!r} is outside of the project", hint="pass a path in the project")
    return place


def find_place(project: Path, name: str) -> Path:
    """Return the path of a pipeline file; refuse places outside of a project, and hidden ones."""
    root, place = project.resolve(), path_in(project, name)
    if not name.endswith(PIPELINE_ENDINGS) or is_hidden(place, root):
        raise UsageError(
            f"{name!r} is no place for a pipeline",
            hint=f"pass a path that ends in .dot, not in {' or '.join(HIDDEN_FOLDERS)}",
        )
    return place


def find_runnable(project: Path, name: str) -> Path:
    """Return the file of a pipeline that a caller runs: one of the project, or of the gallery."""
    return find_in_gallery(name) if is_gallery_word(name) else find_place(project, name)


class VisibleFiles:
    """The files near a pipeline that may be shown: not those of hidden folders."""

    def __init__(self, place: Path, project: Path) -> None:
        self._files: Files = files_beside(place)
        self._folder = place.parent
        self._project = project.resolve()

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        if is_hidden((self._folder / name).resolve(), self._project):
            raise UnreadablePipeline(f"cannot read {name}: the file is not shown to callers")
        return self._files.read(name)


def is_hidden(place: Path, project: Path) -> bool:
    """Return whether a file of a project is never shown, not even in an error."""
    parts = place.relative_to(project).parts if place.is_relative_to(project) else ()
    is_named = HOLDOUTS in parts or any(one[:1] == "." for one in parts)
    return is_named or any(one in HIDDEN_FOLDERS for one in parts[:1])
