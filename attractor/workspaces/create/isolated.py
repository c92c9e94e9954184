"""Makes the isolated workspace of a run: the base tree without its past and its holdouts.

Opens the workspace of a run again, in the same process or another, on this machine.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

from attractor.base.callables import do_nothing
from attractor.base.files import file_error
from attractor.engine.seams import Base
from attractor.workspaces.dimension import Dimension, Ground, MakeEnvironment, OnSnapshot
from attractor.workspaces.dimension_index import Index
from attractor.workspaces.export import write_out
from attractor.workspaces.files import in_thread
from attractor.workspaces.folders import make_place, new_folder
from attractor.workspaces.git.commits import Author, bring_commit, plant_git
from attractor.workspaces.git.gitignore import IgnoreRules
from attractor.workspaces.git.large_files import find_large_files
from attractor.workspaces.git.materials import NO_MATERIALS, materials_of
from attractor.workspaces.git.object_store import Store
from attractor.workspaces.git.repository import Repository
from attractor.workspaces.git.submodules import find_submodules
from attractor.workspaces.git.trees import (
    LINK,
    SUBMODULE,
    FlatTree,
    TreeEntry,
    folders_above,
    text_of,
    write_tree,
)
from attractor.workspaces.git.uncommitted import WorkTree, commit_uncommitted
from attractor.workspaces.result_tree import LEFT_OUT, candidate_files, kept_of
from attractor.workspaces.run_store import Record, make_store, open_store, write_record
from attractor.workspaces.snapshot import Rules


async def open_again(
    *,
    state: Path,
    run_id: str,
    search_path: str,
    environment: MakeEnvironment,
    on_snapshot: OnSnapshot = do_nothing,
    borrow_from: Path | None = None,
) -> Dimension:
    """Open the workspace of a run, which nobody else has open.

    `borrow_from` is where the objects of its project are now.
    """
    store, record = open_store(state, run_id, search_path=search_path, borrow_from=borrow_from)
    store.remove_abandoned_files()
    if not record.folder.is_dir():
        # Nothing of what was known of it holds for a new one.
        Index(store.folder).forget()
    try:
        record.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as cause:
        raise file_error("create", record.folder, cause) from cause
    ground = Ground(
        state=state,
        store=store,
        base=record.base,
        left_out=record.left_out,
        rules=await _read_rules(store, record),
        environment=environment,
        on_snapshot=on_snapshot,
    )
    return Dimension(record.folder, ground)


async def _read_rules(store: Store, record: Record) -> Rules:
    """Return what the base tree says of the files that belong to it and those that do not."""
    files = await store.files_of(record.base.candidate)
    told = {
        path.removesuffix(b".gitignore"): entry.id
        for path, entry in files.items()
        if path.rpartition(b"/")[2] == b".gitignore" and entry.mode != LINK
    }
    texts = await store.with_blobs(list(told.values()), list)
    ignores = IgnoreRules(dict(zip(told, texts, strict=True)), record.ignored)
    folders = frozenset(chain.from_iterable(map(folders_above, files)))
    is_same = record.base.tree == record.base.candidate
    whole = files if is_same else await store.files_of(record.base.tree)
    kept = kept_of(whole, record.left_out)
    materials = NO_MATERIALS
    if record.materials:
        submodules = {path for path, entry in whole.items() if entry.mode == SUBMODULE}
        materials = materials_of(await store.files_of(record.materials), files, submodules)
    return Rules(ignores, files.keys(), folders, kept, materials)


BASE_REFS = "refs/attractor/base/"


async def make_isolated(
    repository: Repository,
    *,
    state: Path,
    run_id: str,
    commit: str,
    author: Author,
    environment: MakeEnvironment,
    on_snapshot: OnSnapshot = do_nothing,
    left_out: Sequence[str] = LEFT_OUT,
    uncommitted: WorkTree | None = None,
    tell: Callable[[str], None] = do_nothing,
) -> Dimension:
    """Make the workspace of a run from a commit; a half-made one of the same run is made anew.

    What is `uncommitted` in a work tree of that commit comes along, as a commit of its own. What
    the project's clone lacks is told.
    """
    base_commit = await repository.commit(commit)
    store = await make_store(
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
    files = candidate_files(whole, left_out)
    candidate = (await in_thread(partial(write_tree, store.objects, files))).hex()
    base = Base(base_commit, tree, candidate)
    laid = await gather(
        repository, store, tree=tree, base=whole, candidate=files, left_out=left_out, tell=tell
    )
    materials = (await in_thread(partial(write_tree, store.objects, laid))).hex() if laid else ""
    with new_folder(make_place(state)) as folder:
        shown = {**files, **laid}
        known = await write_out(store, shown, folder)
        await plant_git(folder, store, shown, author)
        Index(store.folder).know(known)
        store.objects.sync()
        record = Record(folder, base, tuple(left_out), (), store.object_format, materials)
        write_record(store.folder, record)
    return await open_again(
        state=state,
        run_id=run_id,
        search_path=repository.git.search_path,
        environment=environment,
        on_snapshot=on_snapshot,
    )


async def _with_uncommitted(
    repository: Repository, store: Store, commit: str, work_tree: WorkTree, author: Author
) -> str:
    """Give the project a commit, on no branch, of what is not committed."""
    tree = await repository.tree(commit)
    made = await commit_uncommitted(store, work_tree, commit, tree=tree, author=author)
    if made != commit:
        await bring_commit(made, out_of=store.git, into=repository.git, without=commit)
    return made


_SHOWN = 5


async def gather(
    repository: Repository,
    store: Store,
    *,
    tree: str,
    base: FlatTree,
    candidate: FlatTree,
    left_out: Sequence[str],
    tell: Callable[[str], None] = do_nothing,
) -> FlatTree:
    """Return the files of submodules, and the contents of large files in the place of pointers.

    What the project's clone does not have is told.
    """
    large = await find_large_files(store, candidate, _objects_of_lfs(repository.common_dir))
    missing = list(large.missing)
    laid: dict[bytes, TreeEntry] = dict(large.found)
    submodules = await find_submodules(
        store,
        repository.git,
        list(dict.fromkeys([repository.git.git_dir, repository.common_dir])),
        tree,
        _links(base, left_out),
    )
    for one in submodules.found:
        large = await find_large_files(store, one.files, _objects_of_lfs(one.git_dir))
        missing += [one.path + b"/" + path for path in large.missing]
        whole = {one.path + b"/" + path: it for path, it in {**one.files, **large.found}.items()}
        laid |= candidate_files(whole, left_out)
    for path, commit in sorted(submodules.missing):
        tell(
            f"The submodule {text_of(path)} is not in this clone at {commit[:12]}, so the run goes "
            "without it: `git submodule update --init` fetches it."
        )
    if missing:
        tell(
            f"git LFS keeps what this clone does not have, so the run sees pointers only: "
            f"{_named(missing)}; `git lfs pull` fetches it."
        )
    return laid


def _objects_of_lfs(git_dir: Path) -> Path:
    return git_dir / "lfs" / "objects"


def _links(base: FlatTree, left_out: Sequence[str]) -> FlatTree:
    """Return the submodules of a tree, but for those that lie where agents get nothing."""
    links = {path: entry for path, entry in base.items() if entry.mode == SUBMODULE}
    as_files = {path: TreeEntry(0, entry.id) for path, entry in links.items()}
    return {path: links[path] for path in candidate_files(as_files, left_out)}


def _named(paths: Sequence[bytes]) -> str:
    return ", ".join(_some(sorted(map(text_of, paths))))


def _some(names: Sequence[str]) -> Iterator[str]:
    yield from names[:_SHOWN]
    if len(names) > _SHOWN:
        yield f"and {len(names) - _SHOWN} more"
