"""Sealed copies of suites, each named by the hash of its files, and comparisons with them.

Whenever a copy is read, the hash of the copy is verified.
"""

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.files import StoredFile, make_private_folder, store_private_folder, write_whole
from attractor.base.json import canonical_json, content_hash, parse_object
from attractor.base.patterns import late_pattern
from attractor.base.records import read_fields, write_record
from attractor.scenarios.errors import InvalidSuite, SuiteChanged
from attractor.scenarios.suite import EDITION, Suite
from attractor.scenarios.suite_files import (
    LOCK_FILE,
    PATCH_END,
    SCENARIO_END,
    SUITE_FILE,
    WRONG,
    SuiteFile,
    files_of_suite,
    hash_content,
    list_suite_files,
    read_suite_file,
)
from attractor.scenarios.suite_reader import read_suite
from attractor.scenarios.wall.crossing import Crossing

OWNER_ONLY = 0o700
OWNER_READS = 0o600


@dataclass(frozen=True)
class SealedSuite:
    """A suite, the hash of its files, and the folder of the sealed copy.

    Every holdout and wrong solution of the copy contains the canary, so that a leak is recognized.
    `crossing` is what crossed its walls at the registration, and may cross them.
    """

    suite: Suite
    seal: str
    folder: Path
    canary: str
    crossing: Crossing | None = None

    @property
    def hashes(self) -> Mapping[str, str]:
        """The hash of every file of the copy."""
        return hash_files(list_suite_files(self.folder), _mark_of(self.folder))

    def holdout_texts(self) -> Sequence[bytes]:
        """Return the held-out scenarios as their author wrote them."""
        mark, files = _mark_of(self.folder), list_suite_files(self.folder)
        return [_unmarked(file, mark) for file in files if _is_holdout(file)]


@dataclass(frozen=True)
class SuiteChanges:
    """The files of a suite that differ from a sealed copy."""

    added: Sequence[str]
    removed: Sequence[str]
    changed: Sequence[str]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def seal_suite(folder: Path, store: Path) -> SealedSuite:
    """Validate a suite, and store a sealed copy of its files and of the twins that it names.

    If the suite declares no canary, the copy gets a new one. Files that were sealed in an earlier
    edition keep it.
    """
    suite = read_suite(folder)
    files = files_of_suite(folder, suite.twin_names)
    hashes = hash_files(files)
    was_sealed = (store / seal_of(hashes, 1)).exists()
    seal = seal_of(hashes, 1 if was_sealed else suite.edition)
    copy = store / seal
    if not copy.exists():
        mark = b""
        if not suite.settings.isolation.canary:
            # A comment with a new canary ends every holdout of a sealed copy, and begins every
            # wrong solution: Git ignores words before the first header of a patch.
            mark = f"\n# canary: attractor-canary-{secrets.token_hex(16)}\n".encode()
        make_private_folder(copy.parent)
        copy.parent.chmod(OWNER_ONLY)
        store_private_folder(copy, (_stored(file, mark) for file in files))
    return open_sealed(store, seal)


def open_sealed(store: Path, seal: str) -> SealedSuite:
    """Read a sealed suite, and verify the seal of the suite."""
    folder = store / seal
    if not folder.is_dir():
        raise SuiteChanged(
            f"the sealed suite {seal[:12]} is missing in {store}", hint="register the suite again"
        )
    mark = _mark_of(folder)
    edition = _edition_of_copy(folder, mark, seal)
    suite = read_suite(folder, is_sealed=True) if edition else None
    canary = suite.settings.isolation.canary if suite else ""
    if suite is None or not (canary or mark):
        raise SuiteChanged(
            f"the sealed suite {seal[:12]} in {store} was changed after sealing",
            hint="restore it from a backup, or register the suite as a new version",
        )
    suite = suite.model_copy(update={"edition": edition})
    return SealedSuite(suite, seal, folder, canary or mark.decode().split()[-1])


_MARK = late_pattern(rb"\n# canary: attractor-canary-[0-9a-f]{32}\n\Z")


def _mark_of(folder: Path) -> bytes:
    """Return the comment that ends the first holdout of a sealed copy, or b""."""
    holdouts = sorted(folder.glob(f"holdout/*{SCENARIO_END}"))
    found = _MARK.search(read_suite_file(holdouts[0])) if holdouts else None
    return found[0] if found else b""


def hash_files(files: Iterable[SuiteFile], mark: bytes = b"") -> Mapping[str, str]:
    """Return the hash of each file by path; the hash of an executable file ends in `+x`.

    The hash of a holdout or wrong solution does not cover the mark of the sealed copy.
    """
    return {file.path: hash_content(file, _unmarked(file, mark)) for file in files}


def _unmarked(file: SuiteFile, mark: bytes) -> bytes:
    content = read_suite_file(file.source)
    if _is_wrong(file):
        return content.removeprefix(mark.lstrip())
    return content.removesuffix(mark) if _is_holdout(file) else content


def _is_holdout(file: SuiteFile) -> bool:
    return file.path.startswith("holdout/") and file.path.endswith(SCENARIO_END)


def _is_wrong(file: SuiteFile) -> bool:
    return file.path.startswith(f"{WRONG}/") and file.path.endswith(PATCH_END)


def seal_of(hashes: Mapping[str, str], edition: int) -> str:
    """Return the hash of the edition of a suite, and of the paths and hashes of all files."""
    # No file has an empty path; the seals of edition 1 do not name it.
    named = {} if edition == 1 else {"": str(edition)}
    return content_hash(canonical_json({**named, **hashes}).encode())


def compare_files(sealed: Mapping[str, str], now: Mapping[str, str]) -> SuiteChanges:
    """Compare the hashes of files with the hashes of the sealed files."""
    return SuiteChanges(
        added=sorted(now.keys() - sealed.keys()),
        removed=sorted(sealed.keys() - now.keys()),
        changed=sorted(path for path in sealed.keys() & now.keys() if sealed[path] != now[path]),
    )


def changes_since_seal(folder: Path, sealed: SealedSuite) -> SuiteChanges:
    """Compare a suite folder with a sealed version; the suite in the folder may be invalid."""
    files = files_of_suite(folder, sealed.suite.twin_names) if folder.is_dir() else []
    return compare_files(sealed.hashes, hash_files(files))


@dataclass(frozen=True)
class SuiteLock:
    """The content of `suite.lock.json`: a sealed version, and its files with their hashes.

    The baselines of its scenarios were proved on the commit `proved_on`, unless it is "". A lock of
    an earlier version has no `edition`.
    """

    suite: str
    version: int
    seal: str
    files: Mapping[str, str]
    proved_on: str = ""
    edition: int = 1

    def is_of(self, sealed: SealedSuite) -> bool:
        """Return whether the lock names a sealed suite and all of its files."""
        return self.seal == sealed.seal == seal_of(self.files, self.edition)

    def has_scenarios_of(self, sealed: SealedSuite) -> bool:
        """Return whether the lock names all files of a sealed suite, except for its settings."""
        own = {**self.files, SUITE_FILE: ""}
        is_whole = self.seal == seal_of(self.files, self.edition)
        return own == {**sealed.hashes, SUITE_FILE: ""} and is_whole


def lock_of(sealed: SealedSuite, version: int, proved_on: str = "") -> SuiteLock:
    """Return the lock of a version of a suite."""
    files = dict(sorted(sealed.hashes.items()))
    name, edition = sealed.suite.settings.name, sealed.suite.edition
    return SuiteLock(name, version, sealed.seal, files, proved_on, edition)


def read_lock(text: str) -> SuiteLock | None:
    """Read a lock; return None if the text is not that of a lock."""
    try:
        lock = read_fields(SuiteLock, parse_object(text) or {}, "proved_on", "edition")
    except UsageError:
        return None
    return lock if _COMMIT.fullmatch(lock.proved_on) else replace(lock, proved_on="")


_COMMIT = late_pattern("[0-9a-f]{40,64}")


def write_lock(folder: Path, lock: SuiteLock) -> Path:
    """Write a lock into a suite folder, unless the folder has the same lock."""
    file = folder / LOCK_FILE
    if not file.is_file() or read_lock(file.read_text("utf-8", "replace")) != lock:
        write_whole(file, json.dumps(write_record(lock), indent=2) + "\n")
    return file


def _edition_of_copy(folder: Path, mark: bytes, seal: str) -> int:
    """Return the edition of a sealed copy, or 0 if its files do not have the seal."""
    try:
        hashes = hash_files(list_suite_files(folder), mark)
    except InvalidSuite:
        return 0
    return next((one for one in range(1, EDITION + 1) if seal_of(hashes, one) == seal), 0)


def _stored(file: SuiteFile, mark: bytes) -> StoredFile:
    content = read_suite_file(file.source)
    if _is_wrong(file):
        content = mark.lstrip() + content
    elif _is_holdout(file):
        content += mark
    return StoredFile(file.path, content, OWNER_ONLY if file.is_executable else OWNER_READS)
