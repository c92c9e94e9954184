"""Copies the result of a step in a folder, instead of repeating the step in each test.

A worker executes each step for the first test that needs it. The results contain absolute paths, so
all these tests work in one folder, one after the other.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
Steps = tuple[str, ...]
Marks = dict[Path, tuple[int, int, int]]


@dataclass
class Copies:
    """The folder of the tests of a worker, and a copy of it after each sequence of steps."""

    home: Path
    left: dict[Steps, tuple[Path, Any]] = field(default_factory=dict[Steps, tuple[Path, Any]])
    steps: Steps = ()
    marks: Marks = field(default_factory=Marks)

    @property
    def folder(self) -> Path:
        return self.home / "folder"

    def empty_folder(self) -> Path:
        """Return the folder, emptied for the next test."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        return self.folder

    def take(self, folder: Path, step: str, play: Callable[[], T]) -> T:
        """Take a step, or copy its result; a folder that a test has changed is not copied."""
        before = _marks(folder)
        if not folder.is_relative_to(self.folder) or (before and before != self.marks):
            return play()
        steps = (*(self.steps if before else ()), step)
        if steps not in self.left:
            copy, value = self.home / str(len(self.left)), play()
            shutil.copytree(folder, copy, symlinks=True)
            self.left[steps] = copy, value
        copy, value = self.left[steps]
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(copy, folder, symlinks=True)
        self.steps, self.marks = steps, _marks(folder)
        return value


def _marks(folder: Path) -> Marks:
    files = [(one, one.lstat()) for one in folder.rglob("*")]
    return {one: (stat.st_mode, stat.st_size, stat.st_mtime_ns) for one, stat in files}


def copies() -> Copies:
    """Return the copies of this worker."""
    return _copies(os.getpid())


@cache
def _copies(_worker: int) -> Copies:
    home = tempfile.mkdtemp(prefix="attractor-tests-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return Copies(Path(home))
