"""Makes, lists, compares and removes the dimensions of a project.

The record of a dimension is written first and removed last. What a killed command left is undone by
the next one: a worktree, a branch or a folder without a record never stays.
"""

import os
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, Refused, UsageError
from attractor.base.files import make_private_folder
from attractor.base.locks import FileLock, LockHolder
from attractor.config.checks import require_new_name
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.environments.orphan_processes import kill_orphans
from attractor.factory.dimensions import DIMENSIONS, Dimension, DimensionRecords, DimensionState
from attractor.factory.open_project import OpenProject
from attractor.factory.project import list_project_folders
from attractor.records.lookup import list_folders
from attractor.records.request import read_request
from attractor.workspaces.create.registry import workspace_registry
from attractor.workspaces.directories import PlainDirectory, remove_old_stores
from attractor.workspaces.errors import NotARepository
from attractor.workspaces.folders import lock_writer, require_folder, writer_of
from attractor.workspaces.git.repository import Repository, find_git_dir, open_repository
from attractor.workspaces.overlap import Overlap, Work, find_overlaps
from attractor.workspaces.worktrees import LinkedWorktree, remove_old_refs, worktrees_folder
from attractor.worlds.dimension_folders import (
    fill,
    folder_of,
    mark_of,
    place_of,
    tear_down,
    try_repository,
)

BRANCHES = "attractor/"
KEPT_DAYS = 30
_PATIENCE_S = 10.0
_VOLATILE = (Path("/var/tmp"),)
"""Folders that machines clear."""


@dataclass(frozen=True)
class DimensionView:
    """A dimension as it is now.

    `branch` is the checked-out branch, `changed` the number of changed files (None if they cannot
    be read, for the reason `trouble`), `holder` the process that works in it, `last_run` the newest
    run in it. `overlaps` are the files that it and another dimension changed.
    """

    dimension: Dimension
    branch: str = ""
    changed: int | None = None
    trouble: str = ""
    holder: LockHolder | None = None
    last_run: str = ""
    overlaps: Sequence[Overlap] = ()

    @property
    def is_missing(self) -> bool:
        """Whether the folder is gone."""
        return bool(self.dimension.folder) and not Path(self.dimension.folder).is_dir()


@dataclass(frozen=True)
class RemovedDimension:
    """A removed dimension: the place of the snapshot, and the ignored files that are gone."""

    dimension: Dimension
    kept: str = ""
    ignored: Sequence[str] = ()


async def add_dimension(
    opened: OpenProject,
    name: str,
    *,
    kind: str = "",
    ref: str = "",
    at: Path | None = None,
    like: Dimension | None = None,
) -> Dimension:
    """Make a dimension, or record a worktree or folder that a person made at `at`.

    One that is `like` another has its kind and its files, and is compared with the same base.
    """
    opened.identity.create_id()
    with _locked(opened) as records:
        await _settle(opened, records)
        making = _Making(opened, records, await try_repository(opened))
        if like:
            place = place_of(opened, making.repository, like)
            kind = like.kind
            ref = await place.head() if isinstance(place, LinkedWorktree) else ""
        return await making.make(name, kind, ref, at, like)


@dataclass(frozen=True)
class _Making:
    """The making of one dimension."""

    opened: OpenProject
    records: DimensionRecords
    repository: Repository | None

    async def make(
        self, name: str, kind: str, ref: str, at: Path | None, like: Dimension | None
    ) -> Dimension:
        """Check everything, write the record, make the folder, and complete the record."""
        kind = kind or ("worktree" if self.repository else "copy")
        at = Path(os.path.normpath(at.absolute())) if at else None
        self._require_usable(name, kind, ref, at)
        plan = Dimension(name=name, kind=kind, created=self.opened.project.machine.clock.now())
        if like:
            since = like.worked_since or like.created
            plan = replace(plan, origins=like.origins_of_copy, worked_since=since)
        if not workspace_registry()[kind].needs_folder:
            plan = replace(plan, state=DimensionState.READY)
            self.records.write(plan)
            return plan
        if kind == "worktree":
            plan = await self._plan_worktree(plan, ref, at)
        else:
            plan = await self._plan_directory(plan, at)
        self.records.write(plan)
        if plan.made_by_attractor:
            try:
                await fill(self.opened, self.repository, plan, like)
            except BaseException:
                await _undo(self.opened, self.records, plan)
                raise
        ready = replace(plan, state=DimensionState.READY)
        if like:
            ready = replace(ready, base=like.base, base_branch=like.base_branch)
        self.records.write(ready)
        return ready

    def _require_usable(self, name: str, kind: str, ref: str, at: Path | None) -> None:
        kinds = workspace_registry()
        try:
            require_new_name(name)
        except ValueError as fault:
            raise UsageError(f"invalid name {name!r}", hint=str(fault)) from fault
        if name in kinds:
            raise UsageError(f"{name} is the name of a kind", hint="choose another name")
        if name in {one.name for one in self.records.all()}:
            raise Refused(
                f"there is a dimension {name} already", hint="choose another name, or remove it"
            )
        if kinds[kind].create is None or kind == "in-place":
            raise UsageError(f"{kind} is no kind of a dimension")
        if at and not kinds[kind].needs_folder:
            raise UsageError(
                f"a dimension of the kind {kind} has no folder",
                hint="remove --at, or name a kind that has one: --kind directory",
            )
        if ref and kind != "worktree":
            raise UsageError(f"--from is for worktrees, not for {kind}", hint="remove --from")

    async def _plan_worktree(self, plan: Dimension, ref: str, at: Path | None) -> Dimension:
        repository = self.repository
        if repository is None:
            raise NotARepository(f"{self.opened.project.root} is not in a git repository")
        top = (at or _beside(self.opened, repository) / plan.name).absolute()
        plan = replace(plan, top=str(top), folder=str(top / repository.prefix))
        if at and at.exists():
            return await self._adopted(plan, repository, ref)
        branch = f"{BRANCHES}{plan.name}"
        base = await repository.commit(ref or "HEAD")
        if await repository.ref(ref_of := f"refs/heads/{branch}"):
            held = [str(at) for at, one in (await repository.checkouts()).items() if one == ref_of]
            place = f", checked out in {held[0]}" if held else ""
            raise Refused(
                f"there is a branch {branch} already{place}",
                hint="choose another name, or delete the branch",
            )
        self._require_place(top)
        named = ref if ref and await repository.ref(f"refs/heads/{ref}") else ""
        base_branch = named or ("" if ref else await repository.checked_out_branch())
        return replace(plan, branch=branch, base=base, base_branch=base_branch)

    async def _adopted(self, plan: Dimension, repository: Repository, ref: str) -> Dimension:
        """Return the plan for a worktree that a person made."""
        top = Path(plan.top)
        known = [one.resolve() for one in (await repository.worktrees())[1:]]
        if ref or top.resolve() not in known:
            raise Refused(
                f"{top} exists, and is no worktree of this repository",
                hint="name a folder that does not exist yet",
            )
        self._require_free(top)
        there = await open_repository(top, search_path=repository.git.search_path)
        return replace(
            plan,
            branch=await there.checked_out_branch(),
            base=await there.commit("HEAD"),
            base_branch=await repository.checked_out_branch(),
            made_by_attractor=False,
        )

    async def _plan_directory(self, plan: Dimension, at: Path | None) -> Dimension:
        folder = (at or _beside(self.opened, None) / plan.name).absolute()
        plan = replace(plan, folder=str(folder), made_by_attractor=not folder.exists())
        if plan.made_by_attractor:
            self._require_place(folder)
            return plan
        search_path = self.opened.project.machine.search_path
        if not folder.is_dir() or await find_git_dir(folder, search_path=search_path):
            raise Refused(
                f"{folder} is no folder without git", hint="name a folder that does not exist yet"
            )
        self._require_free(folder)
        return plan

    def _require_place(self, folder: Path) -> None:
        """Refuse a new folder that exists, or in a place that is not its own."""
        if folder.exists() or folder.is_symlink():
            raise Refused(f"{folder} exists", hint="name a folder that does not exist yet: --at")
        for place in _VOLATILE:
            if folder.resolve().is_relative_to(place):
                raise Refused(f"{folder} is in {place}, which machines clear", hint="use --at")
        self._require_free(folder)

    def _require_free(self, folder: Path) -> None:
        """Refuse a folder in another project, in the state folder, or of another dimension."""
        project, place = self.opened.project, folder.resolve()
        state = project.machine.state_dir
        taken = {
            one.root: "is the folder of a project"
            for one in list_project_folders(state)
            # A project around this one does not own the places beside it.
            if not project.root.is_relative_to(one.root)
        }
        taken |= {project.root: "is the folder of this project"}
        taken |= {state: "is the state folder, which sandboxes hide"}
        taken |= {Path(one.folder): "is a dimension" for one in self.records.all() if one.folder}
        for other, words in taken.items():
            there = other.resolve()
            if place.is_relative_to(there) or there.is_relative_to(place):
                raise Refused(f"{folder} cannot be a dimension: {other} {words}", hint="use --at")


def _beside(opened: OpenProject, repository: Repository | None) -> Path:
    """Return the default place of new worktrees; without a repository, of new folders."""
    project = opened.project
    if repository is None:
        return project.root.with_name(f"{project.root.name}.directories")
    if project.worktrees:
        return project.root / project.machine.with_home(project.worktrees)
    return worktrees_folder(repository)


async def find_moved_dimensions(opened: OpenProject) -> Sequence[Dimension]:
    """Record the folders of dimensions that moved with the project; return these dimensions."""
    found: list[Dimension] = []
    with _locked(opened) as records:
        repository = await try_repository(opened)
        for dimension in records.all():
            # A folder that is not found stays missing, and one that cannot be repaired broken.
            with suppress(AttractorError):
                now = await _find(opened, repository, dimension) if dimension.folder else dimension
                if now != dimension:
                    records.write(now)
                    found.append(now)
    return found


async def _find(
    opened: OpenProject, repository: Repository | None, dimension: Dimension
) -> Dimension:
    """Return a dimension with its folder: where it was, otherwise in the default place."""
    repository = repository if dimension.top else None
    place = Path(dimension.top or dimension.folder)
    if not place.exists():
        place = _beside(opened, repository) / dimension.name
        require_folder(place)
    files = place_of(opened, repository, dimension)
    if not isinstance(files, LinkedWorktree):
        return replace(dimension, folder=str(place))
    await replace(files, top=place).repair()
    return replace(dimension, top=str(place), folder=str(place / files.repository.prefix))


async def list_dimensions(opened: OpenProject) -> Sequence[DimensionView]:
    """Return the dimensions by name, after a look at each folder."""
    with _locked(opened) as records:
        await _settle(opened, records)
    repository, last_runs = await try_repository(opened), _last_runs(opened)
    found, works = list[DimensionView](), list[Work]()
    async with AsyncExitStack() as files:
        for dimension in records.all():
            last_run, state = last_runs.get(dimension.name, ""), opened.project.machine.state_dir
            holder = writer_of(Path(dimension.folder), state) if dimension.folder else None
            view = DimensionView(dimension, dimension.branch, holder=holder, last_run=last_run)
            if dimension.folder and not view.is_missing:
                place = place_of(opened, repository, dimension)
                view = await _look(place, view, files, works)
            found.append(view)
        overlaps = await find_overlaps(works)
    return [replace(view, overlaps=overlaps.get(view.dimension.name, ())) for view in found]


async def _look(
    place: LinkedWorktree | PlainDirectory,
    view: DimensionView,
    files: AsyncExitStack,
    works: list[Work],
) -> DimensionView:
    """Return the view with what the folder contains; its files stay readable for a comparison."""
    try:
        store, since, until = await files.enter_async_context(place.compared())
        changed = len(await store.changes(since, until))
        works.append(Work(view.dimension.name, store, since, until))
        branch = view.branch
        if isinstance(place, LinkedWorktree):
            branch = await place.checked_out_branch()
    except AttractorError as fault:
        return replace(view, trouble=fault.message)
    return replace(view, changed=changed, branch=branch)


async def diff_dimension(opened: OpenProject, dimension: Dimension, *, stat: bool = False) -> bytes:
    """Return the changes of a dimension since it left the branch that it was made from."""
    folder_of(dimension)
    place = place_of(opened, await try_repository(opened), dimension)
    async with place.compared() as (store, since, until):
        words = ["--stat=100"] if stat else ["--binary", "-p"]
        command = ("diff-tree", "-r", "--no-ext-diff", "--no-textconv", *words, since, until)
        return await store.output_of(store.git, *command)


async def remove_dimension(
    opened: OpenProject, dimension: Dimension, *, force: bool = False
) -> RemovedDimension:
    """Remove a dimension, if nothing is lost; with `force`, after a snapshot.

    Only what Attractor made is deleted.
    """
    with _locked(opened) as records:
        await _settle(opened, records)
        removed, folder = RemovedDimension(dimension), Path(dimension.folder)
        if not dimension.folder:
            records.remove(dimension)
            return removed
        state = opened.project.machine.state_dir
        with lock_writer(folder, state, run_id=f"remove {dimension.name}"):
            is_there = folder.is_dir()
            if dimension.made_by_attractor and is_there:
                removed = await _secure(opened, dimension, force=force)
                await tear_down(opened, dimension)
            records.write(gone := replace(dimension, state=DimensionState.REMOVING))
            await _undo(opened, records, gone, keeps_branch=not is_there)
    return removed


async def _secure(opened: OpenProject, dimension: Dimension, *, force: bool) -> RemovedDimension:
    """Refuse to remove what would be lost, or keep a snapshot of it."""
    place = place_of(opened, await try_repository(opened), dimension)
    try:
        reason = await place.loss()
    except AttractorError as fault:
        raise Refused(
            f"{dimension.folder} cannot be inspected: {fault.message}",
            hint="repair it, or remove it yourself and then the dimension",
        ) from fault
    if not reason:
        return RemovedDimension(dimension)
    if not force:
        raise Refused(
            f"the dimension {dimension.name} would be lost: {reason}",
            hint=f"commit and merge its changes, or keep a snapshot: attractor dimension remove "
            f"{dimension.name} --force",
        )
    kept = await place.keep(dimension.name, time.time())
    ignored = await place.ignored_files() if isinstance(place, LinkedWorktree) else ()
    return RemovedDimension(dimension, kept, ignored)


async def _undo(
    opened: OpenProject,
    records: DimensionRecords,
    dimension: Dimension,
    *,
    keeps_branch: bool = False,
) -> None:
    """Remove the folder, the worktree and the branch of a dimension, then its record."""
    place = place_of(opened, await try_repository(opened), dimension)
    if dimension.made_by_attractor and dimension.folder:
        await place.remove()
        if isinstance(place, LinkedWorktree) and not keeps_branch:
            # A person may have made a branch with this name, if the command was cut before.
            is_making = dimension.state is DimensionState.MAKING
            await place.remove_branch(only_unchanged=is_making)
    records.remove(dimension)


async def _settle(opened: OpenProject, records: DimensionRecords) -> None:
    """Undo what killed commands left, and remove snapshots that were kept long enough."""
    for dimension in records.all():
        if dimension.state is not DimensionState.READY:
            # Git works on after a kill of the command that started it.
            await kill_orphans(mark_of(opened))
            await _undo(opened, records, dimension)
            opened.project.console.tell(
                f"The dimension {dimension.name} was cut while it was {dimension.state}: what was "
                "left is removed."
            )
    oldest = time.time() - KEPT_DAYS * 86400
    await remove_old_stores(records.folder, oldest)
    if repository := await try_repository(opened):
        await remove_old_refs(repository, oldest)


def _last_runs(opened: OpenProject) -> Mapping[str, str]:
    """Return the newest run of each dimension."""
    found: dict[str, str] = {}
    for folder in list_folders(opened.project.runs_dir):
        with suppress(AttractorError):
            manifest = read_manifest(RunDirectory(folder))
            found.setdefault(read_request(manifest).dimension, manifest.run_id)
    return found


@contextmanager
def _locked(opened: OpenProject) -> Generator[DimensionRecords]:
    """Yield the records of the dimensions of a project, for one command at a time."""
    records = DimensionRecords.of(opened)
    make_private_folder(records.folder)
    lock = FileLock(records.folder.with_name(f"{DIMENSIONS}.lock"))
    with lock.acquire(wait=_PATIENCE_S, purpose="attractor dimension"):
        yield records
