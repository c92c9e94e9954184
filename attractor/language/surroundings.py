"""What a pipeline may use besides its own text: files beside it, and the inputs of a run."""

import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from attractor.language.diagnostics import Diagnostic
from attractor.language.errors import OutsideProject, UnreadablePipeline

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


class Surroundings:
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
