"""Finds what is wrong with the workspace that a run wants, before anything of it is made (R14)."""

import os
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from pathlib import PurePosixPath

from attractor.language.diagnostics import Diagnostic, error
from attractor.pipeline.options import RunOptions, WorkspaceKind
from attractor.pipeline.trees import HEAD, kept_out
from attractor.pipeline.world import World
from attractor.workspaces.carrying import trouble_with
from attractor.workspaces.commit_rules import look_into
from attractor.workspaces.copied import measure
from attractor.workspaces.errors import FolderTooLarge, NotARepository, UnknownCommit
from attractor.workspaces.ignores import IgnoreRules
from attractor.workspaces.repository import open_repository
from attractor.workspaces.result_tree import LEFT_OUT, kept_of
from attractor.workspaces.snapshot import Rules

_TABLE = "[workspace] of attractor.toml"


async def find_workspace_faults(options: RunOptions, world: World) -> Sequence[Diagnostic]:
    """Return what stands in the way of the workspace that a run wants, each with its remedy."""
    wanted = world.preparation
    if options.workspace is WorkspaceKind.COPY:
        try:
            ours = kept_out(world)
            rules = await measure(world.project, ours)
        except FolderTooLarge as fault:
            return [error(fault.message, fix=fault.hint)]
        kept = kept_of({}, (*LEFT_OUT, *ours))
        return list(_carry_faults(world, replace(rules, kept=kept)))
    if options.workspace is not WorkspaceKind.ISOLATED or not (wanted.carry or wanted.setup_files):
        return []
    try:
        repository = await open_repository(world.project, search_path=world.search_path)
        looked = await look_into(repository, await repository.commit(HEAD))
    except (NotARepository, UnknownCommit) as fault:
        return [error(fault.message, fix=fault.hint)]
    faults = list(_carry_faults(world, looked.rules))
    # What is not committed may come along, and then it counts.
    return faults if options.include_dirty else [*faults, *_setup_faults(world, looked.files)]


def _carry_faults(world: World, rules: Rules) -> Iterator[Diagnostic]:
    for path in world.preparation.carry:
        told = f"carry in {_TABLE} names {path!r}"
        plain = str(PurePosixPath(path))
        if trouble := trouble_with(plain, rules):
            yield error(f"{told}, {trouble}", fix=_remedy(trouble))
        elif not os.path.lexists(world.project / plain):
            yield error(
                f"{told}, and there is no such file or folder in {world.project}",
                fix="make it there first, or take it out of carry",
            )


def _remedy(trouble: str) -> str:
    if "git does not ignore" in trouble:
        return "name it in a .gitignore and commit that; what git keeps is in the workspace anyway"
    return "take it out of carry"


def _setup_faults(world: World, files: Set[bytes]) -> Iterator[Diagnostic]:
    for pattern in world.preparation.setup_files if world.preparation.setup else ():
        rules = IgnoreRules({}, [pattern])
        if not any(map(rules.hides, files)):
            yield error(
                f"setup_files in {_TABLE} names {pattern!r}, and no file of the last commit goes "
                "by that",
                fix="write it as in a .gitignore, and commit the file",
            )
