"""Makes, lists, compares and removes the dimensions of a project.

The record of a dimension is written first and removed last. What a killed command left is undone by
the next one: a worktree, a branch or a folder without a record never stays.
"""

import tempfile
import time
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, Refused, UsageError
from attractor.base.files import make_private_folder, remove_tree
from attractor.base.locks import FileLock, LockHolder
from attractor.config.tables import require_name
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.orphan_processes import MARK, kill_orphans, new_mark
from attractor.factory.dimensions import DIMENSIONS, Dimension, DimensionRecords, DimensionState
from attractor.factory.open_project import OpenProject
from attractor.factory.project import list_project_folders
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.workspace.create import choose_sandbox, excluded_paths
from attractor.pipeline.workspace.stage_commits import EMAIL, NAME
from attractor.records.request import RunRequest, read_request
from attractor.records.summary import list_runs
from attractor.workspaces import snapshot as stat_cache
from attractor.workspaces.create.from_folder import read_copy_rules
from attractor.workspaces.create.registry import workspace_registry
from attractor.workspaces.errors import GitFailed, NotARepository
from attractor.workspaces.folders import lock_writer, require_folder, writer_of
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.git.object_store import Author, ObjectStore, bring_commit
from attractor.workspaces.git.objects import write_tree
from attractor.workspaces.git.repository import (
    Repository,
    find_git_dir,
    open_repository,
    run_git_as_owner,
)
from attractor.workspaces.landings import find_landing
from attractor.workspaces.result_tree import candidate_files, excluded_in
from attractor.workspaces.run_store import open_store
from attractor.workspaces.setup.cache import carry, require_success, run_setup
from attractor.workspaces.snapshot import take_snapshot, write_out
from attractor.workspaces.uncommitted import WorkTree, commit_uncommitted

BRANCHES = "attractor/"
REMOVED_REFS = "refs/attractor/removed/"
REMOVED = "removed"
KEPT_DAYS = 30
INCLUDED = ".worktreeinclude"
"""The file with patterns of ignored files that a new worktree gets from the project."""

_BASE, _KEPT = "refs/attractor/base", "refs/attractor/kept"
_BRANCHES = ("refs/heads", "refs/remotes")
_GIT_TIME = timedelta(minutes=10)
_TEARDOWN_TIME = timedelta(minutes=1)
_PATIENCE_S = 10.0
_VOLATILE = (Path("/var/tmp"),)
"""Folders that machines clear."""
_IN_PROGRESS = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply")


@dataclass(frozen=True)
class DimensionView:
    """A dimension as it is now.

    `branch` is the checked-out branch, `changed` the number of changed files (None if they cannot
    be read, for the reason `trouble`), `holder` the process that works in it, `last_run` the newest
    run in it.
    """

    dimension: Dimension
    branch: str = ""
    changed: int | None = None
    trouble: str = ""
    holder: LockHolder | None = None
    last_run: str = ""

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
    opened: OpenProject, name: str, *, kind: str = "", ref: str = "", at: Path | None = None
) -> Dimension:
    """Make a dimension, or record a worktree or folder that a person made at `at`."""
    opened.identity.create_id()
    with _locked(opened) as records:
        await _settle(opened, records)
        return await _Making(opened, records, await _try_repository(opened)).make(
            name, kind, ref, at
        )


@dataclass(frozen=True)
class _Making:
    """The making of one dimension."""

    opened: OpenProject
    records: DimensionRecords
    repository: Repository | None

    async def make(self, name: str, kind: str, ref: str, at: Path | None) -> Dimension:
        """Check everything, write the record, make the folder, and complete the record."""
        kind = kind or ("worktree" if self.repository else "copy")
        self._require_usable(name, kind, ref, at)
        plan = Dimension(name=name, kind=kind, created=self.opened.project.machine.clock.now())
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
                await self._fill(plan)
            except BaseException:
                await _undo(self.opened, self.records, plan)
                raise
        ready = replace(plan, state=DimensionState.READY)
        self.records.write(ready)
        return ready

    def _require_usable(self, name: str, kind: str, ref: str, at: Path | None) -> None:
        kinds = workspace_registry()
        try:
            require_name(name)
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
            raise UsageError(f"a dimension of the kind {kind} has no folder", hint="remove --at")
        if ref and kind != "worktree":
            raise UsageError(f"--from is for worktrees, not for {kind}", hint="remove --from")

    async def _plan_worktree(self, plan: Dimension, ref: str, at: Path | None) -> Dimension:
        repository = self.repository
        if repository is None:
            raise NotARepository(f"{self.opened.project.root} is not in a git repository")
        top = _worktrees_folder(self.opened, repository) / plan.name if at is None else at
        top = top.absolute()
        plan = replace(plan, top=str(top), folder=str(top / repository.prefix))
        if at and at.exists():
            return await self._adopted(plan, repository, ref)
        branch = f"{BRANCHES}{plan.name}"
        base = await repository.commit(ref or "HEAD")
        if await repository.ref(f"refs/heads/{branch}"):
            raise Refused(
                f"there is a branch {branch} already{await _checkout_of(repository, branch)}",
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
        main = await repository.checked_out_branch()
        return replace(
            plan,
            branch=await there.checked_out_branch(),
            base=await there.commit("HEAD"),
            base_branch=main,
            made_by_attractor=False,
        )

    async def _plan_directory(self, plan: Dimension, at: Path | None) -> Dimension:
        if at is None:
            root = self.opened.project.root
            at = root.with_name(f"{root.name}.directories") / plan.name
        folder = at.absolute()
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
        taken = {one.root: "is the folder of a project" for one in list_project_folders(state)}
        taken |= {project.root: "is the folder of this project"}
        taken |= {state: "is the state folder, which sandboxes hide"}
        taken |= {Path(one.folder): "is a dimension" for one in self.records.all() if one.folder}
        for other, words in taken.items():
            there = other.resolve()
            if place.is_relative_to(there) or there.is_relative_to(place):
                raise Refused(f"{folder} cannot be a dimension: {other} {words}", hint="use --at")

    async def _fill(self, plan: Dimension) -> None:
        """Make the folder with its files, and prepare it as workspaces are prepared."""
        if plan.branch and self.repository:
            await _add_worktree(self.opened, self.repository, plan)
        else:
            await _copy_directory(self.opened, self.records, plan)
        project, folder = self.opened.project, Path(plan.folder)
        wanted = project.preparation.copying
        paths = [*wanted.copied_paths, *await _included(self.opened)]
        if paths:
            await in_thread(partial(carry, project.root, list(dict.fromkeys(paths)), folder))
        if wanted.setup:
            environment = await _environment(self.opened, plan)
            result = await run_setup(environment, wanted.setup, wanted.setup_timeout)
            require_success(result, wanted.setup, wanted.setup_timeout)


async def list_dimensions(opened: OpenProject) -> Sequence[DimensionView]:
    """Return the dimensions by name, after a look at each folder."""
    with _locked(opened) as records:
        await _settle(opened, records)
    repository, last_runs = await _try_repository(opened), _last_runs(opened)
    found: list[DimensionView] = []
    for dimension in records.all():
        view = DimensionView(
            dimension, dimension.branch, last_run=last_runs.get(dimension.name, "")
        )
        if dimension.folder:
            state = opened.project.machine.state_dir
            view = replace(view, holder=writer_of(Path(dimension.folder), state))
        if dimension.folder and not view.is_missing:
            view = await _look(opened, records, repository, view)
        found.append(view)
    return found


async def _look(
    opened: OpenProject,
    records: DimensionRecords,
    repository: Repository | None,
    view: DimensionView,
) -> DimensionView:
    try:
        async with _compared(opened, records, repository, view.dimension) as (store, since, until):
            changed = len(await store.changes(since, until))
        branch = view.branch
        if view.dimension.branch:
            there = await _opened_worktree(opened, repository, view.dimension)
            branch = await there.checked_out_branch()
    except AttractorError as fault:
        return replace(view, trouble=fault.message)
    return replace(view, changed=changed, branch=branch)


async def diff_dimension(opened: OpenProject, dimension: Dimension, *, stat: bool = False) -> bytes:
    """Return the changes of a dimension since it left the branch that it was made from."""
    _require_folder(dimension)
    records = DimensionRecords.of(opened)
    repository = await _try_repository(opened)
    async with _compared(opened, records, repository, dimension) as (store, since, until):
        words = ["--stat=100"] if stat else ["--binary", "-p"]
        command = ("diff-tree", "-r", "--no-ext-diff", "--no-textconv", *words, since, until)
        return await store.output_of(store.git, *command)


def shell_folder(dimension: Dimension) -> Path:
    """Return the folder of a dimension, or refuse one without a folder."""
    _require_folder(dimension)
    return Path(dimension.folder)


async def remove_dimension(
    opened: OpenProject, dimension: Dimension, *, force: bool = False
) -> RemovedDimension:
    """Remove a dimension, if nothing is lost; with `force`, after a snapshot.

    Only what Attractor made is deleted.
    """
    machine = opened.project.machine
    with _locked(opened) as records:
        await _settle(opened, records)
        removed, folder = RemovedDimension(dimension), Path(dimension.folder)
        if not dimension.folder:
            records.remove(dimension)
            return removed
        with lock_writer(folder, machine.state_dir, run_id=f"remove {dimension.name}"):
            is_there = folder.is_dir()
            if dimension.made_by_attractor and is_there:
                removed = await _secure(opened, records, dimension, force=force)
                await _tear_down(opened, dimension)
            gone = replace(dimension, state=DimensionState.REMOVING)
            records.write(gone)
            await _undo(opened, records, gone, keeps_branch=not is_there)
    return removed


async def _secure(
    opened: OpenProject, records: DimensionRecords, dimension: Dimension, *, force: bool
) -> RemovedDimension:
    """Refuse to remove what would be lost, or keep a snapshot of it."""
    repository = await _try_repository(opened)
    try:
        reason = await _loss(opened, records, repository, dimension)
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
    if dimension.branch and repository:
        kept = f"{REMOVED_REFS}{dimension.name}/{int(time.time())}"
        async with _store(opened, repository) as store:
            there = await _opened_worktree(opened, repository, dimension)
            head, tip = await _tip(opened, store, there, dimension)
            if tip != head:
                await bring_commit(tip, out_of=store.git, into=repository.git, without=head)
            await repository.create_ref(kept, tip)
    else:
        store = _directory_store(opened, records, dimension)
        await _keep_tree(store, _KEPT, await _tree_of(opened, store, Path(dimension.folder)))
        place = records.folder / REMOVED / f"{dimension.name}-{int(time.time())}.git"
        make_private_folder(place.parent)
        store.folder.rename(place)
        kept = f"{_KEPT} in {place}"
    return RemovedDimension(dimension, kept, await _ignored_files(opened, dimension))


@asynccontextmanager
async def submitted(
    opened: OpenProject, dimension: Dimension, *, base: str = "", last_run: str = ""
) -> AsyncGenerator[tuple[ObjectStore, str, str]]:
    """Yield a store with the current files of a dimension, their tree, and the base commit.

    The files are those of a worktree, or of the last run in an isolated dimension. Hidden scenarios
    are not part of the tree. Meanwhile no run can work in the worktree.
    """
    repository = await _try_repository(opened)
    if repository is None or dimension.kind not in ("worktree", "isolated"):
        raise Refused(
            f"the dimension {dimension.name} is of the kind {dimension.kind}, and only the files "
            "of a worktree or an isolated dimension can be promoted",
            hint="apply its changes to a branch: attractor dimension diff NAME | git apply",
        )
    wanted = await repository.commit(base) if base else ""
    machine = opened.project.machine
    if dimension.kind == "isolated":
        if not last_run:
            raise Refused(f"no run has worked in the dimension {dimension.name} yet")
        store, record = open_store(
            machine.state_dir,
            last_run,
            search_path=machine.search_path,
            borrow_from=repository.objects,
        )
        directory = RunDirectory(opened.project.runs_dir / last_run)
        progress = open_journal(directory.events, directory.checkpoint).state.progress
        yield store, progress.tree if progress else "", wanted or record.base.commit
        return
    _require_folder(dimension)
    with lock_writer(Path(dimension.folder), machine.state_dir, run_id="of a submission"):
        there = await _opened_worktree(opened, repository, dimension)
        async with _store(opened, repository) as store:
            head, tip = await _tip(opened, store, there, dimension)
            whole = await store.files_of(await store.git.run("rev-parse", f"{tip}^{{tree}}"))
            files = candidate_files(whole, excluded_in(repository.prefix))
            tree = (await in_thread(partial(write_tree, store.objects, files))).hex()
            store.objects.sync()
            yield store, tree, wanted or await _merge_base(repository, dimension, head)


async def is_merged(opened: OpenProject, dimension: Dimension) -> bool:
    """Return whether a worktree has commits, and the branch that it was made from has them all."""
    repository = await _try_repository(opened)
    base_branch = f"refs/heads/{dimension.base_branch}"
    if repository is None or not (dimension.branch and dimension.base_branch):
        return False
    head = await repository.ref(f"refs/heads/{dimension.branch}")
    if head in ("", dimension.base):
        return False
    asked = await repository.git.answer("merge-base", "--is-ancestor", head, base_branch)
    return asked.exit_code == 0


async def _loss(
    opened: OpenProject,
    records: DimensionRecords,
    repository: Repository | None,
    dimension: Dimension,
) -> str:
    """Return what would be lost if the folder of a dimension was removed, or ""."""
    if not (dimension.branch and repository):
        async with _compared(opened, records, repository, dimension) as (store, since, until):
            changed = len(await store.changes(since, until))
        return f"{changed} files were changed" if changed else ""
    there = await _opened_worktree(opened, repository, dimension)
    for name in _IN_PROGRESS:
        if (there.git.git_dir / name).exists():
            return f"a {name.removesuffix('_HEAD').replace('_', '-').lower()} is not complete"
    async with _store(opened, repository) as store:
        head, tip = await _tip(opened, store, there, dimension)
        own = {f"refs/heads/{dimension.branch}"}
        printed = await repository.git.run(
            "for-each-ref", "--format=%(refname) %(objectname)", *_BRANCHES
        )
        branches = dict(line.rsplit(" ", 1) for line in printed.splitlines())
        others = {name: one for name, one in branches.items() if name not in own}
        containing = await repository.git.run(
            "for-each-ref", "--format=%(refname)", f"--contains={head}", *_BRANCHES
        )
        if tip == head and (set(containing.splitlines()) - own):
            return ""
        base = await _merge_base(repository, dimension, head)
        if await repository.tree(base) == await store.git.run("rev-parse", f"{tip}^{{tree}}"):
            return ""
        landing = await find_landing(store.git, others, base, tip)
        if landing and not landing.reverted_on:
            return ""
    return "uncommitted changes" if tip != head else f"commits on {dimension.branch} only"


async def _merge_base(repository: Repository, dimension: Dimension, head: str) -> str:
    """Return the commit at which a dimension left the branch that it was made from."""
    branch = f"refs/heads/{dimension.base_branch}" if dimension.base_branch else ""
    if branch and await repository.ref(branch):
        found = await repository.git.answer("merge-base", head, branch)
        # A merged branch has no changes of its own, but the dimension may have.
        if found.exit_code == 0 and found.stdout.strip():
            return found.stdout.strip()
    return dimension.base


@asynccontextmanager
async def _compared(
    opened: OpenProject,
    records: DimensionRecords,
    repository: Repository | None,
    dimension: Dimension,
) -> AsyncGenerator[tuple[ObjectStore, str, str]]:
    """Yield a store with the tree of the base of a dimension, and with its current tree."""
    if dimension.branch and repository:
        there = await _opened_worktree(opened, repository, dimension)
        async with _store(opened, repository) as store:
            head, tip = await _tip(opened, store, there, dimension)
            base = await _merge_base(repository, dimension, head)
            tree = await store.git.run("rev-parse", f"{tip}^{{tree}}")
            yield store, await repository.tree(base), tree
        return
    store = _directory_store(opened, records, dimension)
    if not store.folder.is_dir():
        raise Refused("Attractor did not make this folder, so no base is known")
    base = await store.git.run("rev-parse", f"{_BASE}^{{tree}}")
    yield store, base, await _tree_of(opened, store, Path(dimension.folder))


async def _tip(
    opened: OpenProject, store: ObjectStore, there: Repository, dimension: Dimension
) -> tuple[str, str]:
    """Return the checked-out commit of a worktree, and a commit with its uncommitted changes."""
    machine = opened.project.machine
    head = await there.commit("HEAD")
    author = Author(NAME, EMAIL, machine.clock.now())
    work_tree = WorkTree(Path(dimension.top), machine.environ)
    tree = await there.tree(head)
    return head, await commit_uncommitted(store, work_tree, head, tree=tree, author=author)


@asynccontextmanager
async def _store(opened: OpenProject, repository: Repository) -> AsyncGenerator[ObjectStore]:
    """Yield an empty store for a moment, which borrows the objects of the repository."""
    with tempfile.TemporaryDirectory(dir=opened.project.machine.state_dir) as folder:
        store = ObjectStore(
            Path(folder, "store"),
            object_format=repository.object_format,
            search_path=repository.git.search_path,
        )
        await store.create(borrow_from=repository.objects)
        yield store


async def _opened_worktree(
    opened: OpenProject, repository: Repository | None, dimension: Dimension
) -> Repository:
    """Open the repository of a worktree, unless an agent replaced the `.git` of the worktree."""
    link = Path(dimension.top) / ".git"
    if repository is None or link.is_symlink() or not link.is_file():
        raise GitFailed(f"{link} is no link to the repository")
    target = link.read_text("utf-8", "replace").removeprefix("gitdir:").strip()
    git_dir = Path(link.parent, target).resolve()
    if git_dir.parent != repository.common_dir.resolve() / "worktrees":
        raise GitFailed(f"{link} leads to {target}, not to the repository")
    return replace(repository, git=replace(repository.git, git_dir=git_dir))


async def _add_worktree(opened: OpenProject, repository: Repository, plan: Dimension) -> None:
    """Add a worktree on a new branch, as a sparse checkout without what workspaces exclude."""
    top = Path(plan.top)
    top.parent.mkdir(parents=True, exist_ok=True)
    extension = ("config", "--get", "--file", str(repository.common_dir / "config"))
    had = (await repository.git.answer(*extension, "extensions.worktreeConfig")).stdout.strip()
    ask = partial(_git, opened)
    root = opened.project.root
    branch = ("--no-checkout", "-b", plan.branch)
    await ask("worktree", "add", "--quiet", *branch, str(top), plan.base, folder=root)
    patterns = ["/*", *(f"!{one}" for one in excluded_in(repository.prefix))]
    await ask("sparse-checkout", "set", "--no-cone", *patterns, folder=top)
    await ask("checkout", "--quiet", folder=top)
    Path(plan.folder).mkdir(parents=True, exist_ok=True)
    if had != "true":
        opened.project.console.tell(
            f"extensions.worktreeConfig is set in {repository.common_dir / 'config'} now, as the "
            "sparse checkout of a worktree needs."
        )


async def _git(opened: OpenProject, *arguments: str, folder: Path) -> str:
    """Run git with the person's configuration, in a folder that no agent has seen."""
    environ = {**opened.project.machine.environ, MARK: new_mark(_marked(opened))}
    result = await run_git_as_owner(*arguments, folder=folder, environ=environ, timeout=_GIT_TIME)
    if result.exit_code:
        raise GitFailed(f"git {arguments[0]} in {folder} failed: {result.stderr.strip()}")
    return result.stdout


def _marked(opened: OpenProject) -> str:
    """Return the mark of commands that change dimensions of the project."""
    return f"dimensions of {opened.identity.project_id()}"


async def _undo(
    opened: OpenProject,
    records: DimensionRecords,
    dimension: Dimension,
    *,
    keeps_branch: bool = False,
) -> None:
    """Remove the folder, the worktree and the branch of a dimension, then its record."""
    repository = await _try_repository(opened)
    if dimension.made_by_attractor and dimension.branch and repository:
        top = Path(dimension.top)
        for git_dir in _git_dirs_of(repository, top):
            await in_thread(partial(remove_tree, git_dir))
        if top.exists():
            await in_thread(partial(remove_tree, top))
        ref = f"refs/heads/{dimension.branch}"
        commit = await repository.ref(ref)
        # A person may have made a branch with this name, if the command was cut before.
        is_own = dimension.state is not DimensionState.MAKING or commit == dimension.base
        if commit and is_own and not keeps_branch:
            await _git(opened, "update-ref", "-d", ref, commit, folder=opened.project.root)
        with suppress(OSError):
            top.parent.rmdir()
    elif dimension.made_by_attractor and dimension.folder:
        folder = Path(dimension.folder)
        if folder.exists():
            await in_thread(partial(remove_tree, folder))
        with suppress(OSError):
            folder.parent.rmdir()
    store = _directory_store(opened, records, dimension)
    if store.folder.exists():
        await in_thread(partial(remove_tree, store.folder))
    records.remove(dimension)


def _git_dirs_of(repository: Repository, top: Path) -> Iterator[Path]:
    """Yield the git folder of a worktree, also of one that git did not complete."""
    for folder in (repository.common_dir / "worktrees").glob("*"):
        with suppress(OSError):
            if Path((folder / "gitdir").read_text().strip()).parent == top:
                yield folder


async def _settle(opened: OpenProject, records: DimensionRecords) -> None:
    """Undo what killed commands left, and remove snapshots that were kept long enough."""
    for dimension in records.all():
        if dimension.state is not DimensionState.READY:
            # Git works on after a kill of the command that started it.
            await kill_orphans(_marked(opened))
            await _undo(opened, records, dimension)
            opened.project.console.tell(
                f"The dimension {dimension.name} was cut while it was {dimension.state}: what was "
                "left is removed."
            )
    oldest = time.time() - KEPT_DAYS * 86400
    for place in (records.folder / REMOVED).glob("*.git"):
        if int(place.stem.rpartition("-")[2]) < oldest:
            await in_thread(partial(remove_tree, place))
    if repository := await _try_repository(opened):
        listed = await repository.git.run("for-each-ref", "--format=%(refname)", REMOVED_REFS)
        for ref in listed.splitlines():
            if int(ref.rpartition("/")[2]) < oldest:
                await repository.git.run("update-ref", "-d", ref)


async def _try_repository(opened: OpenProject) -> Repository | None:
    """Open the repository of the project; None outside of Git."""
    project = opened.project
    try:
        return await open_repository(project.root, search_path=project.machine.search_path)
    except NotARepository:
        return None


def _require_folder(dimension: Dimension) -> None:
    if not dimension.folder:
        raise UsageError(
            f"the dimension {dimension.name} has no folder: each run has a workspace of its own",
            hint="its last run is in the list: attractor dimension list",
        )
    require_folder(Path(dimension.folder))


def _last_runs(opened: OpenProject) -> Mapping[str, str]:
    """Return the newest run of each dimension."""
    found: dict[str, str] = {}
    for run in list_runs(opened.project.runs_dir):
        with suppress(AttractorError):
            name = read_request(read_manifest(RunDirectory(run.directory))).dimension
            found.setdefault(name, run.run_id)
    return found


def _worktrees_folder(opened: OpenProject, repository: Repository) -> Path:
    """Return the folder for new worktrees: that of the settings, or beside the repository."""
    project = opened.project
    if project.worktrees:
        return project.root / project.machine.with_home(project.worktrees)
    main = repository.common_dir
    top = main.parent if main.name == ".git" else main
    return top.with_name(f"{top.name}.worktrees")


async def _checkout_of(repository: Repository, branch: str) -> str:
    """Return where a branch is checked out, as words of a message, or ""."""
    listed = await repository.git.run("worktree", "list", "--porcelain", "-z")
    for entry in listed.split("\0\0"):
        fields = entry.split("\0")
        if f"branch refs/heads/{branch}" in fields:
            return f", checked out in {fields[0].removeprefix('worktree ')}"
    return ""


def _directory_store(
    opened: OpenProject, records: DimensionRecords, dimension: Dimension
) -> ObjectStore:
    """Return the store with the base of a folder outside of Git."""
    search_path = opened.project.machine.search_path
    return ObjectStore(
        records.folder / f"{dimension.name}.git", object_format="sha1", search_path=search_path
    )


async def _copy_directory(opened: OpenProject, records: DimensionRecords, plan: Dimension) -> None:
    """Copy the current files of the project into a new folder, and keep them as the base."""
    store, folder = _directory_store(opened, records, plan), Path(plan.folder)
    await store.create()
    tree = await _tree_of(opened, store, opened.project.root)
    await _keep_tree(store, _BASE, tree)
    folder.mkdir(parents=True)
    await write_out(store, await store.files_of(tree), folder)


async def _tree_of(opened: OpenProject, store: ObjectStore, folder: Path) -> str:
    """Return the tree of the files in a folder outside of Git, without ignored files."""
    rules = await read_copy_rules(folder, excluded_paths(opened.project, folder))
    now_ns = stat_cache.filesystem_time(folder, store.folder)
    take = partial(take_snapshot, folder, store.objects, rules, cache={}, now_ns=now_ns)
    return (await in_thread(take)).tree


async def _keep_tree(store: ObjectStore, ref: str, tree: str) -> None:
    commit = await store.git.run("commit-tree", "-m", "Files of a dimension", tree)
    await store.git.run("update-ref", ref, commit)


async def _included(opened: OpenProject) -> Sequence[str]:
    """Return the ignored paths of the project that `.worktreeinclude` names."""
    root, environ = opened.project.root, opened.project.machine.environ
    if not (root / INCLUDED).is_file():
        return ()
    ask = partial(run_git_as_owner, folder=root, environ=environ)
    others = ("ls-files", "-z", "--others", "--ignored", "--directory")
    named = await ask(*others, f"--exclude-from={INCLUDED}")
    ignored = await ask("check-ignore", "-z", "--stdin", stdin=named.stdout.encode())
    return [path.rstrip("/") for path in ignored.stdout.split("\0") if path]


async def _environment(opened: OpenProject, dimension: Dimension) -> ExecutionEnvironment:
    """Return the environment of commands in the folder of a dimension, in a sandbox if possible."""
    project, folder = opened.project, dimension.folder
    request = RunRequest(file=project.root, workspace=dimension.kind, folder=folder)
    sandbox = await choose_sandbox(request, RunScope.of(project), run_id=_marked(opened))
    return sandbox.make(Path(folder))


async def _tear_down(opened: OpenProject, dimension: Dimension) -> None:
    """Run the command of the settings before a folder is removed; report a failure."""
    if not (command := opened.project.teardown):
        return
    try:
        environment = await _environment(opened, dimension)
        require_success(
            await run_setup(environment, command, _TEARDOWN_TIME), command, _TEARDOWN_TIME
        )
    except AttractorError as fault:
        opened.project.console.tell(f"The teardown of {dimension.name} failed: {fault.message}")


async def _ignored_files(opened: OpenProject, dimension: Dimension) -> Sequence[str]:
    """Return the ignored files of a worktree, which no snapshot contains."""
    if not dimension.branch:
        return ()
    others = ("ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory")
    return (await _git(opened, *others, folder=Path(dimension.top))).split("\0")[:-1]


@contextmanager
def _locked(opened: OpenProject) -> Generator[DimensionRecords]:
    """Yield the records of the dimensions of a project, for one command at a time."""
    records = DimensionRecords.of(opened)
    make_private_folder(records.folder)
    lock = FileLock(records.folder.with_name(f"{DIMENSIONS}.lock"))
    with lock.acquire(wait=_PATIENCE_S, purpose="attractor dimension"):
        yield records
