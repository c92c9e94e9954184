"""Suites in the folders of a project, as its last commit contains them."""

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.toml import InvalidToml, parse_toml
from attractor.pipeline.project.project import Project
from attractor.pipeline.workspace.create import HEAD
from attractor.scenarios.sealed_suite import SealedSuite, SuiteLock, read_lock
from attractor.scenarios.suite_files import (
    LOCK_FILE,
    SUITE_FILE,
    files_of_suite,
    is_ignored,
    read_suite_file,
    twins_folder,
)
from attractor.workspaces.errors import NotARepository
from attractor.workspaces.git.objects import FILE, PROGRAM, object_id
from attractor.workspaces.git.repository import open_repository

_SUITES = "scenarios"


@dataclass(frozen=True)
class SuiteFolder:
    """The folder of a suite, and the pipelines that the suite is for."""

    path: Path
    pipelines: Sequence[str]


def find_suite_folder(name: str, project: Path) -> SuiteFolder | None:
    """Return the folder below `scenarios/` of the suite with this name, or None."""
    for file in sorted((project / _SUITES).rglob(SUITE_FILE)):
        # An invalid file is the concern of `suite lint`.
        with suppress(OSError, UnicodeDecodeError, InvalidToml):
            settings = parse_toml(file.read_text("utf-8"))
            if settings.get("name") == name:
                named: object = settings.get("pipeline") or []
                listed = cast("list[object]", named) if isinstance(named, list) else [named]
                return SuiteFolder(file.parent, [*map(str, listed)])
    return None


@dataclass(frozen=True)
class CommittedLock:
    """The lock of a suite in a commit, the last one of a project.

    `is_in_history` says whether the commit that the lock names is this one or before it; a shallow
    clone may lack it. Without `has_settings`, the suite has other settings than the lock.
    """

    lock: SuiteLock
    commit: str
    is_in_history: bool
    is_shallow: bool
    has_settings: bool

    @property
    def base(self) -> str:
        """The commit on which baselines are proved."""
        return self.lock.proved_on or self.commit


async def read_committed_lock(
    folder: Path, project: Project, sealed: SealedSuite
) -> CommittedLock | None:
    """Return the lock in the last commit, if it is of these sealed files.

    Only the settings of the suite may differ, where the history has the commit of its baselines.
    """
    try:
        search_path = project.machine.search_path
        ours = await open_repository(project.root, search_path=search_path)
        repository = await open_repository(folder, search_path=search_path)
    except NotARepository:
        return None
    git = repository.git
    found = await git.answer("cat-file", "blob", f"{HEAD}:{repository.prefix}{LOCK_FILE}")
    lock = None if found.exit_code else read_lock(found.stdout)
    if repository.common_dir != ours.common_dir or not (lock and lock.has_scenarios_of(sealed)):
        return None
    commit = await repository.commit(HEAD)
    before = await git.answer("merge-base", "--is-ancestor", lock.proved_on or commit, commit)
    is_shallow = (repository.common_dir / "shallow").exists()
    is_in_history, has_settings = not before.exit_code, lock.is_of(sealed)
    is_usable = has_settings or (is_in_history and lock.proved_on)
    committed = CommittedLock(lock, commit, is_in_history, is_shallow, has_settings)
    return committed if is_usable else None


async def why_not_committed(folder: Path, project: Project, sealed: SealedSuite) -> str:
    """Return how a suite differs from its files in the last commit, or that a run wrote these.

    Files are counted, not named: `run` prints the words.
    """
    repository = await open_repository(folder, search_path=project.machine.search_path)
    prefix = Path(repository.prefix)
    top = folder.resolve().parents[len(prefix.parts) - 1]
    names = sealed.suite.twin_names
    files = files_of_suite(folder, names)
    outside = [file for file in files if not file.source.resolve().is_relative_to(top)]
    if outside:
        return f"{number_of(len(outside), 'file')} outside of the repository"
    twins = twins_folder(folder).resolve()
    places = [str(prefix), *(str((twins / name).relative_to(top)) for name in names)]
    listed = await repository.git.run("ls-tree", "-r", "-z", HEAD, "--", *places)
    committed = dict(_entry(line) for line in listed.split("\0")[:-1])
    here = {
        str(file.source.resolve().relative_to(top)): (
            f"{PROGRAM if file.is_executable else FILE:o}",
            object_id("blob", read_suite_file(file.source), repository.object_format).hex(),
        )
        for file in files
    }
    if differing := [
        path
        for path in here.keys() | committed.keys()
        if here.get(path) != committed.get(path) and not is_ignored(path)
    ]:
        return f"{number_of(len(differing), 'file')} changed since the last commit"
    # The first commit of a shallow clone contains the changes of all before it.
    messages = await repository.git.run(
        "log", "--min-parents=1", "--format=%B", HEAD, "--", *places
    )
    found = _BY_RUN.search(messages)
    return f"run {found[1]} changed its files" if found else ""


# The message of a squash contains the trailers of each commit in the middle, also indented.
_BY_RUN = re.compile(r"^[^\S\n]*Attractor-Run: (\S+)", re.MULTILINE)


def _entry(line: str) -> tuple[str, tuple[str, str]]:
    fields, _, path = line.partition("\t")
    mode, _, name = fields.split(" ")
    return path, (mode, name)
