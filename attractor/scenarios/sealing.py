"""Puts a copy of a suite away under its content hash, where no workspace and no agent can reach it.

The seal is the hash of every file's path and bytes. The same content is the same seal, and keeping
it again changes nothing. A sealed copy is checked against its hash every time it is read.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from attractor.base.atomic_files import sync_folder
from attractor.base.canonical import canonical_json, content_hash
from attractor.scenarios.errors import InvalidSuite, SuiteChanged
from attractor.scenarios.judging import build_checks, check_registry
from attractor.scenarios.reading import read_suite
from attractor.scenarios.suite import Suite

OWNER_ONLY = 0o700


@dataclass(frozen=True)
class SealedSuite:
    """A suite and the hash of everything it was read from."""

    suite: Suite
    seal: str
    folder: Path


def seal_suite(folder: Path, store: Path) -> SealedSuite:
    """Check a suite's folder and keep a copy of it in the store."""
    check_suite(read_suite(folder))
    seal = hash_of_folder(folder)
    kept = store / seal
    if not kept.exists():
        _copy_whole(folder, kept)
    return open_sealed(store, seal)


def open_sealed(store: Path, seal: str) -> SealedSuite:
    """Read a sealed suite, or say that it is not what was sealed."""
    folder = store / seal
    if not folder.is_dir():
        raise SuiteChanged(
            f"the sealed suite {seal[:12]} is not in {store}", hint="register the suite again"
        )
    if hash_of_folder(folder) != seal:
        raise SuiteChanged(
            f"the sealed suite {seal[:12]} in {store} was changed after it was sealed",
            hint="bring it back from a copy, or register the suite as a new version",
        )
    return SealedSuite(read_suite(folder), seal, folder)


def check_suite(suite: Suite) -> None:
    """Build every check of every scenario, so that a mistake shows now and not in a trial."""
    kinds = check_registry()
    for scenario in suite.scenarios:
        build_checks(scenario, kinds)


def hash_of_folder(folder: Path) -> str:
    """Return the hash of every file below a folder: its path and its bytes."""
    files = {path: content_hash((folder / path).read_bytes()) for path in _files(folder)}
    return content_hash(canonical_json(dict(files)).encode())


def _files(folder: Path) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            if (Path(place) / name).is_symlink():
                raise InvalidSuite(
                    f"{Path(place) / name} is a link", hint="a suite holds files and folders only"
                )
        yield from (str((Path(place) / name).relative_to(folder)) for name in files)


def _copy_whole(folder: Path, kept: Path) -> None:
    """Copy beside the place and rename, so that a crash leaves no half of a suite."""
    kept.parent.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
    kept.parent.chmod(OWNER_ONLY)
    half = kept.parent / f".{kept.name}.{os.getpid()}"
    shutil.rmtree(half, ignore_errors=True)
    shutil.copytree(folder, half)
    half.chmod(OWNER_ONLY)
    try:
        half.rename(kept)
    except OSError:
        # Somebody else kept the same content in the meantime.
        shutil.rmtree(half, ignore_errors=True)
        if not kept.is_dir():
            raise
    sync_folder(kept.parent)
