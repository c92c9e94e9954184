"""Changes that a person names to have them judged: uncommitted files, a branch, a pull request.

Nobody knows what their author read. Settings and suites are those of the base, never of the change.
"""

import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused, UsageError
from attractor.config.projects import PROJECT_FILE
from attractor.engine.run_folder.result import RunResult
from attractor.factory.open_project import OpenProject
from attractor.factory.resources.protected_paths import protected_paths
from attractor.factory.resources.versions import split_reference
from attractor.pipeline.workspace.stage_commits import EMAIL, NAME
from attractor.records.request import RunRequest, Submission
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.git.object_store import Author, ObjectStore
from attractor.workspaces.git.objects import write_tree
from attractor.workspaces.git.repository import Repository, open_repository, run_git_as_owner
from attractor.workspaces.result_tree import EXCLUDED, candidate_files, excluded_in
from attractor.workspaces.uncommitted import WorkTree, commit_uncommitted
from attractor.worlds.submit import start_submission

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
    commit = await repository.commit(ref)
    theirs = await repository.commit(base or HEAD)
    found = await repository.git.answer("merge-base", theirs, commit)
    if found.exit_code:
        raise Refused(f"{words} has no commit in common with {base or HEAD}")
    return NamedChange(words, commit, found.stdout.strip())


async def submit_change(change: NamedChange, opened: OpenProject, asked: RunRequest) -> RunResult:
    """Evaluate a change with a suite, and leave the decision to a person."""
    opened.refuse_in_run("'attractor judge'")
    project = opened.project
    repository = await open_repository(project.root, search_path=project.machine.search_path)
    base = await repository.commit(change.base)
    await _require_own_rules(base, repository, opened)
    suite = asked.suite or project.suite
    exposure = await _exposure(suite, repository, opened) if suite else ""
    async with _store_of(repository, opened) as store:
        whole = await _tree_of(change, store, repository, opened)
        hidden = await _hidden_changes(base, change.commit, repository, opened)
        submission = Submission(
            "",
            base,
            "",
            source=change.words,
            exposure=exposure,
            protected=protected_paths(hidden, prefix=repository.prefix),
        )
        files = _candidate_of(whole, store, repository, base)
        request = replace(asked, goal=asked.goal or change.words)
        return await start_submission(request, submission, files, opened, what=change.words)


async def _hidden_changes(
    base: str, commit: str, repository: Repository, opened: OpenProject
) -> Sequence[str]:
    """Return the changed files that no workspace contains; of the files as they are, tracked ones.

    A commit of "" means the files as they are.
    """
    project = opened.project
    tops = [f":(top){at}{one.strip('/')}" for at in {"", repository.prefix} for one in EXCLUDED]
    words = ("diff", "--name-only", "--no-ext-diff", "-z", base, *filter(None, [commit]), "--")
    ask = partial(run_git_as_owner, folder=project.root, environ=project.machine.environ)
    return (await ask(*words, *tops)).stdout.split("\0")[:-1]


@asynccontextmanager
async def _store_of(repository: Repository, opened: OpenProject) -> AsyncGenerator[ObjectStore]:
    """Yield a store for a moment, which borrows the objects of the repository."""
    machine = opened.project.machine
    with tempfile.TemporaryDirectory(dir=machine.state_dir) as folder:
        store = ObjectStore(
            Path(folder, "store"),
            object_format=repository.object_format,
            search_path=machine.search_path,
        )
        await store.create(borrow_from=repository.objects)
        yield store


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
        author=Author(NAME, EMAIL, project.machine.clock.now()),
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


async def _require_own_rules(base: str, repository: Repository, opened: OpenProject) -> None:
    """Refuse settings in the project's folder, or suites of its commit, that the base lacks."""
    root, prefix = opened.project.root, repository.prefix
    theirs = await repository.git.answer("show", f"{base}:{prefix}{PROJECT_FILE}")
    file = root / PROJECT_FILE
    own = file.read_text("utf-8") if file.is_file() else ""
    changed: Sequence[str] = [PROJECT_FILE] if own != theirs.stdout else []
    if not changed:
        changed = await _hidden_changes(base, HEAD, repository, opened)
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
    root = opened.project.root
    if opened.suites.versions.knows(name):
        folder = Path(str(opened.suites.versions.of_pin(opened.pin_suite(suite)).data["folder"]))
    elif found := find_suite_folder(name, root):
        folder = found.path
    else:
        return ""
    if not folder.resolve().is_relative_to(root.resolve()):
        return ""
    place = folder.resolve().relative_to(root.resolve()).as_posix()
    at = f"{repository.prefix}{place}/holdout"
    has_been = await repository.git.run("log", "--all", "-1", "--format=%H", "--", at)
    if has_been:
        return f"{place}/holdout is in the repository that the author of the change has"
    return f"{place}/holdout is in the project's folder" if (folder / "holdout").is_dir() else ""
