"""Moves a Git branch to the result of an approved run."""

import shlex
from collections.abc import Callable
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NoGo, suggest
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.seams import Base
from attractor.engine.storage.json_files import Fields
from attractor.factory.decide import DecisionKind
from attractor.factory.errors import (
    InvalidBranch,
    NoDecision,
    UnknownBranch,
)
from attractor.factory.evaluate import CREATED, Evaluator
from attractor.factory.gate import GateInput, gate
from attractor.factory.ledger import Ledger, LedgerEntry
from attractor.factory.records import find_decision
from attractor.factory.run_facts import facts_of
from attractor.pipeline.runs.garbage import Whereabouts
from attractor.pipeline.workspace.stage_commits import EMAIL, NAME
from attractor.workspaces.checkouts import move_branch
from attractor.workspaces.git.object_store import Author, ObjectStore, bring_commit, write_commit
from attractor.workspaces.git.repository import Repository
from attractor.workspaces.result_tree import result_trees

PROMOTED = "promoted"
OURS = "attractor/"
HEADS = "refs/heads/"
SHOWN = 5


@dataclass(frozen=True)
class Promotion:
    """A branch and its promoted commit."""

    branch: str
    commit: str
    tag: str
    was_done: bool = False


@dataclass(frozen=True)
class CandidateTree:
    """The store of a run, the base of the run, and the patterns of excluded files."""

    store: ObjectStore
    base: Base
    left_out: tuple[str, ...]


async def promote(
    run: OpenRun,
    evaluator: Evaluator,
    repository: Repository,
    open_kept: Callable[[], CandidateTree],
    *,
    branch: str,
) -> Promotion:
    """Move a Git branch to the result of an approved run, as one commit with trailers.

    The store of the run is not needed if the promotion was already done.
    """
    branch = await _branch_name(repository, branch)
    # This also verifies the records that are used below.
    judged = evaluator.judged(facts_of(run))
    decision = _approval(run, evaluator)
    run_id = run.manifest.run_id
    if done := _written(evaluator, run_id, branch):
        return done
    candidate = open_kept()
    commit, tag = await _commit(run, candidate, decision), f"attractor/{run_id}"
    # From the store, because a manifest is easier to change.
    base = candidate.base.commit
    was_done = await _has(repository, branch, commit, since=base)
    if not was_done:
        _require_go(judged)
        await bring_commit(commit, out_of=candidate.store.git, into=repository.git, without=base)
    if not was_done or await repository.ref(_ref(branch)) == commit:
        # Also for a moved branch: its files may not be moved yet.
        await move_branch(repository, candidate.store, branch=branch, old=base, new=commit)
    await repository.create_ref(f"refs/tags/{tag}", commit)
    promotion = {"branch": branch, "commit": commit, "tag": tag}
    evaluator.ledger.append(PROMOTED, run_id, promotion, now=run.clock.now())
    run.emit("PromotionCompleted", promotion, sync=True)
    return Promotion(branch, commit, tag, was_done)


def _written(evaluator: Evaluator, run_id: str, branch: str) -> Promotion | None:
    """Return the recorded promotion of a run to a branch, or None."""
    for one in evaluator.ledger.entries(run_id):
        if one.kind == PROMOTED and one.data["branch"] == branch:
            return Promotion(branch, str(one.data["commit"]), str(one.data["tag"]), was_done=True)
    return None


async def _branch_name(repository: Repository, text: str) -> str:
    """Return the short name of a branch; refuse an invalid name."""
    name = text.removeprefix(HEADS)
    asked = await repository.git.answer("check-ref-format", _ref(name))
    if asked.exit_code or name.startswith(("-", "refs/")) or name == "HEAD":
        raise InvalidBranch(f"invalid branch name {text!r}")
    return name


async def _has(repository: Repository, branch: str, commit: str, *, since: str) -> bool:
    """Return whether a branch already contains the commit of an earlier, interrupted promotion."""
    if not await repository.ref(_ref(branch)):
        raise UnknownBranch(
            f"unknown branch {branch!r}", hint=await _other_branches(repository, branch, since)
        )
    asked = await repository.git.answer("merge-base", "--is-ancestor", commit, _ref(branch))
    return asked.exit_code == 0


async def _other_branches(repository: Repository, branch: str, since: str) -> str:
    refs = await repository.git.run("for-each-ref", "--format=%(refname:short)", "refs/heads")
    names = [one for one in refs.splitlines() if not one.startswith(OURS)]
    near = suggest(branch, names)
    shown = f"did you mean {near}?" if near else f"branches: {', '.join(names[:SHOWN]) or 'none'}"
    return f"{shown}; to create it at the base: git branch {shlex.quote(branch)} {since[:12]}"


def _ref(branch: str) -> str:
    return f"{HEADS}{branch}"


def _approval(run: OpenRun, evaluator: Evaluator) -> LedgerEntry:
    decision = find_decision(evaluator.ledger, facts_of(run))
    if decision is None:
        raise NoDecision(f"no decision on {run.manifest.run_id}")
    if decision.data["verdict"] != DecisionKind.APPROVED:
        raise NoGo(f"{run.manifest.run_id} was {decision.data['verdict']}")
    if decision.data["tree"] != run.progress.tree:
        raise NoGo(f"the decision on {run.manifest.run_id} is about another tree")
    return decision


def _require_go(judged: GateInput) -> None:
    report = gate(judged)
    if not report.go:
        rules = ", ".join(one.rule for one in report.reasons)
        raise NoGo(f"the gate now says no-go: {rules}")


async def _commit(run: OpenRun, kept: CandidateTree, decision: LedgerEntry) -> str:
    """Write the commit of a run into the run's store; a repeated call writes the same commit."""
    base, manifest = kept.base, run.manifest
    [result] = await result_trees(kept.store, base, [run.progress.tree], excluded=kept.left_out)
    trailers = [
        f"Attractor-Run: {manifest.run_id}",
        f"Attractor-Decision: {decision.head.hash}",
        f"Attractor-Suite: {manifest.suite}",
    ]
    subject = (manifest.goal or manifest.pipeline).strip().splitlines()[0]
    return write_commit(
        kept.store.objects,
        tree=result.tree,
        parents=(base.commit,),
        author=Author(NAME, EMAIL, manifest.started),
        message="\n".join([subject, "", *trailers]),
    )


class RunLocations:
    """The directories of the runs of a state folder, from the ledger."""

    def __init__(self, ledger: Ledger, runs_dir: Path) -> None:
        self._runs_dir = runs_dir
        self._begun: dict[str, Path] = {}
        self._promoted: set[str] = set()
        for entry in ledger.entries():
            if entry.kind == CREATED:
                place = Fields(entry.data, "ledger: created").text("directory")
                self._begun[entry.run_id] = Path(place)
            elif entry.kind == PROMOTED:
                self._promoted.add(entry.run_id)

    def __call__(self, run_id: str) -> Whereabouts:
        """Return the location of a run."""
        begun = self._begun.get(run_id)
        here = self._runs_dir / run_id
        return Whereabouts(
            places=(begun, here) if begun else (here,),
            is_known=begun is not None,
            is_promoted=run_id in self._promoted,
        )
