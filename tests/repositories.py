"""Copies an empty or a complete repository, instead of running git for every test."""

import atexit
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

_TEMPORARY = tempfile.gettempdir()


def begin_repository(folder: Path) -> None:
    """Make the result of `git init` in a folder."""
    shutil.copytree(_begun(os.getpid()) / ".git", folder / ".git")


def copy_project(folder: Path, make: Callable[[Path, str], None], kind: str) -> None:
    """Copy the project that `make` made for the first test with this key, valid for git."""
    shutil.copytree(_made(os.getpid(), make, kind), folder, symlinks=True)
    # File times and inode numbers differ in a copy.
    command = ["git", "update-index", "-q", "--refresh"]
    subprocess.run(command, cwd=folder, check=True)


@cache
def _begun(_worker: int) -> Path:
    folder = _kept()
    command = ["git", "init", "--quiet", "--initial-branch", "main"]
    subprocess.run(command, cwd=folder, check=True)
    return folder


@cache
def _made(_worker: int, make: Callable[[Path, str], None], kind: str) -> Path:
    folder = _kept() / "made"
    make(folder, kind)
    return folder


def _kept() -> Path:
    # The first test that needs it may have changed the folder of temporary files.
    folder = Path(tempfile.mkdtemp(prefix="attractor-tests-", dir=_TEMPORARY))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
