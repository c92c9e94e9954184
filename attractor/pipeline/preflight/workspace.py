"""Finds faults of the workspace that a run requests, before anything is created (R14)."""

import os
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from pathlib import PurePosixPath

from attractor.language.diagnostics import Diagnostic, error
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.request import RunRequest, WorkspaceKind
from attractor.pipeline.workspace.create import HEAD, kept_out
from attractor.workspaces.create.from_folder import read_copy_rules
from attractor.workspaces.create.ignore_files import read_commit_rules
from attractor.workspaces.errors import FolderTooLarge, NotARepository, UnknownCommit
from attractor.workspaces.git.gitignore import IgnoreRules
from attractor.workspaces.git.repository import open_repository
from attractor.workspaces.result_tree import EXCLUDED, protected_paths
from attractor.workspaces.setup.ignored_files import (
    carry_problem,
    is_plain_entry,
    read_only_problem,
)
from attractor.workspaces.snapshot import SnapshotRules

_TABLE = "[workspace] of attractor.toml"


async def find_workspace_faults(request: RunRequest, host: RunHost) -> Sequence[Diagnostic]:
    """Return what stands in the way of the workspace that a run wants, each with its remedy."""
    wanted = host.preparation
    if request.workspace is WorkspaceKind.COPY:
        try:
            ours = kept_out(host)
            rules = await read_copy_rules(host.project, ours)
        except FolderTooLarge as fault:
            return [error(fault.message, fix=fault.hint)]
        kept = protected_paths({}, (*EXCLUDED, *ours))
        return list(_carry_faults(host, replace(rules, kept=kept)))
    is_any = wanted.carry or wanted.carry_read_only or wanted.setup_files
    if request.workspace is not WorkspaceKind.ISOLATED or not is_any:
        return []
    try:
        repository = await open_repository(host.project, search_path=host.search_path)
        looked = await read_commit_rules(repository, await repository.commit(HEAD))
    except (NotARepository, UnknownCommit) as fault:
        return [error(fault.message, fix=fault.hint)]
    faults = list(_carry_faults(host, looked.rules))
    # What is not committed may come along, and then it counts.
    return faults if request.include_dirty else [*faults, *_setup_faults(host, looked.files)]


def _carry_faults(host: RunHost, rules: SnapshotRules) -> Iterator[Diagnostic]:
    for path in host.preparation.carry:
        message = f"invalid path {path!r} in carry of {_TABLE}"
        plain = str(PurePosixPath(path))
        if problem := carry_problem(plain, rules) or _records_problem(plain, host):
            yield error(f"{message}: {problem}", fix=_fix(problem, "carry"))
        elif not os.path.lexists(host.project / plain):
            yield error(
                f"{message}: it does not exist in {host.project}",
                fix="create it, or remove it from carry",
            )
    yield from _read_only_faults(host, rules)


def _read_only_faults(host: RunHost, rules: SnapshotRules) -> Iterator[Diagnostic]:
    wanted, project = host.preparation, host.project
    for at, path in enumerate(wanted.shown_paths):
        message = f"invalid path {wanted.carry_read_only[at]!r} in carry_read_only of {_TABLE}"
        others = [*wanted.copied_paths, *wanted.shown_paths[:at]]
        problem = read_only_problem(path, rules, folder=project, others=others)
        # A sandbox hides the content of a folder at the top: see `bubblewrap.py`.
        problem = problem or _records_problem(path, host, is_covered="/" not in path)
        if problem:
            yield error(f"{message}: {problem}", fix=_fix(problem, "carry_read_only"))
        elif not is_plain_entry(project, path):
            yield error(
                f"{message}: it is not a file or folder in {project}",
                fix="create it (links do not count), or remove it from carry_read_only",
            )


def _records_problem(path: str, host: RunHost, *, is_covered: bool = False) -> str:
    """Return the reason why a path with records (suites, keys, runs) is protected, or ""."""
    source = (host.project / path).resolve()
    for ours in (host.runs_dir.resolve(), host.state_dir.resolve()):
        if source.is_relative_to(ours):
            return "agents have no access to it"
        if ours.is_relative_to(source) and not is_covered:
            return f"it contains {ours}, to which agents have no access"
    return ""


def _fix(problem: str, name: str) -> str:
    if "git does not ignore" in problem:
        return "add it to .gitignore and commit that; files in git are in the workspace anyway"
    if "twice" in problem or "overlaps" in problem:
        return "list it once, either in carry (copied) or in carry_read_only"
    return f"remove it from {name}"


def _setup_faults(host: RunHost, files: Set[bytes]) -> Iterator[Diagnostic]:
    for pattern in host.preparation.setup_files if host.preparation.setup else ():
        rules = IgnoreRules({}, [pattern])
        if not any(map(rules.ignores_file, files)):
            yield error(
                f"no file of the last commit matches {pattern!r} in setup_files of {_TABLE}",
                fix="write a pattern as in .gitignore, and commit the file",
            )
