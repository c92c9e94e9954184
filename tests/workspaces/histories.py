"""Random histories of branches and runs, and the landings that follow from their files."""

import random
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.repositories import begin_repository

PATHS = ("a", "b", "c")
Files = dict[str, str]


@dataclass(frozen=True, eq=False)
class Commit:
    """A commit with its files, and the numbers of its ancestors and of itself."""

    number: int
    parents: tuple["Commit", ...]
    files: Files
    message: str
    ancestors: frozenset[int]

    def changes(self, since: "Commit | None" = None) -> Files:
        """Return the contents that differ from a commit (default: the parent); "" is no file."""
        before = (since or self.parents[0]).files
        paths = (path for path in PATHS if self.files.get(path) != before.get(path))
        return {path: self.files.get(path, "") for path in paths}


@dataclass
class History:
    """The commits of branches; a run has a base and a tip."""

    chance: random.Random
    commits: list[Commit] = field(default_factory=list[Commit])
    branches: dict[str, Commit] = field(default_factory=dict[str, Commit])
    runs: list[tuple[Commit, Commit]] = field(default_factory=list[tuple[Commit, Commit]])

    def __post_init__(self) -> None:
        self.branches = dict.fromkeys(("main", "topic"), self.commit({"a": "1", "b": "1"}))
        for _ in range(self.chance.randint(5, 25)):
            name, other = self.chance.sample(("main", "topic"), 2)
            self.branches[name] = self.step(self.branches[name], self.branches[other])

    def commit(self, changes: Files, *parents: Commit, message: str = "changed") -> Commit:
        """Add a commit with changes since the first parent; "" removes a file."""
        before = parents[0].files if parents else {}
        files = {path: text for path, text in (before | changes).items() if text}
        number = len(self.commits)
        ancestors = frozenset({number}).union(*(parent.ancestors for parent in parents))
        self.commits.append(Commit(number, parents, files, message, ancestors))
        return self.commits[-1]

    def step(self, tip: Commit, other: Commit) -> Commit:
        """Return the next tip of a branch."""
        match self.chance.choice(("run", "edit", "squash", "rebase", "land", "revert", "merge")):
            case "run":
                middle = self.commit(self.some_changes(), tip)
                self.runs.append((tip, self.commit(self.some_changes(), middle)))
                return tip
            case "squash" | "rebase" | "land" as how if self.runs:
                base, end = self.chance.choice(self.runs)
                if how == "land":
                    return self.merge(tip, end)
                if how == "rebase":
                    tip = self.commit(end.parents[0].changes(base), tip)
                    return self.commit(end.changes(), tip)
                return self.commit(end.changes(base), tip)
            case "revert":
                return self.revert(tip)
            case "merge":
                return self.merge(tip, other)
            case _:
                return self.commit(self.some_changes(), tip)

    def some_changes(self) -> Files:
        """Return new contents of one or two paths; the contents often return."""
        paths = self.chance.choices(PATHS, k=2)
        return {path: self.chance.choice(("", "1", "2", "3")) for path in paths}

    def revert(self, tip: Commit) -> Commit:
        """Revert a commit by hand, or by a commit that says so and keeps later lines."""
        before = [self.commits[number] for number in sorted(tip.ancestors)]
        done = self.chance.choice([commit for commit in before if commit.parents] or [tip])
        if not done.parents:
            return tip
        undone = {path: done.parents[0].files.get(path, "") for path in done.changes()}
        if self.chance.random() < 0.5:
            return self.commit(undone, tip)
        later = {path: f"{text}, later {len(self.commits)}" for path, text in undone.items()}
        return self.commit(later, tip, message='Revert "changed"')

    def merge(self, ours: Commit, theirs: Commit) -> Commit:
        """Merge a branch; a person writes a new text for each conflict."""
        base = self.commits[max(ours.ancestors & theirs.ancestors)]
        changes = theirs.changes(base)
        for path in changes.keys() & ours.changes(base).keys():
            changes[path] = f"merged {len(self.commits)}"
        return self.commit(changes, ours, theirs)

    def landings(self, base: Commit, tip: Commit) -> tuple[set[int], set[int]]:
        """Return the commits with the result of a run outside of its base, and those among them
        that no later commit reverted.
        """
        wanted = tip.changes(base)
        held = self.branches["main"].ancestors | self.branches["topic"].ancestors
        own = [self.commits[number] for number in sorted(held - base.ancestors)]
        own = [commit for commit in own if len(commit.parents) == 1]
        landed = {
            commit.number
            for commit in own
            if wanted.items() & commit.changes().items()
            and all(commit.files.get(path, "") == text for path, text in wanted.items())
        }
        return landed, {one for one in landed if not self._is_reverted(one, wanted, base, own)}

    def _is_reverted(self, landed: int, wanted: Files, base: Commit, own: list[Commit]) -> bool:
        known = self.commits[landed].ancestors
        earlier = {(path, base.files.get(path, "")) for path in wanted}
        for commit in own:
            if commit.number in known:
                earlier |= {(path, commit.parents[0].files.get(path, "")) for path in wanted}
        earlier -= set(wanted.items())
        later = [commit for commit in own if landed in commit.ancestors and commit.number != landed]
        changed = [(one, pair) for one in later for pair in one.changes().items()]
        ends = [end for end in self.branches.values() if landed in end.ancestors]
        end = min(ends, key=lambda one: len(one.ancestors))
        return any(
            pair in earlier
            or (pair[0] in wanted and pair not in wanted.items() and "Revert" in commit.message)
            for commit, pair in changed
        ) or any((path, end.files.get(path, "")) in earlier for path in wanted)


def write_history(folder: Path, history: History, run_ids: list[str]) -> list[str]:
    """Write a history to a new repository, and return the ids of its commits."""
    folder.mkdir()
    begin_repository(folder)
    lines: list[str] = []
    for commit in history.commits:
        # The times are in no order.
        time = 10**9 + history.chance.randint(0, 99)
        lines += ["commit refs/scratch", f"mark :{commit.number + 1}"]
        lines += [f"committer T <t@localhost> {time} +0000"]
        lines += [f"data {len(commit.message)}", commit.message]
        words = ("from", "merge")[: len(commit.parents)]
        lines += [
            f"{word} :{one.number + 1}" for word, one in zip(words, commit.parents, strict=True)
        ]
        lines += ["deleteall"]
        for path, text in commit.files.items():
            lines += [f"M 100644 inline {path}", f"data {len(text)}", text]
    refs = {f"refs/heads/{name}": end for name, end in history.branches.items()}
    for run_id, (base, tip) in zip(run_ids, history.runs, strict=True):
        refs |= {f"refs/attractor/base/{run_id}": base, f"refs/heads/attractor/run/{run_id}": tip}
    for name, commit in refs.items():
        lines += [f"reset {name}", f"from :{commit.number + 1}", ""]
    marks = folder / "marks"
    command = ["git", "fast-import", "--quiet", "--force", f"--export-marks={marks}"]
    text = "\n".join(lines) + "\n"
    subprocess.run(command, cwd=folder, input=text, text=True, check=True)
    ids = dict(line.split() for line in marks.read_text().splitlines())
    return [ids[f":{commit.number + 1}"] for commit in history.commits]
