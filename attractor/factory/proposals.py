"""Proposed changes of pipelines, agents and train scenarios, which a person applies or drops.

A proposal is no candidate: it lies on a branch of its own, with its reason, evidence and checks.
"""

import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from pathlib import PurePosixPath

from attractor.base.dataclasses import changed, dataclass
from attractor.base.errors import Refused, UsageError
from attractor.base.files import make_private_folder
from attractor.base.json import Json, canonical_json, content_hash
from attractor.base.locks import FileLock
from attractor.base.names import find_named
from attractor.base.records import write_fields
from attractor.factory.ledger.ledger import LineKind
from attractor.factory.lessons import find_fault
from attractor.factory.open_project import OpenProject, RecordFolder
from attractor.scenarios.suite_files import SCENARIO_END
from attractor.workspaces.checkouts import move_branch
from attractor.workspaces.commits import RUN_TRAILER, subject_from, write_result
from attractor.workspaces.errors import BranchMoved
from attractor.workspaces.git.object_store import ObjectStore, bring_commit
from attractor.workspaces.git.objects import (
    FILE,
    FOLDER,
    LINK,
    SUBMODULE,
    TreeEntry,
    folders_above,
    write_tree,
)
from attractor.workspaces.git.repository import Repository, open_repository
from attractor.workspaces.run_store import store_for_a_moment

BRANCHES = "attractor/proposal/"
"""The beginning of the branches of proposals."""

MOST_FILES, LONGEST_FILE = 10, 64_000
_GUIDE = "guide"
"""The shipped agent that proposes, which no proposal replaces."""

_OTHERS = ("agents", "scenarios", "runs")
_ID_DIGITS = 10
_PATIENCE_S = 30.0


class ProposedKind(StrEnum):
    """What a file of a proposal is."""

    PIPELINE = "pipeline"
    AGENT = "agent"
    TRAIN = "train scenario"


def kind_of(path: str) -> ProposedKind | None:
    """Return what a file is, by its path in the project; None if no proposal may change it."""
    parts = PurePosixPath(path).parts
    is_hidden = any(part.startswith(".") for part in parts)
    if is_hidden or not path.isprintable() or "/".join(parts) != path:
        return None
    match parts:
        case ("agents", agent, "agent.toml" | "prompt.md.j2"):
            is_kept = agent.startswith("_") or agent.casefold() == _GUIDE
            return None if is_kept else ProposedKind.AGENT
        case ("scenarios", _, "train", file) if file.endswith(SCENARIO_END):
            return ProposedKind.TRAIN
        case (first, *_) if first.casefold() not in _OTHERS and path.endswith((".dot", ".gv")):
            return ProposedKind.PIPELINE
        case _:
            return None


class ProposalState(StrEnum):
    """Whether a proposal waits for a person."""

    OPEN = "open"
    APPLIED = "applied"
    DROPPED = "dropped"


@dataclass(frozen=True)
class ProposalCite:
    """Words of an event of a run, which the program found there."""

    run: str
    seq: int
    quote: str


@dataclass(frozen=True)
class ProposalCheck:
    """The result of a check of a file, None if it was not made, and what it was at the base."""

    kind: str
    path: str
    is_passed: bool | None
    after: str
    before: str = ""


_RESULTS = {True: "passed", False: "failed", None: "not played"}


def check_lines(checks: Sequence[ProposalCheck]) -> Iterator[str]:
    """Yield the checks of a proposal as lines."""
    for one in checks:
        yield f"[{_RESULTS[one.is_passed]}] {one.kind} {one.path}"
        for label, words in (("before: ", one.before), ("", one.after)):
            yield from (f"    {label}{line}" for line in words.splitlines())


@dataclass(frozen=True)
class ProposedChange:
    """A change of `files` (whole contents by path) on `branch` at the commit `base`.

    It is about the run `run_id`; the agent of the run `asked_in` proposed it.
    """

    run_id: str
    asked_in: str
    reason: str
    cites: Sequence[ProposalCite]
    branch: str
    base: str
    files: Mapping[str, str]
    checks: Sequence[ProposalCheck]
    at: datetime
    state: ProposalState = ProposalState.OPEN
    by: str = ""

    @cached_property
    def name(self) -> str:
        """The name: the beginning of the hash of the change."""
        change: Json = {"branch": self.branch, "base": self.base, "files": dict(self.files)}
        return content_hash(canonical_json(change).encode())[:_ID_DIGITS]

    @property
    def own_branch(self) -> str:
        """The branch of the proposal itself."""
        return f"{BRANCHES}{self.name}"

    @property
    def failed(self) -> Sequence[ProposalCheck]:
        """The checks that failed."""
        return [check for check in self.checks if check.is_passed is False]

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record."""
        return {"name": self.name, "own_branch": self.own_branch, **write_fields(self)}


class Proposals(RecordFolder[ProposedChange]):
    """The proposals of a project."""

    name = "proposals"
    kind = ProposedChange

    def find(self, name: str) -> ProposedChange:
        """Return the proposal with a name, or with the unique beginning of one."""
        return find_named("proposal", name, self.all(), lambda one: [one.name])

    def require_new(self, proposal: ProposedChange) -> ProposedChange | None:
        """Return the open proposal of the same change, if any; refuse one that was decided."""
        known = self._named(proposal.name)
        return known and _require_open(known)

    @contextmanager
    def locked(self) -> Generator[None]:
        """Let no other process decide meanwhile."""
        make_private_folder(self.folder)
        with FileLock(self.folder / "lock").acquire(wait=_PATIENCE_S, purpose="attractor proposal"):
            yield

    def write(self, proposal: ProposedChange) -> None:
        """Write a proposal."""
        self._write(proposal.name, proposal)


async def repository_of(opened: OpenProject) -> Repository:
    """Return the repository of a project."""
    search_path = opened.project.machine.search_path
    return await open_repository(opened.project.root, search_path=search_path)


async def write_proposal(
    proposal: ProposedChange, store: ObjectStore, repository: Repository
) -> str:
    """Store the commit of a proposal, and return its id: equal proposals give the same one."""
    files = {**await store.files_of(await repository.tree(proposal.base))}
    for path, text in proposal.files.items():
        whole = os.fsencode(f"{repository.prefix}{path}")
        known = files.get(whole)
        is_below_file = any(folder in files for folder in folders_above(whole))
        is_folder = any(other.startswith(whole + b"/") for other in files)
        if is_below_file or is_folder or (known and known.mode in (LINK, SUBMODULE, FOLDER)):
            raise Refused(f"{path} is no file in the commit {proposal.base[:12]}, or lies in none")
        blob = store.objects.write("blob", text.encode())
        files[whole] = TreeEntry(known.mode if known else FILE, blob)
    return write_result(
        store,
        tree=write_tree(store.objects, files).hex(),
        parent=proposal.base,
        at=proposal.at,
        subject=subject_from([proposal.reason]),
        trailers={RUN_TRAILER: proposal.asked_in, "Attractor-Proposal": proposal.name}.items(),
    )


async def keep_proposal(proposal: ProposedChange, opened: OpenProject) -> ProposedChange:
    """Record a proposal, and write its branch; return the open one with the same change, if any."""
    proposals, repository = Proposals.of(opened), await repository_of(opened)
    with proposals.locked():
        if known := proposals.require_new(proposal):
            return known
        async with store_for_a_moment(repository, opened.project.machine.state_dir) as store:
            commit = await write_proposal(proposal, store, repository)
            await bring_commit(commit, out_of=store.git, into=repository.git, without=proposal.base)
        await repository.create_ref(f"refs/heads/{proposal.own_branch}", commit)
        proposals.write(proposal)
    return proposal


async def read_patch(proposal: ProposedChange, opened: OpenProject, *, most: int) -> str:
    """Return a proposal as a readable patch."""
    repository = await repository_of(opened)
    async with store_for_a_moment(repository, opened.project.machine.state_dir) as store:
        commit = await write_proposal(proposal, store, repository)
        trees = (
            await repository.tree(proposal.base),
            await store.git.run("rev-parse", f"{commit}^{{tree}}"),
        )
        return await store.patch(*trees, most=most)


async def apply_proposal(name: str, opened: OpenProject, *, by: str, proof: str) -> ProposedChange:
    """Move the branch of a proposal to its commit, and record who decided it.

    Refuse a moved branch. A repeated call finishes what a killed one began.
    """
    opened.refuse_in_run("'attractor proposal apply'")
    proposals, repository = Proposals.of(opened), await repository_of(opened)
    with proposals.locked():
        proposal = _require_open(proposals.find(name))
        await _require_shown(proposal, repository, opened)
        async with store_for_a_moment(repository, opened.project.machine.state_dir) as store:
            commit = await write_proposal(proposal, store, repository)
            now = await repository.ref(f"refs/heads/{proposal.branch}")
            if now not in (proposal.base, commit):
                hint = f"propose it anew: attractor ask --propose {proposal.run_id}"
                raise BranchMoved(
                    f"{proposal.branch} moved from {proposal.base[:12]}, for which the proposal "
                    f"{proposal.name} was made and checked",
                    hint=hint,
                )
            await bring_commit(commit, out_of=store.git, into=repository.git, without=proposal.base)
            await move_branch(
                repository, store, branch=proposal.branch, old=proposal.base, new=commit
            )
        data: dict[str, Json] = {
            "proposal": proposal.name,
            "project": opened.identity.project_id(),
            "run": proposal.run_id,
            "branch": proposal.branch,
            "before": proposal.base,
            "after": commit,
            "files": [*proposal.files],
            "by": by,
            "proof": proof,
        }
        opened.ledger.append(
            LineKind.PROPOSAL_APPLIED, proposal.asked_in, data, now=opened.now(), once=True
        )
        return await _end(proposal, ProposalState.APPLIED, by, commit, proposals, repository)


async def drop_proposal(name: str, opened: OpenProject, *, by: str) -> ProposedChange:
    """Drop a proposal: the same change is not proposed again."""
    opened.refuse_in_run("'attractor proposal drop'")
    proposals, repository = Proposals.of(opened), await repository_of(opened)
    with proposals.locked():
        proposal = _require_open(proposals.find(name))
        async with store_for_a_moment(repository, opened.project.machine.state_dir) as store:
            commit = await write_proposal(proposal, store, repository)
        return await _end(proposal, ProposalState.DROPPED, by, commit, proposals, repository)


def _require_open(proposal: ProposedChange) -> ProposedChange:
    if proposal.state is not ProposalState.OPEN:
        raise Refused(
            f"the proposal {proposal.name} was {proposal.state} already, by {proposal.by}",
            hint="see: attractor proposal list --all",
        )
    return proposal


async def _require_shown(
    proposal: ProposedChange, repository: Repository, opened: OpenProject
) -> None:
    """Refuse new lines with words of a holdout, which candidates would read then."""
    for path, text in proposal.files.items():
        known = {*(await text_at(path, proposal.base, repository)).splitlines()}
        added = "\n".join(line for line in text.splitlines() if line not in known)
        if fault := find_fault(opened, added):
            raise Refused(
                f"the proposal {proposal.name} contains {fault}, in {path}",
                hint=f"drop it: attractor proposal drop {proposal.name}",
            )


async def text_at(path: str, commit: str, repository: Repository) -> str:
    """Return the text of a file of the project in a commit; "" for none."""
    place = f"{commit}:{repository.prefix}{path}"
    return (await repository.git.answer("cat-file", "blob", place)).stdout


async def _end(
    proposal: ProposedChange,
    state: ProposalState,
    by: str,
    commit: str,
    proposals: Proposals,
    repository: Repository,
) -> ProposedChange:
    ended = changed(proposal, state=state, by=by)
    proposals.write(ended)
    # A person may have committed more to it.
    await repository.git.answer("update-ref", "-d", f"refs/heads/{proposal.own_branch}", commit)
    return ended


def require_files(files: Mapping[str, str]) -> None:
    """Refuse files that no proposal may change, and too many or too long ones."""
    hint = (
        "change pipelines (.dot), agents/NAME/agent.toml or prompt.md.j2, or "
        f"scenarios/SUITE/train/NAME{SCENARIO_END}; for caps and settings, name the command"
    )
    if not files or len(files) > MOST_FILES:
        raise UsageError(f"a proposal has 1 to {MOST_FILES} files, not {len(files)}", hint=hint)
    for path, text in files.items():
        if kind_of(path) is None:
            raise Refused(f"no proposal may change {path[:100]!r}", hint=hint)
        if len(text) > LONGEST_FILE or "\0" in text or not text.strip():
            words = f"{path} is empty, has more than {LONGEST_FILE:,} characters, or is no text"
            raise UsageError(words, hint="give the whole text of the file")
