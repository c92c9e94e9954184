"""Puts a copy of a suite away under its content hash, where no workspace and no agent can reach it.

The seal is the hash of every file's path and bytes. The same content is the same seal, and keeping
it again changes nothing. A sealed copy is checked against its hash every time it is read.
"""

import os
import shutil
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.files import make_private_folder, sync_folder, write_whole
from attractor.base.json import canonical_json, content_hash
from attractor.scenarios.errors import InvalidSuite, SuiteChanged
from attractor.scenarios.reading import read_suite
from attractor.scenarios.suite import Suite
from attractor.scenarios.suite_files import files_of, read_file

OWNER_ONLY = 0o700
OWNER_READS = 0o600


@dataclass(frozen=True)
class SealedSuite:
    """A suite and the hash of everything it was read from."""

    suite: Suite
    seal: str
    folder: Path


def seal_suite(folder: Path, store: Path) -> SealedSuite:
    """Check a suite's folder and keep a copy of it in the store."""
    read_suite(folder)
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
    if _hash_of_sealed(folder) != seal:
        raise SuiteChanged(
            f"the sealed suite {seal[:12]} in {store} was changed after it was sealed",
            hint="bring it back from a copy, or register the suite as a new version",
        )
    return SealedSuite(read_suite(folder), seal, folder)


def hash_of_folder(folder: Path) -> str:
    """Return the hash of every file below a folder: its path and its bytes."""
    hashes = {one.path: content_hash(read_file(folder / one.path)) for one in files_of(folder)}
    return content_hash(canonical_json(dict(hashes)).encode())


def _hash_of_sealed(folder: Path) -> str:
    """Return the hash of a sealed copy; nothing when it holds what no suite may."""
    try:
        return hash_of_folder(folder)
    except InvalidSuite:
        return ""


def _copy_whole(folder: Path, kept: Path) -> None:
    """Copy beside the place and rename, so that a crash leaves no half of a suite."""
    make_private_folder(kept.parent)
    kept.parent.chmod(OWNER_ONLY)
    half = kept.parent / f".{kept.name}.{os.getpid()}"
    shutil.rmtree(half, ignore_errors=True)
    make_private_folder(half)
    for one in files_of(folder):
        make_private_folder((half / one.path).parent)
        mode = OWNER_ONLY if one.is_executable else OWNER_READS
        write_whole(half / one.path, read_file(folder / one.path), mode=mode)
    try:
        half.rename(kept)
    except OSError:
        # Somebody else kept the same content in the meantime.
        shutil.rmtree(half, ignore_errors=True)
        if not kept.is_dir():
            raise
    sync_folder(kept.parent)
