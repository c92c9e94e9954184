"""Makes commits without git's index or work tree, and brings them to another repository.

Gives the stages of a run to the person's repository, as commits on a branch of their own.

Looks into a commit before a workspace of it is made: its files, and which paths belong to it.

Plants the throw-away `.git` of a workspace, so that an agent has a git to work with.

It holds one commit without a past. It is written before the agent comes, and nothing of ours opens
it afterwards: whatever the agent makes of it, it is the agent's alone.
"""

import tempfile
from collections.abc import Mapping, Sequence, Set
from dataclasses import field
from datetime import datetime
from functools import partial
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.files import write_whole
from attractor.engine.seams import Base
from attractor.engine.state.identifiers import TreeId
from attractor.workspaces.errors import BranchMoved, CheckoutInTheWay
from attractor.workspaces.files import in_thread
from attractor.workspaces.git.checkouts import checkouts_of
from attractor.workspaces.git.git import Git
from attractor.workspaces.git.gitignore import IgnoreRules
from attractor.workspaces.git.object_store import Store
from attractor.workspaces.git.objects import FlatTree, Objects, write_tree
from attractor.workspaces.git.repository import Repository
from attractor.workspaces.result_tree import LEFT_OUT, kept_of, result_trees
from attractor.workspaces.snapshot import Rules


@dataclass(frozen=True)
class Author:
    """Who made a commit, and when."""

    name: str
    email: str
    at: datetime

    def written(self) -> str:
        """Return it as it stands in a commit."""
        if self.at.tzinfo is None:
            raise UsageError(f"the time of a commit needs a time zone: {self.at.isoformat()}")
        name, email = (_plain(text) for text in (self.name, self.email))
        return f"{name} <{email}> {int(self.at.timestamp())} {self.at:%z}"


def write_commit(
    objects: Objects, *, tree: str, parents: tuple[str, ...], author: Author, message: str
) -> str:
    """Keep a commit and return its id."""
    lines = [
        f"tree {tree}",
        *(f"parent {parent}" for parent in parents),
        f"author {author.written()}",
        f"committer {author.written()}",
        "",
        message.replace("\0", "").strip("\n"),
        "",
    ]
    return objects.write("commit", "\n".join(lines).encode("utf-8", "backslashreplace")).hex()


def as_trailers(values: Mapping[str, str]) -> str:
    """Return what stands at the end of a message for programs, a line for each value."""
    return "\n".join(f"{name}: {_one_line(value)}" for name, value in values.items())


async def bring_commit(commit: str, *, out_of: Git, into: Git, without: str = "") -> None:
    """Copy a commit and all it needs, but for what an older commit has, as one pack."""
    wanted = f"{commit}\n^{without}\n" if without else f"{commit}\n"
    with tempfile.TemporaryDirectory(prefix="scratch-", dir=out_of.git_dir) as folder:
        pack = Path(folder) / "pack"
        await out_of.run_to(
            pack, "pack-objects", "--revs", "--stdout", "--quiet", stdin=wanted.encode()
        )
        # Not strict: keeping a file runs nothing, and what it says is for the gate to judge. A
        # file that git takes offence at would stop the run for good.
        await into.run_from(pack, "index-pack", "--stdin")


def _one_line(text: str) -> str:
    """Keep a value from being taken for two trailers."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _plain(text: str) -> str:
    """Leave out what would break the line."""
    return "".join(letter for letter in text if letter.isprintable() and letter not in "<>").strip()


_BRANCHES = "refs/heads/attractor/run/"

AT_BASE = -1
"""The place of the base, before the first of the stages."""


@dataclass(frozen=True)
class StageTree:
    """What a stage left: its candidate tree, a subject for people, and who and when.

    The trailers stand at the end of its commit's message, for programs. `parents` are the places of
    those it came after among all stages; without them it came after the one before it.
    """

    subject: str
    tree: TreeId
    author: Author
    trailers: Mapping[str, str] = field(default_factory=dict[str, str])
    parents: tuple[int, ...] = ()


@dataclass(frozen=True)
class RunBranch:
    """The branch of a run: its last commit and the result tree of that."""

    ref: str
    commit: str
    tree: TreeId


async def write_run_branch(
    repository: Repository,
    store: Store,
    *,
    run_id: str,
    base: Base,
    stages: Sequence[StageTree],
    left_out: Sequence[str],
) -> RunBranch:
    """Make a commit of every stage, and a branch that ends with the last; twice is the same.

    A branch that ends with an earlier stage of the run is moved on.
    """
    results = await result_trees(store, base, [stage.tree for stage in stages], left_out=left_out)
    commits: list[str] = []
    for place, (stage, result) in enumerate(zip(stages, results, strict=True)):
        parents = stage.parents or (place - 1,)
        commits.append(
            write_commit(
                store.objects,
                tree=result.tree,
                parents=tuple(base.commit if one == AT_BASE else commits[one] for one in parents),
                author=stage.author,
                message=_message(stage, run_id),
            )
        )
    commit = commits[-1] if commits else base.commit
    if commit != base.commit:
        await bring_commit(commit, out_of=store.git, into=repository.git, without=base.commit)
    ref = f"{_BRANCHES}{run_id}"
    await _move_on(repository, store, ref, base.commit, commit)
    return RunBranch(ref, commit, results[-1].tree if results else base.tree)


async def _move_on(repository: Repository, store: Store, ref: str, base: str, commit: str) -> None:
    """Let a branch end with a commit, if nobody else's commit is lost and nobody stands on it."""
    before = await repository.ref(ref)
    if before == commit:
        return
    if before and not await repository.is_between(base, before, commit):
        raise BranchMoved(
            f"{ref} stands at {before[:12]} already, which is no stage of the run",
            hint=f"rename or delete it, then go on with: {_resume(ref)}",
        )
    if before and (found := await checkouts_of(repository, ref, store)):
        raise CheckoutInTheWay(
            f"{found[0].folder} has {ref.removeprefix('refs/heads/')} checked out, and it is to "
            "be moved on",
            hint=f"switch to another branch there, then go on with: {_resume(ref)}",
        )
    await repository.move_ref(ref, before, commit)


def _message(stage: StageTree, run_id: str) -> str:
    trailers = as_trailers({"Attractor-Run": run_id, **stage.trailers})
    return f"{_first_line(stage.subject)}\n\n{trailers}"


def _first_line(subject: str) -> str:
    return (subject.strip().splitlines() or ["A stage"])[0]


def _resume(ref: str) -> str:
    return f"attractor resume {ref.removeprefix(_BRANCHES)}"


_IGNORES = b".gitignore"
_PLAIN_FILE = b"100"


@dataclass(frozen=True)
class CommitRules:
    """What a commit says: the rules for a workspace of it, and the paths of all its files."""

    rules: Rules
    files: Set[bytes]


async def look_into(
    repository: Repository, commit: str, *, left_out: Sequence[str] = LEFT_OUT
) -> CommitRules:
    """Read the files of a commit and what they say of those that git ignores."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "listed"
        await repository.git.run_to(listed, "ls-tree", "-r", "-z", "--full-tree", commit)
        files = dict(map(_parsed, listed.read_bytes().split(b"\0")[:-1]))
    texts = await _ignore_files(repository, files)
    rules = Rules(IgnoreRules(texts), kept=kept_of({}, left_out))
    return CommitRules(rules, files.keys())


async def _ignore_files(
    repository: Repository, files: Mapping[bytes, tuple[bytes, str]]
) -> dict[bytes, bytes]:
    texts: dict[bytes, bytes] = {}
    for path, (mode, name) in files.items():
        if path.rpartition(b"/")[2] == _IGNORES and mode.startswith(_PLAIN_FILE):
            text = await repository.git.run("cat-file", "blob", name)
            texts[path.removesuffix(_IGNORES)] = text.encode("utf-8", "surrogateescape")
    return texts


def _parsed(line: bytes) -> tuple[bytes, tuple[bytes, str]]:
    told, _, path = line.partition(b"\t")
    mode, _, name = told.split(b" ")
    return path, (mode, name.decode())


_BRANCH = "main"
_AGENT = "[user]\n\tname = agent\n\temail = agent@localhost\n[gc]\n\tauto = 0\n"


async def plant_git(folder: Path, store: Store, files: FlatTree, author: Author) -> None:
    """Make a repository in a folder whose one commit holds the files of the folder."""
    tree = (await in_thread(partial(write_tree, store.objects, files))).hex()
    commit = write_commit(
        store.objects, tree=tree, parents=(), author=author, message="The project as it is"
    )
    git_dir = folder / ".git"
    git_dir.mkdir()
    git = Git(git_dir, store.git.search_path, work_tree=folder)
    await git.run(
        "init", "--quiet", "--template=", f"--initial-branch={_BRANCH}",
        f"--object-format={store.object_format}",
    )  # fmt: skip
    await bring_commit(commit, out_of=store.git, into=git)
    with (git_dir / "config").open("a") as config:
        config.write(_AGENT)
    write_whole(git_dir / "refs" / "heads" / _BRANCH, f"{commit}\n")
    await git.run("read-tree", commit)
