"""Finds faults of the workspace that a run requests, before anything is created (R14)."""

import os
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from pathlib import PurePosixPath

from attractor.language.diagnostics import Diagnostic, error
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.request import RunRequest, WorkspaceKind
from attractor.pipeline.workspace.create import HEAD, kept_out
from attractor.workspaces.create.from_folder import measure
from attractor.workspaces.create.ignore_files import look_into
from attractor.workspaces.errors import FolderTooLarge, NotARepository, UnknownCommit
from attractor.workspaces.git.gitignore import IgnoreRules
from attractor.workspaces.git.repository import open_repository
from attractor.workspaces.result_tree import LEFT_OUT, kept_of
from attractor.workspaces.setup.ignored_files import is_showable, trouble_with, trouble_with_shown
from attractor.workspaces.snapshot import Rules

_TABLE = "[workspace] of attractor.toml"


async def find_workspace_faults(request: RunRequest, host: RunHost) -> Sequence[Diagnostic]:
    """Return what stands in the way of the workspace that a run wants, each with its remedy."""
    wanted = host.preparation
    if request.workspace is WorkspaceKind.COPY:
        try:
            ours = kept_out(host)
            rules = await measure(host.project, ours)
        except FolderTooLarge as fault:
            return [error(fault.message, fix=fault.hint)]
        kept = kept_of({}, (*LEFT_OUT, *ours))
        return list(_carry_faults(host, replace(rules, kept=kept)))
    is_any = wanted.carry or wanted.carry_read_only or wanted.setup_files
    if request.workspace is not WorkspaceKind.ISOLATED or not is_any:
        return []
    try:
        repository = await open_repository(host.project, search_path=host.search_path)
        looked = await look_into(repository, await repository.commit(HEAD))
    except (NotARepository, UnknownCommit) as fault:
        return [error(fault.message, fix=fault.hint)]
    faults = list(_carry_faults(host, looked.rules))
    # What is not committed may come along, and then it counts.
    return faults if request.include_dirty else [*faults, *_setup_faults(host, looked.files)]


def _carry_faults(host: RunHost, rules: Rules) -> Iterator[Diagnostic]:
    for path in host.preparation.carry:
        told = f"carry in {_TABLE} names {path!r}"
        plain = str(PurePosixPath(path))
        if trouble := trouble_with(plain, rules) or _trouble_with_records(plain, host):
            yield error(f"{told}, {trouble}", fix=_remedy(trouble, "carry"))
        elif not os.path.lexists(host.project / plain):
            yield error(
                f"{told}, and there is no such file or folder in {host.project}",
                fix="make it there first, or take it out of carry",
            )
    yield from _read_only_faults(host, rules)


def _read_only_faults(host: RunHost, rules: Rules) -> Iterator[Diagnostic]:
    wanted, project = host.preparation, host.project
    for at, path in enumerate(wanted.shown_paths):
        told = f"carry_read_only in {_TABLE} names {wanted.carry_read_only[at]!r}"
        others = [*wanted.copied_paths, *wanted.shown_paths[:at]]
        trouble = trouble_with_shown(path, rules, folder=project, others=others)
        # A sandbox covers what lies in a folder at the top: see `bubblewrap.py`.
        trouble = trouble or _trouble_with_records(path, host, is_covered="/" not in path)
        if trouble:
            yield error(f"{told}, {trouble}", fix=_remedy(trouble, "carry_read_only"))
        elif not is_showable(project, path):
            yield error(
                f"{told}, and there is no such file or folder in {project}, but perhaps a link",
                fix="put the file or folder itself there first, or take it out of carry_read_only",
            )


def _trouble_with_records(path: str, host: RunHost, *, is_covered: bool = False) -> str:
    """Say whether our records would come along: sealed suites, keys, other runs."""
    source = (host.project / path).resolve()
    for ours in (host.runs_dir.resolve(), host.state_dir.resolve()):
        if source.is_relative_to(ours):
            return "which agents do not get"
        if ours.is_relative_to(source) and not is_covered:
            return f"where {ours} lies, which agents do not get"
    return ""


def _remedy(trouble: str, name: str) -> str:
    if "git does not ignore" in trouble:
        return "name it in a .gitignore and commit that; what git keeps is in the workspace anyway"
    if "twice" in trouble:
        return "name it in one of carry (copied) and carry_read_only, once"
    return f"take it out of {name}"


def _setup_faults(host: RunHost, files: Set[bytes]) -> Iterator[Diagnostic]:
    for pattern in host.preparation.setup_files if host.preparation.setup else ():
        rules = IgnoreRules({}, [pattern])
        if not any(map(rules.hides, files)):
            yield error(
                f"setup_files in {_TABLE} names {pattern!r}, and no file of the last commit goes "
                "by that",
                fix="write it as in a .gitignore, and commit the file",
            )
