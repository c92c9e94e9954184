"""Evidence about the work of agents: the receipts of a run, and who wrote and who reviewed."""

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.base.records import write_fields
from attractor.engine.receipts import Receipt
from attractor.engine.state.attempts import TreeId
from attractor.records.timeline import CompletedVisit, Timeline

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

PROOF_SENTENCE = "A receipt proves that a command ended with 0, not that it tests anything."

MOST_NAMED = 20

_WORDS = re.compile(r"[^\s'\"=;&|()<>,:]+")


@dataclass(frozen=True)
class StageReceipt:
    """The receipt of a visit; `is_of_result` says whether its tree is the judged tree."""

    node: str
    visit: int
    branch: str
    receipt: Receipt
    is_of_result: bool

    def __str__(self) -> str:
        tree = self.receipt.tree[:12] or "no tree"
        later = "" if self.is_of_result else ", files changed since"
        return (
            f"{self.node}@{self.visit}: {self.receipt} "
            f"({self.receipt.seconds:.1f} s, tree {tree}{later})"
        )

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the receipt."""
        return {
            "node": self.node,
            "visit": self.visit,
            "branch": self.branch,
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
            yield f"changed files that a receipt depends on: {some(self.touched)}"
        if self.receipts:
            new = f"; new: {some(self.ignored)}" if self.ignored else ""
            yield f"{IGNORED_SENTENCE}{new}"


def some(names: Sequence[str]) -> str:
    """Return the first names, and the number of the others."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{', '.join(names[:MOST_NAMED])}{more}"


def find_evidence(timeline: Timeline, tree: TreeId, changed: Sequence[str]) -> ReceiptEvidence:
    """Return the evidence of a run whose result is a tree with changed files."""
    receipts = [
        StageReceipt(one.node, one.visit.number, one.branch, taken, taken.tree == tree)
        for one in timeline.visits
        if (taken := one.visit.receipt)
    ]
    commands = [one.receipt.command for one in receipts]
    return ReceiptEvidence(
        tuple(receipts),
        tuple(timeline.without_receipt),
        tuple(path for path in changed if is_depended_on(path, commands)),
        tuple(dict.fromkeys(timeline.ignored)),
    )


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
    trees: dict[str, TreeId] = {}
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
