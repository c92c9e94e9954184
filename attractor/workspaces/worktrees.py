"""Linked worktrees of a person's repository: made, compared, kept and removed."""

import os
import tempfile
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.files import remove_tree
from attractor.workspaces.checkouts import RUN_BRANCHES
from attractor.workspaces.errors import GitFailed
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.git.object_store import Author, ObjectStore, bring_commit
from attractor.workspaces.git.objects import write_tree
from attractor.workspaces.git.repository import Repository, run_git_as_owner
from attractor.workspaces.landings import find_landing
from attractor.workspaces.result_tree import candidate_files, excluded_in
from attractor.workspaces.uncommitted import WorkTree, commit_uncommitted

REMOVED_REFS = "refs/attractor/removed/"
INCLUDED = ".worktreeinclude"
"""The file with patterns of ignored files that a new worktree gets from the project."""

_BRANCHES = ("refs/heads", "refs/remotes")
_TIME_LIMIT = timedelta(minutes=10)
_IN_PROGRESS = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply")


@dataclass(frozen=True)
class WorktreeFiles:
    """The files of a worktree at a moment, in a store that borrows the objects of the repository.

    `head` is the checked-out commit, `tip` a commit with the uncommitted changes, and `tree` its
    tree. `fork` is the commit at which the worktree left the branch from which it was made.
    """

    store: ObjectStore
    head: str
    tip: str
    tree: str
    fork: str


@dataclass(frozen=True, kw_only=True)
class LinkedWorktree:
    """A worktree of a repository, made with the branch `branch` at the commit `base`.

    `base_branch` is the branch from which it was made, or "". `author` signs commits with
    uncommitted changes. `scratch` contains stores that last for a moment.
    """

    repository: Repository
    top: Path
    branch: str
    base: str
    base_branch: str
    environ: Mapping[str, str]
    author: Author
    scratch: Path

    async def make(self, project: Path, tell: Callable[[str], None]) -> None:
        """Make the worktree and its branch: a sparse checkout without what workspaces exclude."""
        self.top.parent.mkdir(parents=True, exist_ok=True)
        config, git = self.repository.common_dir / "config", self.repository.git
        extension = ("config", "--get", "--file", str(config), "extensions.worktreeConfig")
        had = (await git.answer(*extension)).stdout.strip()
        add = ("worktree", "add", "--quiet", "--no-checkout", "-b", self.branch)
        await self._ask(*add, str(self.top), self.base, folder=project)
        patterns = ["/*", *(f"!{one}" for one in excluded_in(self.repository.prefix))]
        await self._ask("sparse-checkout", "set", "--no-cone", *patterns)
        await self._ask("checkout", "--quiet")
        (self.top / self.repository.prefix).mkdir(parents=True, exist_ok=True)
        if had != "true":
            tell(
                f"extensions.worktreeConfig is set in {config} now, as the sparse checkout of a "
                "worktree needs."
            )

    async def copy_to(self, other: "LinkedWorktree") -> None:
        """Give another worktree, which was just made at the same commit, the files of this one."""
        async with self.files() as now:
            if now.tip != now.head:
                into = self.repository.git
                await bring_commit(now.tip, out_of=now.store.git, into=into, without=now.head)
                await other._ask("read-tree", "--reset", "-u", now.tip)
                await other._ask("read-tree", now.head)

    async def repair(self) -> None:
        """Repair the links between a worktree and its repository, of which one or both moved."""
        self._require_link()
        await self._ask("worktree", "repair", str(self.top), folder=self.repository.common_dir)
        if self.opened().git.git_dir not in [folder.resolve() for folder in self._git_dirs()]:
            raise GitFailed(f"{self.top} is the place of another worktree")

    async def remove(self) -> None:
        """Remove the folder, also one that git did not complete."""
        for folder in (*self._git_dirs(), self.top):
            if folder.exists():
                await in_thread(partial(remove_tree, folder))
        with suppress(OSError):
            self.top.parent.rmdir()

    def _git_dirs(self) -> Iterator[Path]:
        for folder in (self.repository.common_dir / "worktrees").glob("*"):
            with suppress(OSError):
                if Path((folder / "gitdir").read_text().strip()).parent == self.top:
                    yield folder

    async def remove_branch(self, *, only_unchanged: bool) -> None:
        """Remove the branch; with `only_unchanged`, only without commits of its own."""
        ref = f"refs/heads/{self.branch}"
        commit = await self.repository.ref(ref)
        if commit and (commit == self.base or not only_unchanged):
            await self._ask("update-ref", "-d", ref, commit, folder=self.repository.common_dir)

    async def head(self) -> str:
        """Return the checked-out commit."""
        return await self.opened().commit("HEAD")

    async def checked_out_branch(self) -> str:
        """Return the branch that is checked out now, or ""."""
        return await self.opened().checked_out_branch()

    @asynccontextmanager
    async def store(self) -> AsyncGenerator[ObjectStore]:
        """Yield a new store that borrows the objects of the repository, and lasts for a moment."""
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            store = ObjectStore(
                Path(folder, "store"),
                object_format=self.repository.object_format,
                search_path=self.repository.git.search_path,
            )
            await store.create(borrow_from=self.repository.objects)
            yield store

    @asynccontextmanager
    async def files(self) -> AsyncGenerator[WorktreeFiles]:
        """Yield the current files, with uncommitted changes and without ignored files."""
        there = self.opened()
        async with self.store() as store:
            head = await there.commit("HEAD")
            tip = await commit_uncommitted(
                store,
                WorkTree(self.top, self.environ),
                head,
                tree=await there.tree(head),
                author=self.author,
            )
            tree = await store.git.run("rev-parse", f"{tip}^{{tree}}")
            yield WorktreeFiles(store, head, tip, tree, await self._fork(head))

    @asynccontextmanager
    async def compared(self) -> AsyncGenerator[tuple[ObjectStore, str, str]]:
        """Yield a store with the tree where the worktree left its branch, and the current one."""
        async with self.files() as now:
            yield now.store, await self.repository.tree(now.fork), now.tree

    @asynccontextmanager
    async def candidate(self) -> AsyncGenerator[tuple[ObjectStore, str, str]]:
        """Yield a store with the current tree without excluded files, and the base commit."""
        async with self.files() as now:
            whole = await now.store.files_of(now.tree)
            files = candidate_files(whole, excluded_in(self.repository.prefix))
            tree = (await in_thread(partial(write_tree, now.store.objects, files))).hex()
            now.store.objects.sync()
            yield now.store, tree, now.fork

    async def is_merged(self) -> bool:
        """Return whether the branch has commits, and the one it was made from has them all."""
        head = await self.repository.ref(f"refs/heads/{self.branch}")
        if not self.base_branch or head in ("", self.base):
            return False
        ancestor = ("merge-base", "--is-ancestor", head, f"refs/heads/{self.base_branch}")
        return (await self.repository.git.answer(*ancestor)).exit_code == 0

    async def loss(self) -> str:
        """Return what would be lost if the worktree and its branch were removed, or ""."""
        git = self.repository.git
        if words := self.in_progress():
            return words
        async with self.files() as now:
            refs = ("for-each-ref", "--format=%(refname) %(objectname)", *_BRANCHES)
            lines = (await git.run(*refs)).splitlines()
            branches = dict(line.rsplit(" ", 1) for line in lines)
            branches.pop(f"refs/heads/{self.branch}", None)
            # `gc` removes the branches of runs that were rejected.
            runs = [ref for ref in branches if ref.startswith(RUN_BRANCHES)]
            branches = {ref: one for ref, one in branches.items() if ref not in runs}
            containing = await git.run(*refs, f"--contains={now.head}")
            holders = {line.rsplit(" ", 1)[0] for line in containing.splitlines()}
            if now.tip == now.head and holders & branches.keys():
                return ""
            if await self.repository.tree(now.fork) == now.tree:
                return ""
            landing = await find_landing(now.store.git, branches, now.fork, now.tip)
        if landing and not landing.reverted_on:
            return ""
        return "uncommitted changes" if now.tip != now.head else f"commits on {self.branch} only"

    async def ignored_among(self, paths: Sequence[bytes]) -> Sequence[bytes]:
        """Return the paths that Git ignores by any of its rules, and that it does not track."""
        listed = b"".join(b"%s\0" % path for path in paths)
        ask = ("check-ignore", "-z", "--stdin")
        result = await run_git_as_owner(
            *ask, folder=self.top, environ=self.environ, stdin=listed, timeout=_TIME_LIMIT
        )
        return [os.fsencode(path) for path in result.stdout.split("\0")[:-1]]

    def in_progress(self) -> str:
        """Return which merge or rebase of a person is not complete, or ""."""
        git_dir = self.opened().git.git_dir
        for name in _IN_PROGRESS:
            if (git_dir / name).exists():
                return f"a {name.removesuffix('_HEAD').replace('_', '-').lower()} is not complete"
        return ""

    async def keep(self, name: str, seconds: float) -> str:
        """Keep the current files in the repository at a time; return the name of their ref."""
        kept = f"{REMOVED_REFS}{name}/{seconds:.6f}"
        async with self.files() as now:
            if now.tip != now.head:
                into = self.repository.git
                await bring_commit(now.tip, out_of=now.store.git, into=into, without=now.head)
            await self.repository.create_ref(kept, now.tip)
        return kept

    async def ignored_files(self) -> Sequence[str]:
        """Return the ignored files, which no snapshot contains."""
        others = ("--others", "--ignored", "--exclude-standard", "--directory")
        return (await self._ask("ls-files", "-z", *others)).split("\0")[:-1]

    def opened(self) -> Repository:
        """Open the worktree's repository, unless an agent replaced the `.git` of the worktree."""
        link = self._require_link()
        target = link.read_text("utf-8", "replace").removeprefix("gitdir:").strip()
        git_dir = Path(link.parent, target).resolve()
        if git_dir.parent != self.repository.common_dir.resolve() / "worktrees":
            raise GitFailed(f"{link} leads to {target}, not to the repository")
        return replace(self.repository, git=replace(self.repository.git, git_dir=git_dir))

    def _require_link(self) -> Path:
        link = self.top / ".git"
        if link.is_symlink() or not link.is_file():
            raise GitFailed(f"{link} is no link to the repository")
        return link

    async def _fork(self, head: str) -> str:
        branch = f"refs/heads/{self.base_branch}"
        if self.base_branch and await self.repository.ref(branch):
            found = await self.repository.git.answer("merge-base", head, branch)
            # A merged branch has no changes of its own, but the worktree may have.
            if found.exit_code == 0 and found.stdout.strip():
                return found.stdout.strip()
        return self.base

    async def _ask(self, *arguments: str, folder: Path | None = None) -> str:
        """Run git with the person's configuration."""
        folder = folder or self.top
        result = await run_git_as_owner(
            *arguments, folder=folder, environ=self.environ, timeout=_TIME_LIMIT
        )
        if result.exit_code:
            raise GitFailed(f"git {arguments[0]} in {folder} failed: {result.stderr.strip()}")
        return result.stdout


def worktrees_folder(repository: Repository) -> Path:
    """Return the default folder of new worktrees, which is beside the repository."""
    main = repository.common_dir
    top = main.parent if main.name == ".git" else main
    return top.with_name(f"{top.name}.worktrees")


async def remove_old_refs(repository: Repository, oldest: float) -> None:
    """Remove the refs of worktrees that were removed before a time."""
    listed = await repository.git.run("for-each-ref", "--format=%(refname)", REMOVED_REFS)
    for ref in listed.splitlines():
        if float(ref.rpartition("/")[2]) < oldest:
            await repository.git.run("update-ref", "-d", ref)


async def included_paths(project: Path, environ: Mapping[str, str]) -> Sequence[str]:
    """Return the ignored paths of a project that `.worktreeinclude` names."""
    if not (project / INCLUDED).is_file():
        return ()
    ask = partial(run_git_as_owner, folder=project, environ=environ)
    others = ("ls-files", "-z", "--others", "--ignored", "--directory")
    named = await ask(*others, f"--exclude-from={INCLUDED}")
    ignored = await ask("check-ignore", "-z", "--stdin", stdin=named.stdout.encode())
    return [path.rstrip("/") for path in ignored.stdout.split("\0") if path]
