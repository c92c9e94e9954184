"""Chooses the tree a run works on, and gives what became of it to the project.

Has the sandboxes of a run show what its project wants brought along read-only.

The state folder as a run needs it: ours alone, with a place for workspaces, and swept.

Finds what is wrong with the workspace that a run wants, before anything of it is made (R14).
"""

import os
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from pathlib import Path, PurePosixPath

from attractor.base.errors import AttractorError
from attractor.base.files import close_all_below, close_to_others, make_private_folder
from attractor.engine.seams import Workspace
from attractor.engine.stage.no_workspace import NoWorkspace
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.sandbox.bubblewrap import BindMount
from attractor.environments.selection import Choice
from attractor.language.diagnostics import Diagnostic, error
from attractor.pipeline.host import RunHost
from attractor.pipeline.options import RunOptions, WorkspaceKind
from attractor.pipeline.workspace.stage_commits import EMAIL, NAME
from attractor.workspaces.create.isolated import make_isolated, open_again, unheard
from attractor.workspaces.create.plain import make_copied, make_in_place, measure
from attractor.workspaces.dimension import Dimension, MakeEnvironment, OnSnapshot
from attractor.workspaces.dimension_index import STORES, recorded_folders
from attractor.workspaces.errors import FolderTooLarge, NotARepository, UnknownCommit
from attractor.workspaces.folders import NAME as folders_NAME
from attractor.workspaces.folders import collect_left_behind, prepare_place
from attractor.workspaces.git.commits import Author, look_into
from attractor.workspaces.git.git import find_git_dir
from attractor.workspaces.git.gitignore import IgnoreRules
from attractor.workspaces.git.repository import open_repository
from attractor.workspaces.git.uncommitted import WorkTree, has_uncommitted
from attractor.workspaces.result_tree import LEFT_OUT, kept_of
from attractor.workspaces.setup.ignored_files import is_showable, trouble_with, trouble_with_shown
from attractor.workspaces.setup.preparation import Preparation
from attractor.workspaces.snapshot import Rules


def environments_of(place: Choice, world: RunHost) -> MakeEnvironment:
    """Return what makes the environments of a run's folders; the project's own has all there is."""
    paths = [one for one in world.preparation.shown_paths if is_showable(world.project, one)]
    make_showing = place.make_showing
    if make_showing is None or not paths:
        return place.make
    project = world.project.resolve()
    shown = [BindMount(project, path) for path in paths]

    def make(folder: Path) -> ExecutionEnvironment:
        return place.make(folder) if folder.resolve() == project else make_showing(folder, shown)

    return make


def preparation_of(place: Choice, world: RunHost) -> Preparation:
    """Return what is done to make a workspace fit, where what cannot be shown is copied."""
    wanted = world.preparation
    return wanted.copying if place.make_showing is None else wanted


HEAD = "HEAD"


async def place_of_work(options: RunOptions, world: RunHost) -> RunOptions:
    """Return what a run is asked to be; outside git it works on a copy of the folder as it is.

    Where a repository seems to be and git finds none, it is for a person to mend that.
    """
    if options.workspace is not WorkspaceKind.ISOLATED or _seems_kept(world.project):
        return options
    if await find_git_dir(world.project, search_path=world.search_path):
        return options
    return replace(options, workspace=WorkspaceKind.COPY)


def _seems_kept(project: Path) -> bool:
    folder = project.absolute()
    return any(os.path.lexists(one / ".git") for one in (folder, *folder.parents))


async def make_tree(
    options: RunOptions,
    world: RunHost,
    run_id: str,
    place: Choice,
    *,
    on_snapshot: OnSnapshot = unheard,
) -> Workspace:
    """Make the workspace of a new run."""
    if options.workspace is WorkspaceKind.NONE:
        return NoWorkspace(another=lambda: place.make(world.project))
    if options.workspace is WorkspaceKind.IN_PLACE:
        return await make_in_place(
            world.project,
            state=world.state_dir,
            run_id=run_id,
            search_path=world.search_path,
            environment=environments_of(place, world),
            on_snapshot=on_snapshot,
        )
    if options.workspace is WorkspaceKind.COPY:
        world.tell(f"The run works on a copy of {world.project} as it is now.")
        return await make_copied(
            world.project,
            state=world.state_dir,
            run_id=run_id,
            search_path=world.search_path,
            author=Author(NAME, EMAIL, world.clock.now()),
            environment=environments_of(place, world),
            on_snapshot=on_snapshot,
            kept_out=kept_out(world),
            tell=world.tell,
        )
    taken_along = WorkTree(world.project, world.environ) if options.include_dirty else None
    if taken_along is None:
        await _tell_of_changes(world)
    return await make_isolated(
        await open_repository(world.project, search_path=world.search_path),
        state=world.state_dir,
        run_id=run_id,
        commit=HEAD,
        author=Author(NAME, EMAIL, world.clock.now()),
        environment=environments_of(place, world),
        on_snapshot=on_snapshot,
        uncommitted=taken_along,
        tell=world.tell,
    )


def kept_out(world: RunHost) -> Sequence[str]:
    """Return where our own records lie in the project, in the words of a `.gitignore`."""
    project = world.project.resolve()
    ours = (world.runs_dir.resolve(), world.state_dir.resolve())
    inside = [one.relative_to(project) for one in ours if one.is_relative_to(project)]
    return [f"/{_plain(str(one))}/" for one in inside if one.parts]


def _plain(path: str) -> str:
    """Return a path so that no letter in it stands for others."""
    return "".join(f"\\{letter}" if letter in "\\*?[ " else letter for letter in path)


async def _tell_of_changes(world: RunHost) -> None:
    """Say that what is not committed is not part of the run, when there is such a thing."""
    if await has_uncommitted(world.project, environ=world.environ):
        world.tell(
            "What is not committed in the project is not part of this run (--include-dirty takes "
            "it along)."
        )


def leave_out_secrets(workspace: Workspace, world: RunHost) -> None:
    """Keep secrets out of what a workspace sets aside, which comes into the run directory."""
    if isinstance(workspace, Dimension):
        workspace.leave_out(world.redactor)


async def open_tree(
    options: RunOptions,
    world: RunHost,
    run_id: str,
    place: Choice,
    *,
    on_snapshot: OnSnapshot = unheard,
) -> Workspace:
    """Open the workspace of a run that goes on."""
    if options.workspace is WorkspaceKind.NONE:
        return NoWorkspace(another=lambda: place.make(world.project))
    return await open_again(
        state=world.state_dir,
        run_id=run_id,
        search_path=world.search_path,
        environment=environments_of(place, world),
        on_snapshot=on_snapshot,
        borrow_from=await objects_of(options, world),
    )


async def objects_of(options: RunOptions, world: RunHost) -> Path | None:
    """Return where the objects of the project are now; nothing when the run borrows none."""
    if options.workspace is not WorkspaceKind.ISOLATED:
        return None
    return (await open_repository(world.project, search_path=world.search_path)).objects


def ready_state(world: RunHost) -> Path:
    """Make the state folder ready for a run, and return the folder of the workspaces.

    What runs that were killed left there is removed; what somebody lives in is left alone.
    """
    make_private_folder(world.state_dir)
    state = world.state_dir.resolve()
    try:
        closed = sum(_close(state))
        if closed:
            world.tell(f"{closed} places in {state} were open to others; now they are yours alone.")
    except AttractorError as error:
        world.tell(f"Others may read in {state}: {error.message}.")
    place = prepare_place(world.state_dir, shared=world.workspaces_dir, tell=world.tell)
    try:
        collect_left_behind(place, lambda: recorded_folders(world.state_dir))
    except AttractorError as error:
        world.tell(f"What dead runs left in {place} is not removed: {error.message}.")
    return place


def _close(state: Path) -> Iterator[int]:
    yield close_to_others(state)
    for one in state.iterdir():
        if one.name == folders_NAME:  # what lies in there is the agents' own
            yield close_to_others(one)
        elif one.name == STORES:
            yield close_to_others(one)
            yield from map(_close_store, one.iterdir())
        else:
            yield close_all_below(one)


def _close_store(store: Path) -> int:
    """Close a store; below one that was closed nobody else can have come, and it holds much."""
    closed = close_to_others(store)
    return closed + close_all_below(store) if closed else 0


_TABLE = "[workspace] of attractor.toml"


async def find_workspace_faults(options: RunOptions, world: RunHost) -> Sequence[Diagnostic]:
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
    is_any = wanted.carry or wanted.carry_read_only or wanted.setup_files
    if options.workspace is not WorkspaceKind.ISOLATED or not is_any:
        return []
    try:
        repository = await open_repository(world.project, search_path=world.search_path)
        looked = await look_into(repository, await repository.commit(HEAD))
    except (NotARepository, UnknownCommit) as fault:
        return [error(fault.message, fix=fault.hint)]
    faults = list(_carry_faults(world, looked.rules))
    # What is not committed may come along, and then it counts.
    return faults if options.include_dirty else [*faults, *_setup_faults(world, looked.files)]


def _carry_faults(world: RunHost, rules: Rules) -> Iterator[Diagnostic]:
    for path in world.preparation.carry:
        told = f"carry in {_TABLE} names {path!r}"
        plain = str(PurePosixPath(path))
        if trouble := trouble_with(plain, rules) or _trouble_with_records(plain, world):
            yield error(f"{told}, {trouble}", fix=_remedy(trouble, "carry"))
        elif not os.path.lexists(world.project / plain):
            yield error(
                f"{told}, and there is no such file or folder in {world.project}",
                fix="make it there first, or take it out of carry",
            )
    yield from _read_only_faults(world, rules)


def _read_only_faults(world: RunHost, rules: Rules) -> Iterator[Diagnostic]:
    wanted, project = world.preparation, world.project
    for at, path in enumerate(wanted.shown_paths):
        told = f"carry_read_only in {_TABLE} names {wanted.carry_read_only[at]!r}"
        others = [*wanted.copied_paths, *wanted.shown_paths[:at]]
        trouble = trouble_with_shown(path, rules, folder=project, others=others)
        # A sandbox covers what lies in a folder at the top: see `bubblewrap.py`.
        trouble = trouble or _trouble_with_records(path, world, is_covered="/" not in path)
        if trouble:
            yield error(f"{told}, {trouble}", fix=_remedy(trouble, "carry_read_only"))
        elif not is_showable(project, path):
            yield error(
                f"{told}, and there is no such file or folder in {project}, but perhaps a link",
                fix="put the file or folder itself there first, or take it out of carry_read_only",
            )


def _trouble_with_records(path: str, world: RunHost, *, is_covered: bool = False) -> str:
    """Say whether our records would come along: sealed suites, keys, other runs."""
    source = (world.project / path).resolve()
    for ours in (world.runs_dir.resolve(), world.state_dir.resolve()):
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


def _setup_faults(world: RunHost, files: Set[bytes]) -> Iterator[Diagnostic]:
    for pattern in world.preparation.setup_files if world.preparation.setup else ():
        rules = IgnoreRules({}, [pattern])
        if not any(map(rules.hides, files)):
            yield error(
                f"setup_files in {_TABLE} names {pattern!r}, and no file of the last commit goes "
                "by that",
                fix="write it as in a .gitignore, and commit the file",
            )
