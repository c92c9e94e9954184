"""Commits of results: their author, subject and trailers. The words of the subject are untrusted.

`commit_changes` adds a commit to the branch of a worktree without running a hook or a filter. The
files of the worktree do not change; of its index, only the entries of committed files do.
"""

import asyncio
import filecmp
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.patterns import late_pattern
from attractor.engine.truncation import one_line
from attractor.workspaces.checkouts import same_entry, some_paths
from attractor.workspaces.errors import GitFailed
from attractor.workspaces.git.object_store import (
    Author,
    ObjectStore,
    as_trailers,
    bring_commit,
    write_commit,
)
from attractor.workspaces.git.objects import TreeChange, text_of
from attractor.workspaces.git.repository import Repository
from attractor.workspaces.snapshot import write_out
from attractor.workspaces.uncommitted import WorkTree, add_to_tree
from attractor.workspaces.worktrees import LinkedWorktree

RUN_TRAILER = "Attractor-Run"
LONGEST_SUBJECT = 72

_ATTEMPTS = 5
_PAUSE_S = 0.2
_LINK = late_pattern(r"!?\[([^\]]*)\]\([^)]*\)")
# Words that direct a rebase, or that a search for our trailers would find.
_LEADING = late_pattern(
    r"(?:[-+>#*\s]|\d+[.)]\s|(?:fixup|squash|amend)!|Attractor-[\w-]*:)+", re.IGNORECASE
)
# An issue that a forge would close, and a person whom it would tell.
_CALLS = late_pattern(r"[#@](?=\w)")
_MARKS = str.maketrans({"`": "", "*": "", "~": "", "[": "(", "]": ")", "<": "", ">": ""})
# Letters without a picture that are no control characters.
_BLANK = late_pattern(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def subject_from(texts: Iterable[str]) -> str:
    """Return a subject: the first line of the texts that says something, cleaned.

    It has no control or invisible characters, no marks of Markdown, and nothing that Git, a forge
    or Attractor acts on.
    """
    for text in texts:
        for line in text.splitlines():
            if subject := _cleaned(line[: 20 * LONGEST_SUBJECT]):
                return subject
    return "A result"


def _cleaned(line: str) -> str:
    seen = "".join(letter if letter.isprintable() else " " * letter.isspace() for letter in line)
    plain = _LINK.sub(r"\1", _BLANK.sub("", seen)).translate(_MARKS).replace("__", "")
    plain = _CALLS.sub("", plain)
    plain = _LEADING.sub("", plain, count=1) if _LEADING.match(plain) else plain
    return one_line(plain, LONGEST_SUBJECT) if any(map(str.isalnum, plain)) else ""


def write_result(
    store: ObjectStore,
    *,
    tree: str,
    parent: str,
    at: datetime,
    subject: str,
    trailers: Iterable[tuple[str, str]],
) -> str:
    """Store the commit of a result; return its id. Equal values give the same commit."""
    return write_commit(
        store.objects,
        tree=tree,
        parents=(parent,),
        author=Author.attractor(at),
        message=f"{subject}\n\n{as_trailers(trailers)}",
    )


@dataclass(frozen=True)
class TaskChanges:
    """The changes of a task: paths of the project, with entries in the store of its run."""

    store: ObjectStore
    changes: Sequence[TreeChange]
    run_id: str
    at: datetime
    subject: str
    trailers: Mapping[str, str]


async def commit_changes(worktree: LinkedWorktree, task: TaskChanges) -> tuple[str, str]:
    """Add the commit of a task to the branch of a worktree, once.

    Return its id, and why some changes are in no commit. What others changed stays uncommitted.
    """
    there, why_not = worktree.opened(), ""
    since = f"{worktree.base}..refs/heads/{worktree.branch}"
    trailer = f"--grep=^{RUN_TRAILER}: {task.run_id}$"
    # By a process that was killed before the answer was recorded.
    commit = await there.git.run("log", "-1", "--format=%H", trailer, since)
    async with worktree.store() as store:
        if not commit:
            await _require_free(worktree, there)
            commit, why_not = await _advance(worktree, there, store, task)
        if commit and commit == await there.commit("HEAD"):
            why_not = await _take_up(there, store, commit) or why_not
    return commit, why_not


async def _require_free(worktree: LinkedWorktree, there: Repository) -> None:
    """Refuse a worktree in which a person is doing something with Git."""
    if await there.checked_out_branch() != worktree.branch:
        raise GitFailed(f"{worktree.top} has another branch than {worktree.branch} checked out")
    if words := worktree.in_progress():
        raise GitFailed(f"{words} in {worktree.top}")
    if (lock := there.git.git_dir / "index.lock").exists():
        raise GitFailed(f"{lock} exists: another git process works there, or died")


async def _advance(
    worktree: LinkedWorktree, there: Repository, store: ObjectStore, task: TaskChanges
) -> tuple[str, str]:
    """Move the branch to a new commit, on top of those that others add meanwhile."""
    ref = f"refs/heads/{worktree.branch}"
    trouble = ""
    for _ in range(_ATTEMPTS):
        head = await there.ref(ref)
        tree, why_not = await _tree(worktree, there, store, task, head)
        if tree == await there.tree(head):
            return "", why_not or "the branch had the changes already"
        trailers = [(RUN_TRAILER, task.run_id), *task.trailers.items()]
        commit = write_result(
            store, tree=tree, parent=head, at=task.at, subject=task.subject, trailers=trailers
        )
        await bring_commit(commit, out_of=store.git, into=there.git, without=head)
        moved = await there.git.answer("update-ref", "-m", "attractor: task", ref, commit, head)
        if not moved.exit_code:
            return commit, why_not
        trouble = moved.stderr.strip()
        await asyncio.sleep(_PAUSE_S)
    raise GitFailed(f"git did not move {ref}: {trouble}")


async def _tree(
    worktree: LinkedWorktree,
    there: Repository,
    store: ObjectStore,
    task: TaskChanges,
    head: str,
) -> tuple[str, str]:
    """Return the tree of a commit with the changes of a task, and why some are not in it."""
    prefix = os.fsencode(there.prefix)
    with store.empty_folder() as files:
        entries = {one.path: one.after for one in task.changes if one.after}
        (files / there.prefix).mkdir(parents=True, exist_ok=True)
        await write_out(task.store, entries, files / there.prefix)
        work_tree = WorkTree(worktree.top, worktree.environ)
        paths = [prefix + one.path for one in task.changes]
        # The process may have died after the run: what a person changed since is theirs.
        changed = [one for one in paths if not _is_same(files, worktree.top, os.fsdecode(one))]
        ignored = [one for one in await worktree.ignored_among(paths) if one not in changed]
        wanted = [one for one in paths if one not in {*changed, *ignored}]
        git_dir = there.git.git_dir
        tree, filtered = await add_to_tree(store, work_tree, git_dir, head, files, wanted)
    left = {"Git filters": filtered, "Git ignores": ignored, "others changed": changed}
    return tree, "; ".join(
        f"{words} {some_paths([*map(text_of, found)])}" for words, found in left.items() if found
    )


def _is_same(one: Path, other: Path, path: str) -> bool:
    """Return whether two folders have the same file, the same link, or nothing at a path."""
    ours, theirs = one / path, other / path
    if ours.is_symlink() or theirs.is_symlink():
        both = ours.is_symlink() and theirs.is_symlink()
        return both and ours.readlink() == theirs.readlink()
    if not ours.is_file():
        return not theirs.is_file()
    return theirs.is_file() and filecmp.cmp(ours, theirs, shallow=False)


async def _take_up(there: Repository, store: ObjectStore, commit: str) -> str:
    """Set the entries of the index that a commit changed, except those that a person staged.

    Return why it was impossible, or "": another git process may hold the lock of the index.
    """
    index = await store.index_of(there.git)
    trees = [await there.tree(f"{commit}^"), await there.tree(commit)]
    changes = [
        one for one in await store.changes(*trees) if same_entry(index.get(one.path), one.before)
    ]
    # Removed entries first: a file may replace a folder.
    lines = [
        b"%o %s\t%s\0" % (one.after.mode, one.after.id.hex().encode(), one.path)
        if one.after
        else b"0 %s\t%s\0" % (b"0" * len(commit), one.path)
        for one in sorted(changes, key=lambda one: one.after is not None)
    ]
    with store.empty_folder() as empty:
        git = there.git.with_work_tree(empty)
        command = ("update-index", "-z", "--replace", "--index-info")
        done = await git.answer(*command, stdin=b"".join(lines))
    return f"the index lacks the commit: {done.stderr.strip()}" if done.exit_code else ""
