"""A checkout of the last commit, with neither history nor holdouts."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

from attractor.base.callables import do_nothing
from attractor.base.files import file_error
from attractor.engine.seams import Base
from attractor.engine.state.attempts import TreeId
from attractor.workspaces.create.registry import NewWorkspace, WorkspaceKind
from attractor.workspaces.errors import NotARepository
from attractor.workspaces.folders import make_workspaces_folder, new_folder, require_folder
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.git.gitignore import IgnoreRules
from attractor.workspaces.git.object_store import (
    Author,
    ObjectStore,
    bring_commit,
    create_agent_repository,
)
from attractor.workspaces.git.objects import (
    LINK,
    NO_MATERIALS,
    SUBMODULE,
    FlatTree,
    TreeEntry,
    folders_above,
    materials_of,
    text_of,
    write_tree,
)
from attractor.workspaces.git.repository import Repository, open_repository
from attractor.workspaces.git.submodules import find_submodules
from attractor.workspaces.result_tree import (
    BUILD_FOLDERS,
    EXCLUDED,
    LEAVE_OUT,
    candidate_files,
    excluded_in,
    protected_paths,
)
from attractor.workspaces.run_store import (
    FolderIndex,
    WorkspaceRecord,
    create_store,
    open_store,
    write_record,
)
from attractor.workspaces.snapshot import SnapshotRules, write_out
from attractor.workspaces.tracked_folder import (
    EnvironmentFactory,
    FolderContext,
    OnSnapshot,
    TrackedFolder,
)
from attractor.workspaces.uncommitted import (
    WorkTree,
    commit_uncommitted,
    find_large_files,
    has_uncommitted,
)


async def reopen_workspace(
    *,
    state: Path,
    run_id: str,
    search_path: str,
    environment: EnvironmentFactory,
    on_snapshot: OnSnapshot = do_nothing,
    borrow_from: Path | None = None,
    sets_back: bool = True,
    tree: TreeId = "",
) -> TrackedFolder:
    """Reopen the workspace of a run; no other process may have this workspace open.

    `borrow_from` is the current folder of the project's objects. Without `sets_back`, the folder is
    a person's; otherwise a lost folder gets the files of `tree`.
    """
    store, record = open_store(state, run_id, search_path=search_path, borrow_from=borrow_from)
    is_lost = sets_back and not record.folder.is_dir()
    workspace = await _open_workspace(
        state,
        store,
        record,
        environment=environment,
        on_snapshot=on_snapshot,
        sets_back=sets_back,
    )
    if is_lost and tree:
        await workspace.fill(tree)
    return workspace


async def _open_workspace(
    state: Path,
    store: ObjectStore,
    record: WorkspaceRecord,
    *,
    environment: EnvironmentFactory,
    on_snapshot: OnSnapshot,
    sets_back: bool = True,
) -> TrackedFolder:
    store.remove_abandoned_files()
    if not sets_back:
        require_folder(record.folder)
    if not record.folder.is_dir():
        # The entries of a lost folder are invalid for a new one.
        FolderIndex(store.folder).forget()
    try:
        record.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as cause:
        raise file_error("create", record.folder, cause) from cause
    ground = FolderContext(
        state=state,
        store=store,
        base=record.base,
        excluded=record.excluded,
        rules=await _read_rules(store, record),
        environment=environment,
        on_snapshot=on_snapshot,
        sets_back=sets_back,
    )
    return TrackedFolder(record.folder, ground)


async def _read_rules(store: ObjectStore, record: WorkspaceRecord) -> SnapshotRules:
    """Return the rules of the base tree: the paths of its files, and its ignore files."""
    files = await store.files_of(record.base.candidate)
    ignore_files = {
        path.removesuffix(b".gitignore"): entry.id
        for path, entry in files.items()
        if path.rpartition(b"/")[2] == b".gitignore" and entry.mode != LINK
    }
    texts = await store.with_blobs(list(ignore_files.values()), list)
    ignores = IgnoreRules(dict(zip(ignore_files, texts, strict=True)), record.ignored)
    folders = frozenset(chain.from_iterable(map(folders_above, files)))
    is_same = record.base.tree == record.base.candidate
    whole = files if is_same else await store.files_of(record.base.tree)
    protected = protected_paths(whole, record.excluded)
    materials = NO_MATERIALS
    if record.materials:
        submodules = {path for path, entry in whole.items() if entry.mode == SUBMODULE}
        materials = materials_of(await store.files_of(record.materials), files, submodules)
    leave_out = IgnoreRules({}, record.leave_out)
    names = [f"{name}/" for name in BUILD_FOLDERS] if record.leaves_out_builds else []
    built = IgnoreRules({}, [*names, *record.leave_out])
    return SnapshotRules(ignores, files.keys(), folders, protected, materials, leave_out, built)


BASE_REFS = "refs/attractor/base/"


async def create_isolated(
    repository: Repository,
    *,
    state: Path,
    run_id: str,
    commit: str,
    author: Author,
    environment: EnvironmentFactory,
    on_snapshot: OnSnapshot = do_nothing,
    excluded: Sequence[str] = EXCLUDED,
    leave_out: Sequence[str] = LEAVE_OUT,
    uncommitted: WorkTree | None = None,
    tell: Callable[[str], None] = do_nothing,
) -> TrackedFolder:
    """Create the workspace of a run from a commit; replace an incomplete workspace.

    Uncommitted changes of the work tree `uncommitted` are included as a separate commit. Contents
    that the project's clone lacks are reported to `tell`.
    """
    base_commit = await repository.commit(commit)
    store = await create_store(
        state,
        run_id,
        search_path=repository.git.search_path,
        object_format=repository.object_format,
        borrow_from=repository.objects,
    )
    if uncommitted is not None:
        base_commit = await _with_uncommitted(repository, store, base_commit, uncommitted, author)
    await repository.git.run("update-ref", f"{BASE_REFS}{run_id}", base_commit)
    tree = await repository.tree(base_commit)
    whole = await store.files_of(tree)
    files = candidate_files(whole, excluded)
    candidate = (await in_thread(partial(write_tree, store.objects, files))).hex()
    base = Base(base_commit, tree, candidate)
    laid = await gather_materials(
        repository, store, tree=tree, base=whole, candidate=files, excluded=excluded, tell=tell
    )
    materials = (await in_thread(partial(write_tree, store.objects, laid))).hex() if laid else ""
    with new_folder(make_workspaces_folder(state)) as folder:
        shown = {**files, **laid}
        known = await write_out(store, shown, folder)
        await create_agent_repository(folder, store, shown, author)
        FolderIndex(store.folder).save_stat_cache(known)
        store.objects.sync()
        record = WorkspaceRecord(
            folder,
            base,
            tuple(excluded),
            (),
            store.object_format,
            materials,
            tuple(leave_out),
            leaves_out_builds=True,
        )
        write_record(store.folder, record)
    return await _open_workspace(
        state, store, record, environment=environment, on_snapshot=on_snapshot
    )


async def _with_uncommitted(
    repository: Repository, store: ObjectStore, commit: str, work_tree: WorkTree, author: Author
) -> str:
    """Commit uncommitted changes in the project, on no branch."""
    tree = await repository.tree(commit)
    made = await commit_uncommitted(store, work_tree, commit, tree=tree, author=author)
    if made != commit:
        await bring_commit(made, out_of=store.git, into=repository.git, without=commit)
    return made


_SHOWN = 5


async def gather_materials(
    repository: Repository,
    store: ObjectStore,
    *,
    tree: str,
    base: FlatTree,
    candidate: FlatTree,
    excluded: Sequence[str],
    tell: Callable[[str], None] = do_nothing,
) -> FlatTree:
    """Return the files of submodules, and the contents of git LFS pointers.

    Contents that the project's clone lacks are reported to `tell`.
    """
    large = await find_large_files(store, candidate, _objects_of_lfs(repository.common_dir))
    missing = list(large.missing)
    laid: dict[bytes, TreeEntry] = dict(large.found)
    as_files = {
        path: TreeEntry(0, entry.id) for path, entry in base.items() if entry.mode == SUBMODULE
    }
    submodules = await find_submodules(
        store,
        repository.git,
        list(dict.fromkeys([repository.git.git_dir, repository.common_dir])),
        tree,
        {path: base[path] for path in candidate_files(as_files, excluded)},
    )
    for submodule in submodules.found:
        large = await find_large_files(store, submodule.files, _objects_of_lfs(submodule.git_dir))
        above = submodule.path + b"/"
        missing += [above + path for path in large.missing]
        files = {**submodule.files, **large.found}
        laid |= candidate_files({above + path: files[path] for path in files}, excluded)
    for path, commit in sorted(submodules.missing):
        tell(
            f"The run works without the submodule {text_of(path)}: this clone lacks {commit[:12]}. "
            "Fetch it with `git submodule update --init`."
        )
    if missing:
        names = sorted(map(text_of, missing))
        more = [f"and {len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
        named = ", ".join([*names[:_SHOWN], *more])
        tell(
            f"This clone lacks git LFS contents, so the run sees only pointers: {named}. "
            f"Fetch them with `git lfs pull`."
        )
    return laid


def _objects_of_lfs(git_dir: Path) -> Path:
    return git_dir / "lfs" / "objects"


_OTHER_WORKSPACES = (
    ", or start a new run on a copy (--workspace copy) or in place (--workspace in-place)"
)


async def create(new: NewWorkspace) -> TrackedFolder:
    """Create the workspace of a run from a commit, or refuse a folder outside of a repository."""
    if not new.include_dirty and await has_uncommitted(new.folder, environ=new.environ):
        new.tell(
            "Uncommitted changes of the project are not part of this run (include them with "
            "--include-dirty)."
        )
    try:
        repository = await open_repository(new.folder, search_path=new.search_path)
    except NotARepository as fault:
        raise NotARepository(fault.message, hint=f"{fault.hint}{_OTHER_WORKSPACES}") from fault
    return await create_isolated(
        repository,
        state=new.state,
        run_id=new.run_id,
        commit=new.commit,
        author=new.author,
        environment=new.environment,
        on_snapshot=new.on_snapshot,
        excluded=excluded_in(repository.prefix),
        leave_out=new.leave_out,
        uncommitted=WorkTree(new.folder, new.environ) if new.include_dirty else None,
        tell=new.tell,
    )


part = WorkspaceKind(
    is_apart=True, sets_back=True, hides_scenarios=True, how_delivered="branch", create=create
)
