"""Stores sealed copies of suites, named by the hash of their content.

A copy is verified against its hash whenever it is read.
"""

import os
import shutil
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.files import make_private_folder, sync_folder, write_whole
from attractor.base.json import canonical_json, content_hash
from attractor.scenarios.errors import InvalidSuite, SuiteChanged
from attractor.scenarios.suite import Suite
from attractor.scenarios.suite_files import list_suite_files, read_suite_file
from attractor.scenarios.suite_reader import read_suite

OWNER_ONLY = 0o700
OWNER_READS = 0o600


@dataclass(frozen=True)
class SealedSuite:
    """A suite and the hash of its files."""

    suite: Suite
    seal: str
    folder: Path


def seal_suite(folder: Path, store: Path) -> SealedSuite:
    """Validate a suite and store a copy of its folder."""
    read_suite(folder)
    seal = hash_of_folder(folder)
    copy = store / seal
    if not copy.exists():
        _copy_suite(folder, copy)
    return open_sealed(store, seal)


def open_sealed(store: Path, seal: str) -> SealedSuite:
    """Read a sealed suite, verified against its seal."""
    folder = store / seal
    if not folder.is_dir():
        raise SuiteChanged(
            f"the sealed suite {seal[:12]} is missing in {store}", hint="register the suite again"
        )
    if _hash_of_sealed(folder) != seal:
        raise SuiteChanged(
            f"the sealed suite {seal[:12]} in {store} was changed after sealing",
            hint="restore it from a backup, or register the suite as a new version",
        )
    return SealedSuite(read_suite(folder), seal, folder)


def hash_of_folder(folder: Path) -> str:
    """Return the hash of the paths and contents of all files in a folder."""
    hashes = {
        one.path: content_hash(read_suite_file(folder / one.path))
        for one in list_suite_files(folder)
    }
    return content_hash(canonical_json(dict(hashes)).encode())


def _hash_of_sealed(folder: Path) -> str:
    """Return the hash of a sealed copy, or "" if it contains invalid files."""
    try:
        return hash_of_folder(folder)
    except InvalidSuite:
        return ""


def _copy_suite(folder: Path, copy: Path) -> None:
    """Copy to a temporary folder and rename it, so that a crash leaves no incomplete copy."""
    make_private_folder(copy.parent)
    copy.parent.chmod(OWNER_ONLY)
    partial_copy = copy.parent / f".{copy.name}.{os.getpid()}"
    shutil.rmtree(partial_copy, ignore_errors=True)
    make_private_folder(partial_copy)
    for one in list_suite_files(folder):
        make_private_folder((partial_copy / one.path).parent)
        mode = OWNER_ONLY if one.is_executable else OWNER_READS
        write_whole(partial_copy / one.path, read_suite_file(folder / one.path), mode=mode)
    try:
        partial_copy.rename(copy)
    except OSError:
        # Another process stored the same content meanwhile.
        shutil.rmtree(partial_copy, ignore_errors=True)
        if not copy.is_dir():
            raise
    sync_folder(copy.parent)
