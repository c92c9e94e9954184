"""Changes that a person names to have them judged: uncommitted files, a branch, a pull request.

It is unknown what their author read. Settings and suites are those of the base, never theirs.
"""

from collections.abc import AsyncGenerator, Container, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused, UsageError
from attractor.config.projects import PROJECT_FILE
from attractor.engine.run_folder.result import RunResult
from attractor.factory.decisions.promotion import HEADS
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.submission import start_submission
from attractor.factory.resources.protected_paths import protected_paths
from attractor.factory.resources.versions import split_reference
from attractor.records.request import RunRequest, Submission
from attractor.workspaces.errors import GitFailed
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.git.gitignore import IgnoreRules
from attractor.workspaces.git.object_store import Author, ObjectStore
from attractor.workspaces.git.objects import object_id, text_of, write_tree
from attractor.workspaces.git.repository import Repository, open_repository, run_git_as_owner
from attractor.workspaces.result_tree import candidate_files, excluded_in
from attractor.workspaces.run_store import store_for_a_moment
from attractor.workspaces.uncommitted import WorkTree, commit_uncommitted

HEAD = "HEAD"


@dataclass(frozen=True)
class NamedChange:
    """A change in words, its commit ("" for the files as they are), and the ref of its base."""

    words: str
    commit: str = ""
    base: str = HEAD


async def find_change(
    opened: OpenProject, *, diff: str, branch: str, pull: int | None, base: str
) -> NamedChange:
    """Return the change that one of the options names; fetch a pull request."""
    project = opened.project
    if sum(map(bool, (diff, branch, pull))) != 1:
        raise UsageError("--diff, --branch and --pr exclude each other")
    if diff:
        return NamedChange(f"changes since {base or diff}", base=base or diff)
    repository = await open_repository(project.root, search_path=project.machine.search_path)
    if branch:
        words, ref = f"branch {branch}", branch
    else:
        # Only pull requests need a forge.
        from attractor.factory.pulls.open_forge import fetch_pull

        words, ref = f"pull request #{pull}", await fetch_pull(project, pull or 0)
    commit = await _commit(ref, repository)
    theirs = await _commit(base or HEAD, repository)
    found = await repository.git.answer("merge-base", theirs, commit)
    if found.exit_code:
        hint = "fetch the whole history: git fetch --unshallow; or name another commit: --base REF"
        raise Refused(f"{words} has no commit in common with {base or HEAD}", hint=hint)
    return NamedChange(f"{words} at {commit[:12]}", commit, found.stdout.strip())


async def _commit(name: str, repository: Repository) -> str:
    """Return the commit of a name: of the branch, if a tag has the same name."""
    branch = "" if name == HEAD else await repository.ref(f"{HEADS}{name}^{{commit}}")
    return branch or await repository.commit(name)


async def submit_change(change: NamedChange, opened: OpenProject, asked: RunRequest) -> RunResult:
    """Evaluate a change with a suite, and leave the decision to a person."""
    opened.refuse_in_run("'attractor judge'")
    project = opened.project
    repository = await open_repository(project.root, search_path=project.machine.search_path)
    base = await _commit(change.base, repository)
    suite = asked.suite or project.suite
    exposure = await _exposure(suite, repository, opened) if suite else ""
    async with store_for_a_moment(repository, opened.project.machine.state_dir) as store:
        await _require_own_rules(base, store, repository, opened)
        whole = await _tree_of(change, store, repository, opened)
        hidden = await _hidden_changes(await repository.tree(base), whole, store, repository)
        if not change.commit:
            # The folder of a suite that is not added to git changes nothing.
            tracked = await _tracked(store, opened)
            hidden = [path for path in hidden if path in tracked]
        shown = [*map(text_of, hidden)]
        submission = Submission(
            "",
            base,
            "",
            source=change.words,
            exposure=exposure,
            protected=protected_paths(shown, prefix=repository.prefix, offending=shown),
        )
        files = _candidate_of(whole, store, repository, base)
        request = replace(asked, goal=asked.goal or change.words)
        return await start_submission(request, submission, files, opened, what=change.words)


async def _hidden_changes(
    before: str, after: str, store: ObjectStore, repository: Repository
) -> Sequence[bytes]:
    """Return the changed paths between two trees that no workspace contains: also submodules."""
    hidden: set[bytes] = set()
    for tree in (before, after):
        files = await store.files_of(tree)
        hidden |= files.keys() - candidate_files(files, excluded_in(repository.prefix)).keys()
    return [change.path for change in await store.changes(before, after) if change.path in hidden]


async def _tracked(store: ObjectStore, opened: OpenProject) -> Container[bytes]:
    """Return the paths in the index of the project's repository."""
    project = opened.project
    ask = partial(run_git_as_owner, folder=project.root, environ=project.machine.environ)
    with store.empty_folder() as folder:
        paths = folder / "paths"
        found = await ask("ls-files", "-z", "--full-name", ":/", output=paths)
        if found.exit_code:
            raise GitFailed(f"git ls-files in {project.root} failed: {found.stderr.strip()}")
        return {*paths.read_bytes().split(b"\0")}


async def _tree_of(
    change: NamedChange, store: ObjectStore, repository: Repository, opened: OpenProject
) -> str:
    """Return the whole tree of a change, also of files that are not committed."""
    if change.commit:
        return await repository.tree(change.commit)
    project = opened.project
    ask = partial(run_git_as_owner, folder=project.root, environ=project.machine.environ)
    top = (await ask("rev-parse", "--show-toplevel")).stdout.removesuffix("\n")
    head = await repository.commit(HEAD)
    tip = await commit_uncommitted(
        store,
        WorkTree(Path(top), project.machine.environ),
        head,
        tree=await repository.tree(head),
        author=Author.attractor(project.machine.clock.now()),
    )
    return await store.git.run("rev-parse", f"{tip}^{{tree}}")


@asynccontextmanager
async def _candidate_of(
    whole: str, store: ObjectStore, repository: Repository, base: str
) -> AsyncGenerator[tuple[ObjectStore, str, str]]:
    """Yield the store with the tree without the files that no workspace contains."""
    files = candidate_files(await store.files_of(whole), excluded_in(repository.prefix))
    tree = (await in_thread(partial(write_tree, store.objects, files))).hex()
    store.objects.sync()
    yield store, tree, base


async def _require_own_rules(
    base: str, store: ObjectStore, repository: Repository, opened: OpenProject
) -> None:
    """Refuse settings in the project's folder, or suites of its commit, that the base lacks."""
    root, prefix = opened.project.root, repository.prefix
    theirs = await repository.git.answer("show", f"{base}:{prefix}{PROJECT_FILE}")
    file = root / PROJECT_FILE
    own = file.read_text("utf-8") if file.is_file() else ""
    trees = [await repository.tree(commit) for commit in (base, HEAD)]
    # Also a link or a file in place of a folder.
    rules = IgnoreRules({}, [pattern.rstrip("/") for pattern in excluded_in(prefix)])
    changed = [
        text_of(change.path)
        for change in await store.changes(*trees)
        if rules.ignores_file(change.path)
    ]
    if own != theirs.stdout:
        changed.insert(0, PROJECT_FILE)
    if changed:
        raise Refused(
            f"{changed[0]} differs from that of the base {base[:12]}, and a change is judged by "
            "the rules of its base",
            hint=f"check the base out, and judge the change there: git switch --detach {base[:12]}",
        )


async def _exposure(suite: str, repository: Repository, opened: OpenProject) -> str:
    """Return why the author of a change may know the holdouts of a suite, or ""."""
    # Suites are slow to import.
    from attractor.factory.registration.committed_suites import find_suite_folder

    name, _ = split_reference(suite)
    root, git = opened.project.root.resolve(), repository.git
    holdouts: Sequence[bytes] = ()
    if opened.suites.versions.knows(name):
        version = opened.suites.versions.of_pin(opened.pin_suite(suite))
        folder = Path(str(version.data["folder"])).resolve()
        holdouts = opened.suites.open(version).holdout_texts()
    elif found := find_suite_folder(name, root):
        folder = found.path.resolve()
    else:
        return ""
    top = [root, *root.parents][len(Path(repository.prefix).parts)]
    if folder.is_relative_to(top):
        at = f"{folder.relative_to(top).as_posix()}/holdout"
        # Without simplification, which omits a merged branch that removed its files again.
        if await git.run("log", "--all", "--full-history", "-1", "--format=%H", "--", at):
            return f"{at} is in the repository that the author of the change has"
        if (folder / "holdout").is_dir():
            return f"{at} is in the project's folder"
    # Also in another folder, or in a commit that no branch contains.
    ids = (object_id("blob", text, repository.object_format).hex() for text in holdouts)
    asked = "".join(f"{id_}\n" for id_ in ids).encode()
    known = (await git.run("cat-file", "--batch-check", stdin=asked)).splitlines()
    if all(line.endswith(" missing") for line in known):
        return ""
    return "a holdout is in the repository that the author of the change has"
