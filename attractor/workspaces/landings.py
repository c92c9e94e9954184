"""Finds the runs whose results reached a branch by a merge, a squash or a rebase by hand."""

import os
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.engine.run_folder.result import Landing
from attractor.workspaces.checkouts import RUN_BRANCHES
from attractor.workspaces.create.isolated import BASE_REFS
from attractor.workspaces.git.repository import Git

_MOST_COMMITS = 5000
"""The maximum number of commits that are searched, newest first."""

_MOST_CANDIDATES = 5
"""The maximum number of commits of which all changed paths of a run are compared."""

_DELETED = "0" * 6

Contents = Mapping[str, str]
"""The object ids of paths; empty for a deleted path."""


@dataclass(frozen=True)
class _Commit:
    id: str
    ref: str
    contents: Contents


async def find_landings(git: Git, run_ids: Collection[str]) -> Mapping[str, Landing]:
    """Return the landings of runs that have a branch, by run id.

    A result has landed if a commit on another branch has the same content in every path that the
    run changed. Six git processes answer for all runs, however many.
    """
    if not run_ids:
        return {}
    folders = ("refs/heads", "refs/remotes", BASE_REFS)
    printed = await _answer(git, "for-each-ref", "--format=%(refname) %(objectname)", *folders)
    refs = dict(line.rsplit(" ", 1) for line in printed.splitlines())
    bases = {run_id: refs.get(f"{BASE_REFS}{run_id}", "") for run_id in run_ids}
    tips = {run_id: refs.get(f"{RUN_BRANCHES}{run_id}", "") for run_id in run_ids}
    known = [
        run_id for run_id in run_ids if bases[run_id] and tips[run_id] not in ("", bases[run_id])
    ]
    heads = [
        name
        for name in refs
        if name.startswith(("refs/heads/", "refs/remotes/")) and not name.startswith(RUN_BRANCHES)
    ]
    if not known or not heads:
        return {}
    changed = await _changed(git, {run_id: (bases[run_id], tips[run_id]) for run_id in known})
    commits = await _commits(git, heads, sorted({bases[run_id] for run_id in known}))
    candidates = {
        run_id: _candidates(changed[run_id], commits) for run_id in known if changed.get(run_id)
    }
    found = await _contents(git, candidates, changed)
    landings: dict[str, Landing] = {}
    for run_id, listed in candidates.items():
        wanted = changed[run_id]
        for commit in listed:
            if all(found.get((commit.id, path), "") == wanted[path] for path in wanted):
                branch = commit.ref.removeprefix("refs/heads/").removeprefix("refs/remotes/")
                landings[run_id] = Landing(branch, commit.id)
                break
    return landings


async def _answer(git: Git, *arguments: str, stdin: str = "") -> str:
    """Return the whole output of a command: a file has no limit of size."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "output")
        await git.run_to(output, *arguments, stdin=os.fsencode(stdin))
        return os.fsdecode(output.read_bytes())


async def _changed(git: Git, runs: Mapping[str, tuple[str, str]]) -> dict[str, Contents]:
    """Return the paths that each run changed, with their new contents."""
    lines = "".join(f"{tip} {base}\n" for base, tip in runs.values())
    listed = await _answer(git, "diff-tree", "--stdin", *_RAW, stdin=lines)
    contents = dict(_raw(listed))
    return {run_id: contents.get(tip, {}) for run_id, (_, tip) in runs.items()}


async def _commits(git: Git, heads: Sequence[str], bases: Sequence[str]) -> Sequence[_Commit]:
    """Return the commits on branches since the oldest base, oldest first."""
    fork = bases[0]
    if len(bases) > 1:
        fork = (await git.answer("merge-base", "--octopus", *bases)).stdout.strip()
    since = ["--not", fork] if fork else []
    listed = await _answer(
        git,
        "log",
        "--source",
        "--format=%H %S",
        f"--max-count={_MOST_COMMITS}",
        *_RAW,
        *heads,
        *since,
    )
    found = [(head.partition(" "), contents) for head, contents in _raw(listed)]
    return [_Commit(id_, ref, contents) for (id_, _, ref), contents in reversed(found)]


_RAW = ("-r", "-z", "--raw", "--no-renames", "--no-abbrev")


def _raw(listed: str) -> Iterator[tuple[str, Contents]]:
    """Yield the heading and the changed paths of each commit in raw output."""
    heading, contents = "", dict[str, str]()
    parts = iter(listed.split("\0"))
    for part in parts:
        if part.lstrip("\n").startswith(":"):
            _, mode, _, id_, _ = part.lstrip("\n:").split(" ")
            contents[next(parts)] = "" if mode == _DELETED else id_
        elif part.strip():
            if heading:
                yield heading, contents
            heading, contents = part.strip(), {}
    if heading:
        yield heading, contents


def _candidates(wanted: Contents, commits: Sequence[_Commit]) -> Sequence[_Commit]:
    """Return the commits that gave a path the content that it has in the run."""
    found = [
        commit
        for commit in commits
        if any(wanted.get(path) == id_ for path, id_ in commit.contents.items())
    ]
    return found[-_MOST_CANDIDATES:]


async def _contents(
    git: Git, candidates: Mapping[str, Sequence[_Commit]], changed: Mapping[str, Contents]
) -> Mapping[tuple[str, str], str]:
    """Return the object ids of the changed paths in the candidates; a missing path is left out."""
    asked = {
        (commit.id, path): None
        for run_id, commits in candidates.items()
        for commit in commits
        for path in changed[run_id]
        # A line names one path.
        if "\n" not in path
    }
    if not asked:
        return {}
    lines = "".join(f"{commit}:{path}\n" for commit, path in asked)
    listed = await _answer(git, "cat-file", "--batch-check=%(objectname)", stdin=lines)
    answers = zip(asked, listed.removesuffix("\n").split("\n"), strict=True)
    return {place: line for place, line in answers if " " not in line}
