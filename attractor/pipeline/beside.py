"""The files that a pipeline may name: those beside it, and elsewhere in its project."""

from pathlib import Path

from attractor.config.projects import find_project_root
from attractor.language.preparation.prepare import FolderFiles


def files_beside(file: Path) -> FolderFiles:
    """Return the files around a pipeline; what lies outside its project is not read."""
    folder = file.absolute().parent
    return FolderFiles(folder, within=find_project_root(folder))
