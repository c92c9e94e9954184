"""Finds the runs whose results reached a branch by a merge, a squash or a rebase by hand."""

import os
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.patterns import late_pattern
from attractor.engine.run_folder.result import Landing
from attractor.workspaces.checkouts import RUN_BRANCHES
from attractor.workspaces.create.isolated import BASE_REFS
from attractor.workspaces.git.repository import Git

_MOST_COMMITS = 5000
"""The maximum number of commits that are searched, newest first."""

_MOST_CANDIDATES = 20
"""The maximum number of commits of which all changed paths of a run are compared."""

_DELETED = "0" * 6

_OF_RUNS = late_pattern(r"refs/(heads/attractor/run|remotes/[^/]+/attractor)/")
"""The beginning of the refs of results: branches of runs, and those of pull requests."""

_REVERTS = late_pattern(r"\brevert", re.IGNORECASE)


@dataclass(frozen=True)
class _Change:
    """The object ids of a path before and after a change; empty for a missing path."""

    before: str
    after: str


Changes = Mapping[str, _Change]
"""The changes of paths."""

Contents = Mapping[tuple[str, str], str]
"""The object ids of paths in commits, without missing paths."""


@dataclass(frozen=True)
class _Result:
    """The base commit of a run, and what the run changed."""

    base: str
    changes: Changes


@dataclass(frozen=True)
class _Commit:
    id: str
    parents: Sequence[str]
    message: str
    changes: Changes


@dataclass
class _History:
    """The commits of branches, parents first; bit N of a set of commits is for commit N."""

    commits: Sequence[_Commit]
    branches: Mapping[str, str]

    def __post_init__(self) -> None:
        # The ancestors of each commit, with the commit.
        self._ancestry: dict[str, int] = {}
        self._touching: dict[str, list[int]] = {}
        for position, commit in enumerate(self.commits):
            self._ancestry[commit.id] = 1 << position
            for parent in commit.parents:
                self._ancestry[commit.id] |= self._ancestry.get(parent, 0)
            for path in commit.changes:
                self._touching.setdefault(path, []).append(position)

    def candidates(self, result: _Result) -> Mapping[str, str]:
        """Return the commits that are no ancestors of a run's base and gave a path the content that
        it has in the run, with their branches.
        """
        before = self._ancestry.get(result.base, 0)
        found = {
            position
            for path, change in result.changes.items()
            for position in self._touching.get(path, ())
            if not before >> position & 1
            and self.commits[position].changes[path].after == change.after
        }
        placed = [(self.commits[one].id, self._branch_of(one)) for one in sorted(found)]
        return dict([(commit, branch) for commit, branch in placed if branch][-_MOST_CANDIDATES:])

    def landing(self, result: _Result, commit: str, branch: str, found: Contents) -> Landing | None:
        """Return the landing of a result with a commit, if the commit contains the result."""
        wanted = result.changes
        if any(found.get((commit, path), "") != wanted[path].after for path in wanted):
            return None
        reverted_on = ""
        for path in wanted:
            earlier = self._earlier(result, commit, path)
            # A merge may have dropped the result.
            is_dropped = found.get((self.branches[branch], path), "") in earlier
            reverted_on = branch if is_dropped else self._find_revert(result, commit, path, earlier)
            if reverted_on:
                break
        return Landing(_short(branch), commit, _short(reverted_on))

    def _branch_of(self, position: int) -> str:
        """Return the branch with the fewest commits among those that contain a commit, or ""."""
        sets = {name: self._ancestry.get(tip, 0) for name, tip in self.branches.items()}
        found = [name for name, commits in sets.items() if commits >> position & 1]
        return min(found, key=lambda name: sets[name].bit_count(), default="")

    def _earlier(self, result: _Result, commit: str, path: str) -> Collection[str]:
        """Return the other contents of a path between the base of a run and a commit."""
        since = self._ancestry[commit] & ~self._ancestry.get(result.base, 0)
        positions = (one for one in self._touching.get(path, ()) if since >> one & 1)
        contents = {self.commits[one].changes[path].before for one in positions}
        return (contents | {result.changes[path].before}) - {result.changes[path].after}

    def _find_revert(
        self, result: _Result, landed: str, path: str, earlier: Collection[str]
    ) -> str:
        """Return the branch on which a later commit gave a path an earlier content, or changed it
        and says that it reverts.
        """
        position = self._ancestry[landed].bit_length() - 1
        for later in self._touching.get(path, ()):
            commit = self.commits[later]
            after = commit.changes[path].after
            if (
                later > position
                and self._ancestry[commit.id] >> position & 1
                and after != result.changes[path].after
                and (after in earlier or _REVERTS.search(commit.message))
                and (branch := self._branch_of(later))
            ):
                return branch
        return ""


async def find_landings(git: Git, run_ids: Collection[str]) -> Mapping[str, Landing]:
    """Return the landings of runs that have a branch, by run id.

    A result has landed if a commit on another branch has the same content in every path that the
    run changed, and is no ancestor of the base of the run. A landing that was not reverted since
    comes first. Five git processes answer for all runs, however many.
    """
    if not run_ids:
        return {}
    folders = ("refs/heads", "refs/remotes", BASE_REFS)
    printed = await _answer(git, "for-each-ref", "--format=%(refname) %(objectname)", *folders)
    refs = dict(line.rsplit(" ", 1) for line in printed.splitlines())
    ends = {
        run_id: (refs.get(f"{BASE_REFS}{run_id}", ""), refs.get(f"{RUN_BRANCHES}{run_id}", ""))
        for run_id in run_ids
    }
    known = {run_id: pair for run_id, pair in ends.items() if all(pair) and len({*pair}) > 1}
    branches = {
        name: commit
        for name, commit in refs.items()
        if name.startswith(("refs/heads/", "refs/remotes/")) and not _OF_RUNS.match(name)
    }
    if not known or not branches:
        return {}
    return await _landings(git, known, branches)


async def find_landing(
    git: Git, branches: Mapping[str, str], base: str, tip: str
) -> Landing | None:
    """Return the landing of the changes between two commits on other branches, by full ref name.

    `git` may be a store that borrows the objects of the repository.
    """
    if not branches:
        return None
    return (await _landings(git, {"": (base, tip)}, branches)).get("")


async def _landings(
    git: Git, known: Mapping[str, tuple[str, str]], branches: Mapping[str, str]
) -> Mapping[str, Landing]:
    """Return the landings of results with these bases and tips, by name."""
    results = await _results(git, known)
    history = await _history(git, branches, sorted({base for base, _ in known.values()}))
    candidates = {run_id: history.candidates(result) for run_id, result in results.items()}
    places = {
        (commit, path)
        for run_id, listed in candidates.items()
        for pair in listed.items()
        for commit in (pair[0], branches[pair[1]])
        for path in results[run_id].changes
    }
    found = await _contents(git, places)
    landings: dict[str, Landing] = {}
    for run_id, listed in candidates.items():
        tried = (history.landing(results[run_id], *pair, found) for pair in listed.items())
        landed = [landing for landing in tried if landing]
        if landed:
            landings[run_id] = min(landed, key=lambda landing: bool(landing.reverted_on))
    return landings


def _short(ref: str) -> str:
    return ref.removeprefix("refs/heads/").removeprefix("refs/remotes/")


async def _answer(git: Git, *arguments: str, stdin: str = "") -> str:
    """Return the whole output of a command: a file has no limit of size."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "output")
        await git.run_to(output, *arguments, stdin=os.fsencode(stdin))
        return os.fsdecode(output.read_bytes())


async def _results(git: Git, runs: Mapping[str, tuple[str, str]]) -> Mapping[str, _Result]:
    """Return the results of runs with these bases and tips, without runs that changed nothing."""
    lines = "".join(f"{tip} {base}\n" for base, tip in runs.values())
    listed = await _answer(git, "diff-tree", "--stdin", *_RAW, stdin=lines)
    changes = dict(_raw(listed))
    return {
        run_id: _Result(base, changes[tip])
        for run_id, (base, tip) in runs.items()
        if tip in changes
    }


async def _history(git: Git, branches: Mapping[str, str], bases: Sequence[str]) -> _History:
    """Return the commits of branches, and of the bases, since the oldest base."""
    fork = bases[0]
    if len(bases) > 1:
        fork = (await git.answer("merge-base", "--octopus", *bases)).stdout.strip()
    starts = [*branches.values(), *bases, *([f"^{fork}"] if fork else [])]
    # In date order, a commit that is left out has no listed ancestor.
    listed = await _answer(
        git,
        "log",
        "--stdin",
        "--date-order",
        "--format=%H %P%n%B",
        f"--max-count={_MOST_COMMITS}",
        *_RAW,
        stdin="".join(f"{start}\n" for start in starts),
    )
    commits: list[_Commit] = []
    for heading, changes in _raw(listed):
        ids, _, message = heading.partition("\n")
        commits.append(_Commit(ids.split()[0], ids.split()[1:], message, changes))
    return _History(commits[::-1], branches)


_RAW = ("-r", "-z", "--raw", "--no-renames", "--no-abbrev")


def _raw(listed: str) -> Iterator[tuple[str, Changes]]:
    """Yield the heading and the changed paths of each commit in raw output."""
    heading, changes = "", dict[str, _Change]()
    parts = iter(listed.split("\0"))
    for part in parts:
        if part.lstrip("\n").startswith(":"):
            old_mode, mode, before, after, _ = part.lstrip("\n:").split(" ")
            changes[next(parts)] = _Change(
                "" if old_mode == _DELETED else before, "" if mode == _DELETED else after
            )
        elif part.strip():
            if heading:
                yield heading, changes
            heading, changes = part.strip(), {}
    if heading:
        yield heading, changes


async def _contents(git: Git, places: Collection[tuple[str, str]]) -> Contents:
    """Return the object ids of paths in commits; a missing path is left out."""
    # A line names one path.
    asked = [(commit, path) for commit, path in places if "\n" not in path]
    if not asked:
        return {}
    lines = "".join(f"{commit}:{path}\n" for commit, path in asked)
    listed = await _answer(git, "cat-file", "--batch-check=%(objectname)", stdin=lines)
    answers = zip(asked, listed.removesuffix("\n").split("\n"), strict=True)
    return {place: line for place, line in answers if " " not in line}
