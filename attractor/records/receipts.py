"""Evidence about the work of agents: the receipts of a run, and who wrote and who reviewed."""

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from attractor.base.amounts import name_first
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.json import Json
from attractor.base.records import write_fields
from attractor.engine.receipts import Receipt
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.state.attempts import TreeId, stage_id
from attractor.records.lookup import child_directory, rounds_of
from attractor.records.timeline import CompletedVisit, Timeline, read_recorded

_BUILD_FILES = """
Makefile makefile GNUmakefile *.mk Justfile justfile Taskfile.y*ml Rakefile Gemfile* *.gemspec
package.json package-lock.json npm-shrinkwrap.json yarn.lock pnpm-lock.yaml .npmrc
tsconfig*.json jest.config.* vitest.config.* vite.config.* babel.config.* .mocharc* karma.conf.*
deno.json* bunfig.toml pyproject.toml setup.py setup.cfg tox.ini noxfile.py pytest.ini
conftest.py sitecustomize.py requirements*.txt uv.lock poetry.lock Pipfile* Cargo.toml
Cargo.lock build.rs go.mod go.sum pom.xml build.gradle* settings.gradle* gradle.properties
gradlew mvnw CMakeLists.txt meson.build configure configure.ac BUILD BUILD.bazel WORKSPACE
MODULE.bazel composer.json phpunit.xml* *.csproj *.sln Directory.Build.* Dockerfile .envrc
"""
BUILD_FILES = tuple(_BUILD_FILES.split())
"""The names of files that decide what a build or a test command does."""

IGNORED_SENTENCE = "ignored files such as .venv are in no tree"

PROOF_SENTENCE = (
    "A receipt tells how a command ended on the files: exit status 0 does not prove that it tests "
    "anything."
)

MOST_NAMED = 20

_WORDS = re.compile(r"[^\s'\"=;&|()<>,:]+")


@dataclass(frozen=True)
class StageReceipt:
    """The receipt of a visit; `is_of_result` says whether its tree is the judged tree.

    `child` names the child run, as in `attractor status RUN:CHILD`; it is empty for the run itself.
    """

    node: str
    visit: int
    branch: str
    receipt: Receipt
    is_of_result: bool
    child: str = ""

    @property
    def place(self) -> str:
        """The visit, with the child run that made it."""
        return f"{self.child}:{self.node}@{self.visit}".removeprefix(":")

    @property
    def warning(self) -> str:
        """The reason why the command says little about the judged files, or an empty text."""
        during = "files changed while it ran" if self.receipt.tree_after else ""
        return during or ("" if self.is_of_result else "files changed since")

    def __str__(self) -> str:
        tree = self.receipt.tree[:12] or "no tree"
        warning = f", {self.warning}" if self.warning else ""
        return f"{self.place}: {self.receipt} ({self.receipt.seconds:.1f} s, tree {tree}{warning})"

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the receipt."""
        return {
            "node": self.node,
            "visit": self.visit,
            "branch": self.branch,
            "child": self.child,
            **write_fields(self.receipt),
            "is_of_result": self.is_of_result,
        }


@dataclass(frozen=True)
class ReceiptEvidence:
    """The receipts of a run, with the changes that make them worth less.

    `skipped` are sentences about stages whose command did not run. `touched` are changed files that
    a command names, or that are build files; `ignored` are new files that are in no tree.
    """

    receipts: tuple[StageReceipt, ...] = ()
    skipped: tuple[str, ...] = ()
    touched: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.receipts or self.skipped)

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the evidence."""
        return {
            "taken": [one.to_record() for one in self.receipts],
            "skipped": [*self.skipped],
            "touched": [*self.touched],
            "ignored": [*self.ignored],
            "ignored_means": IGNORED_SENTENCE,
            "proof_means": PROOF_SENTENCE,
        }

    def lines(self) -> Iterator[str]:
        """Yield the evidence for people, one sentence a line."""
        yield from (f"receipt of {one}" for one in self.receipts)
        yield from (f"no receipt of {words}" for words in self.skipped)
        if self.receipts and self.touched:
            yield f"changed files that a receipt depends on: {name_first(self.touched, MOST_NAMED)}"
        if self.receipts:
            new = f"; new: {name_first(self.ignored, MOST_NAMED)}" if self.ignored else ""
            yield f"{IGNORED_SENTENCE}{new}"


def find_evidence(
    root: Path, timeline: Timeline, tree: TreeId, changed: Sequence[str]
) -> ReceiptEvidence:
    """Return the evidence of a run and its child runs, whose result is a tree with changed files.

    `root` is the directory of the run.
    """
    runs = [*_with_child_runs(RunDirectory(root), timeline)]
    receipts = [
        StageReceipt(one.node, one.visit.number, one.branch, taken, taken.tree == tree, name)
        for name, run in runs
        for one in run.visits
        if (taken := one.visit.receipt)
    ]
    commands = [one.receipt.command for one in receipts]
    skipped = [(name, words) for name, run in runs for words in run.without_receipt]
    return ReceiptEvidence(
        tuple(receipts),
        tuple(f"{name}:{words}".removeprefix(":") for name, words in skipped),
        tuple(path for path in changed if is_depended_on(path, commands)),
        tuple(dict.fromkeys(path for _, run in runs for path in run.ignored)),
    )


def _with_child_runs(
    directory: RunDirectory, timeline: Timeline, name: str = ""
) -> Iterator[tuple[str, Timeline]]:
    """Yield a run and the child runs of its completed visits, with their names."""
    yield name, timeline
    last = {(one.node, one.visit.number, one.visit.attempts) for one in timeline.visits}
    for attempt in timeline.attempts:
        if attempt.children and (attempt.node, attempt.visit, attempt.attempt) in last:
            stage = stage_id(attempt.node, attempt.visit, attempt.attempt)
            for child in rounds_of(child_directory(directory, stage)):
                inner = f"{name}:{child.root.name}".removeprefix(":")
                yield from _with_child_runs(child, _read_child(child), inner)


def _read_child(child: RunDirectory) -> Timeline:
    """Return the timeline of a child run; if its journal is damaged, without receipts."""
    try:
        return read_recorded(child.root)
    except AttractorError as error:
        damaged = Timeline()
        damaged.without_receipt.append(error.in_one_line)
        return damaged


def is_depended_on(path: str, commands: Sequence[str]) -> bool:
    """Return whether a file is a build file, or is named by a command, also by a folder."""
    parts = PurePosixPath(path)
    if any(fnmatchcase(parts.name, pattern) for pattern in BUILD_FILES):
        return True
    module = ".".join(parts.with_suffix("").parts)
    names = {path, module, *(str(parent) for parent in parts.parents if parent.name)}
    words = (word for command in commands for word in _WORDS.findall(command))
    return any(word.removeprefix("./").rstrip("/") in names for word in words)


def describe_providers(timeline: Timeline) -> str:
    """Return the providers whose models wrote and reviewed, such as "written with anthropic,
    reviewed with openai"; an empty text if no stage with a model changed files.

    A stage that changed files has written. A later stage with a model that changed none has
    reviewed.
    """
    models = {(one.node, one.visit, one.attempt): one.model for one in timeline.attempts}
    # The first visit of a fork, or of a run after a restart, is not that of the start node. A
    # walk in a folder without snapshots begins with no tree.
    trees: dict[str, TreeId] = {"": timeline.tree} if timeline.tree else {}
    written, reviewed = dict[str, None](), dict[str, None]()
    for one in timeline.visits:
        before = trees.get(one.branch, trees.get("", one.visit.tree))
        trees[one.branch] = one.visit.tree
        provider = _provider(one, models)
        if not provider:
            continue
        if one.visit.tree != before:
            written[provider] = None
        elif written:
            reviewed[provider] = None
    parts = [("written with", written), ("reviewed with", reviewed)]
    return ", ".join(f"{verb} {' and '.join(names)}" for verb, names in parts if names)


def _provider(one: CompletedVisit, models: dict[tuple[str, int, int], str]) -> str:
    model = models.get((one.node, one.visit.number, one.visit.attempts), "")
    return model.partition("/")[0]
