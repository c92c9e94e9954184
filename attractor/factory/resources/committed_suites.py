"""Suites in the folders of a project, as its last commit contains them."""

from contextlib import suppress
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.toml import InvalidToml, parse_toml
from attractor.factory.resources.versions import split_reference
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.workspace.create import HEAD
from attractor.scenarios.sealed_suite import SealedSuite, SuiteLock, read_lock
from attractor.scenarios.suite_files import LOCK_FILE, SUITE_FILE
from attractor.workspaces.errors import NotARepository
from attractor.workspaces.git.repository import open_repository

_SUITES = "scenarios"


@dataclass(frozen=True)
class SuiteFolder:
    """The folder of a suite, and the name of the pipeline that the suite is for."""

    path: Path
    pipeline: str


def find_suite_folder(name: str, project: Path) -> SuiteFolder | None:
    """Return the folder below `scenarios/` of the suite with this name, or None."""
    for file in sorted((project / _SUITES).rglob(SUITE_FILE)):
        # An invalid file is the concern of `suite lint`.
        with suppress(OSError, UnicodeDecodeError, InvalidToml):
            settings = parse_toml(file.read_text("utf-8"))
            if settings.get("name") == name:
                pipeline, _ = split_reference(str(settings.get("pipeline", "")))
                return SuiteFolder(file.parent, pipeline)
    return None


@dataclass(frozen=True)
class CommittedLock:
    """The lock of a suite in the last commit, which names a commit that proves its baselines.

    `is_in_history` says whether that commit is the last one or before it; a shallow clone may lack
    it.
    """

    lock: SuiteLock
    is_in_history: bool

    @property
    def base(self) -> str:
        """The commit on which the baselines were proved."""
        return self.lock.proved_on


async def read_committed_lock(
    folder: Path, host: RunHost, sealed: SealedSuite
) -> CommittedLock | None:
    """Return the lock in the last commit, if it is of these sealed files and names a commit."""
    try:
        project = await open_repository(host.project, search_path=host.search_path)
        repository = await open_repository(folder, search_path=host.search_path)
    except NotARepository:
        return None
    git = repository.git
    found = await git.answer("cat-file", "blob", f"{HEAD}:{repository.prefix}{LOCK_FILE}")
    lock = None if found.exit_code else read_lock(found.stdout)
    is_own = repository.common_dir == project.common_dir
    if not (is_own and lock and lock.proved_on and lock.is_of(sealed)):
        return None
    before = await git.answer("merge-base", "--is-ancestor", lock.proved_on, HEAD)
    return CommittedLock(lock, is_in_history=not before.exit_code)
