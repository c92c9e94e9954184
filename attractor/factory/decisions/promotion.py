"""Moves a Git branch to the result of an approved run, and rolls such a move back."""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NoGo, Refused, UsageError, suggest
from attractor.base.json import Json
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.seams import Base
from attractor.engine.storage.json_files import Fields
from attractor.factory.candidate_run import facts_of
from attractor.factory.decisions.decide import DecisionKind, require_go, require_words
from attractor.factory.errors import (
    InvalidBranch,
    MergeConflict,
    NoDecision,
    NotPromoted,
    StaleBase,
    UnknownBranch,
)
from attractor.factory.evaluation.evaluate import Evaluator
from attractor.factory.gate_records import GateInput
from attractor.factory.history.records import find_decision
from attractor.factory.history.trials import events_of
from attractor.factory.ledger.ledger import UNJUDGED_TREE, Ledger, LedgerEntry, LineKind
from attractor.records.lookup import reference_of
from attractor.records.request import RunRequest, how_to_be_judged, read_request
from attractor.workspaces.checkouts import move_branch
from attractor.workspaces.commits import RUN_TRAILER, write_result
from attractor.workspaces.create.registry import workspace_registry
from attractor.workspaces.errors import BranchMoved, CheckoutInTheWay, NotARepository, UnknownCommit
from attractor.workspaces.git.object_store import Author, ObjectStore, bring_commit, write_commit
from attractor.workspaces.git.repository import Repository, open_repository
from attractor.workspaces.merge import merge_trees
from attractor.workspaces.result_tree import result_trees

OURS = "attractor/"
HEADS = "refs/heads/"
_LEDGER_TRAILER = "Attractor-Ledger"
_LINE_HASH = re.compile("[0-9a-f]{64}")
SHOWN = 5
CLOSED = "closed"
"""The end of a pull request that was not merged; a person may open it again."""


PULL_REQUESTS = (LineKind.PROPOSED, LineKind.PROPOSAL_ENDED, LineKind.PROMOTED)
"""The lines about the pull requests of a run."""


@dataclass(frozen=True)
class Promotion:
    """A branch and its promoted commit."""

    branch: str
    commit: str
    tag: str
    was_done: bool = False
    is_rolled_back: bool = False


@dataclass(frozen=True)
class CandidateTree:
    """The store of a run, the base of the run, and the patterns of excluded files."""

    store: ObjectStore
    base: Base
    left_out: tuple[str, ...]


def require_isolated(run: OpenRun) -> RunRequest:
    """Return the request of a run; refuse a run without a base in the project's repository."""
    request = read_request(run.manifest)
    if workspace_registry()[request.workspace].how_delivered != "branch":
        hint = "run it with --workspace isolated, in a git repository"
        raise UsageError(
            "only a run with an isolated workspace can be promoted",
            hint=how_to_be_judged(run.manifest) if request.dimension else hint,
        )
    return request


async def promote(
    run: OpenRun,
    evaluator: Evaluator,
    repository: Repository,
    open_kept: Callable[[], CandidateTree],
    *,
    branch: str,
    by: str,
) -> Promotion:
    """Move a Git branch to the result of an approved run, as one commit with trailers.

    The branch is at the base of the run. If the base is a plan commit of growth, which lies in no
    branch, the branch may be at its parent, and then also gets the base. The store of the run is
    not needed if the promotion was already done.
    """
    branch = await branch_name(repository, branch)
    # This also verifies the records that are used below.
    judged = evaluator.judged(facts_of(run))
    decision = approval_of(run, evaluator)
    run_id = run.manifest.run_id
    done = _standing(run, evaluator, branch)
    lines = [line for line in evaluator.ledger.entries(run_id) if line.kind in PULL_REQUESTS]
    if done:
        await _require_pulled(lines, done, repository)
        return done
    candidate = open_kept()
    commit, tag = await _commit(run, candidate, decision), f"attractor/{run_id}"
    # From the store, because a manifest is easier to change.
    base = candidate.base.commit
    head = await find_branch(repository, branch, since=base)
    # By an earlier promotion that was interrupted.
    was_done = await _contains(repository, commit, branch)
    await _require_landable(lines, commit, tag, repository, was_done=was_done)
    # A pull request has the same commit, which others may have merged.
    if not was_done or any(line.kind == LineKind.PROPOSED for line in lines):
        _require_go(run, judged, evaluator, by=by)
    if not was_done:
        await bring_commit(commit, out_of=candidate.store.git, into=repository.git, without=base)
    if not was_done or head == commit:
        # Also for a moved branch: its files may not be moved yet.
        try:
            before = await repository.ref(f"{base}^") if _is_on_plan(run) else ""
            starts = _starts(base=base, before=before, head=head, commit=commit)
            await _move(repository, candidate.store, branch, starts=starts, commit=commit)
        except BranchMoved as cause:
            words = f"stale_base: {cause.message}"
            raise StaleBase(words, hint=_rebase(run, evaluator, branch)) from cause
    await repository.create_ref(f"refs/tags/{tag}", commit)
    promotion = {"branch": branch, "commit": commit, "tag": tag}
    pinned = {
        "base": base,
        "decision": decision.head.hash,
        "rebased_from": run.manifest.rebased_from,
    }
    _record(run, evaluator, LineKind.PROMOTED, {**promotion, **pinned, "by": by})
    return Promotion(branch, commit, tag, was_done)


@dataclass(frozen=True)
class ApprovedCommit:
    """The commit of an approved run in the project's repository, with its base and its decision."""

    commit: str
    base: str
    decision: LedgerEntry


async def approved_commit(
    run: OpenRun,
    evaluator: Evaluator,
    repository: Repository,
    candidate: CandidateTree,
    *,
    by: str,
) -> ApprovedCommit:
    """Write the commit of an approved run into the repository, without moving a branch."""
    # This also verifies the records that are used below.
    judged = evaluator.judged(facts_of(run))
    decision = approval_of(run, evaluator)
    commit, base = await _commit(run, candidate, decision), candidate.base.commit
    name = reference_of(run.directory.root, evaluator.opened.project.runs_dir)
    hint = f"fix the problems in a new run: attractor gate {name}"
    require_go(run, judged, "pull request", by=by, hint=hint)
    await bring_commit(commit, out_of=candidate.store.git, into=repository.git, without=base)
    return ApprovedCommit(commit, base, decision)


def require_unpromoted(run: OpenRun, evaluator: Evaluator, target: str) -> None:
    """Refuse a pull request of a run that was promoted to its target: a decision is used once."""
    if done := _standing(run, evaluator, target):
        raise Refused(
            f"{run.manifest.run_id} is already promoted to {target} as {done.commit[:12]}",
            hint="see: attractor history",
        )


def was_rolled_back(run: OpenRun, evaluator: Evaluator, branch: str) -> bool:
    """Return whether the promotion of a run to a branch was rolled back."""
    done = _written(evaluator, run.manifest.run_id, branch)
    return bool(done and done.is_rolled_back)


async def record_merge(
    run: OpenRun,
    evaluator: Evaluator,
    approved: ApprovedCommit,
    merge: Mapping[str, str],
    *,
    by: str,
) -> None:
    """Record that a forge merged the result: `branch`, `commit`, `tag` and `pull_request`.

    With an `unjudged_tree`, the merged tree is not that of the approved result.
    """
    pinned = {
        "base": approved.base,
        "decision": approved.decision.head.hash,
        "rebased_from": run.manifest.rebased_from,
    }
    _record(run, evaluator, LineKind.PROMOTED, {**merge, **pinned, "by": by})


def _is_on_plan(run: OpenRun) -> bool:
    """Return whether the base is a plan commit of growth: another command promotes the run."""
    return bool(run.manifest.options.get("promoted_by"))


def _starts(*, base: str, before: str, head: str, commit: str) -> Sequence[str]:
    """Return the commits from which a branch may move; `before` is the parent of a plan commit.

    At the parent of any other base, a person took the base back, and must not get it again.
    """
    if head == commit and before:
        # Where an interrupted move began is not recorded, and the files tell.
        return [base, before]
    return [before] if before and head == before else [base]


async def _move(
    repository: Repository, store: ObjectStore, branch: str, *, starts: Sequence[str], commit: str
) -> None:
    """Move the branch, or finish an interrupted move."""
    for start in starts:
        try:
            await move_branch(repository, store, branch=branch, old=start, new=commit)
            break
        except CheckoutInTheWay:
            if start == starts[-1]:
                raise


async def roll_back(
    run: OpenRun,
    evaluator: Evaluator,
    repository: Repository,
    store: ObjectStore,
    *,
    branch: str,
    by: str,
    reason: str,
) -> Promotion:
    """Take the changes of a promoted run out of a branch, as a new commit; history is kept.

    Later changes of the branch stay. The store is empty and borrows from the repository.
    """
    branch = await branch_name(repository, branch)
    require_words(reason)
    # Not the suite and the journal: a damage there must not keep a bad result in the branch.
    evaluator.ledger.require_intact()
    done = await _promoted(run, evaluator, repository, branch)
    head = await repository.ref(_ref(branch))
    trailer = f"Attractor-Rolled-Back: {done.commit}"
    commit = await repository.git.run(
        "log", "-1", "--format=%H", f"--grep=^{trailer}$", f"{done.commit}..{head}"
    )
    was_done = bool(commit)
    if not was_done:
        trees = [await repository.tree(name) for name in (head, f"{done.commit}^", done.commit)]
        merged = await merge_trees(store, trees[:2], base=trees[2])
        if merged.conflicts:
            raise MergeConflict(
                f"{branch} changed the same lines later: {some_paths(merged.conflicts)}",
                hint=f"revert it by hand: git revert {done.commit[:12]}",
            )
        trailers = [f"{RUN_TRAILER}: {run.manifest.run_id}", trailer]
        subject = await repository.git.run("log", "-1", "--format=%s", done.commit)
        commit = write_commit(
            store.objects,
            tree=merged.tree,
            parents=(head,),
            author=Author.attractor(run.clock.now()),
            message=run.redactor.text(
                "\n".join([f'Revert "{subject}"', "", reason.strip(), "", *trailers])
            ),
        )
        await bring_commit(commit, out_of=store.git, into=repository.git, without=head)
        await move_branch(repository, store, branch=branch, old=head, new=commit)
    data = {"branch": branch, "commit": done.commit, "revert": commit, "by": by, "reason": reason}
    _record(run, evaluator, LineKind.ROLLED_BACK, data)
    return Promotion(branch, commit, done.tag, was_done)


async def _promoted(
    run: OpenRun, evaluator: Evaluator, repository: Repository, branch: str
) -> Promotion:
    """Return the promotion of a run that can be rolled back; refuse any other run."""
    run_id = run.manifest.run_id
    done = _written(evaluator, run_id, branch)
    if done is None or done.is_rolled_back:
        words = "is not promoted to" if done is None else "was rolled back already from"
        raise NotPromoted(f"{run_id} {words} {branch}", hint="see: attractor history")
    await _require_pulled(list(evaluator.ledger.entries(run_id)), done, repository)
    if not await _contains(repository, done.commit, branch):
        raise NotPromoted(
            f"{branch} no longer contains {done.commit[:12]}, to which {run_id} was promoted",
            hint="see: attractor history",
        )
    return done


_EVENTS: Mapping[str, str] = {
    LineKind.PROMOTED: "PromotionCompleted",
    LineKind.ROLLED_BACK: "PromotionRolledBack",
}
_EVENT_FIELDS = ("branch", "commit", "tag", "revert", "by", "reason", UNJUDGED_TREE)


def _record(run: OpenRun, evaluator: Evaluator, kind: str, data: Mapping[str, Json]) -> None:
    manifest = run.manifest
    record = run.redactor.members({"pipeline": manifest.pipeline, **data})
    evaluator.ledger.append(kind, manifest.run_id, record, now=run.clock.now())
    settle_promotions(run, evaluator.ledger)


def settle_promotions(run: OpenRun, ledger: Ledger) -> None:
    """Emit an event for each promotion and roll-back in the ledger that has none yet.

    A process may have died between the line of the ledger and the event.
    """
    moves = [move for move in ledger.entries(run.manifest.run_id) if move.kind in _EVENTS]
    kept = list(events_of(run.directory.events, tuple(_EVENTS.values()))) if moves else []
    for entry in moves[len(kept) :]:
        data = {name: entry.data[name] for name in _EVENT_FIELDS if name in entry.data}
        run.emit(_EVENTS[entry.kind], data, sync=True)


def some_paths(paths: Sequence[str]) -> str:
    """Return the first paths, and the number of the others."""
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return f"{', '.join(paths[:SHOWN])}{more}"


async def _require_pulled(
    lines: Sequence[LedgerEntry], done: Promotion, repository: Repository
) -> None:
    """Refuse a promotion by a pull request whose merge this repository does not have yet."""
    is_merge = any(
        line.kind == LineKind.PROMOTED
        and line.data["commit"] == done.commit
        and "pull_request" in line.data
        for line in lines
    )
    if is_merge and not await _contains(repository, done.commit, done.branch):
        raise Refused(
            f"a pull request landed on {done.branch}, and this repository does not have that yet",
            hint="get it: git pull",
        )


async def _require_landable(
    lines: Sequence[LedgerEntry], commit: str, tag: str, repository: Repository, *, was_done: bool
) -> None:
    """Refuse what a pull request brought without being a promotion, or in another form."""
    ended = [line for line in lines if line.kind == LineKind.PROPOSAL_ENDED]
    if was_done and any(line.data["how"] != CLOSED for line in ended):
        raise Refused(
            f"the branch has the commit {commit[:12]} by a pull request, which was no promotion",
            hint="see what it brought: attractor pr list",
        )
    if await repository.ref(f"refs/tags/{tag}") not in ("", commit):
        raise Refused(
            f"the tag {tag} is at another commit: the result landed in another form",
            hint=f"see where: git log -1 {tag}",
        )


def _require_go(run: OpenRun, judged: GateInput, evaluator: Evaluator, *, by: str) -> None:
    name = reference_of(run.directory.root, evaluator.opened.project.runs_dir)
    hint = f"fix the problems in a new run: attractor gate {name}"
    require_go(run, judged, "promotion", by=by, hint=hint)


def _rebase(run: OpenRun, evaluator: Evaluator, branch: str) -> str:
    name = reference_of(run.directory.root, evaluator.opened.project.runs_dir)
    return f"attractor rebase {name} --onto {shlex.quote(branch)}"


def _standing(run: OpenRun, evaluator: Evaluator, branch: str) -> Promotion | None:
    """Return the promotion of a run to a branch, or None; refuse one that was rolled back."""
    done = _written(evaluator, run.manifest.run_id, branch)
    if done and done.is_rolled_back:
        raise StaleBase(
            f"{run.manifest.run_id} was rolled back from {branch}",
            hint=_rebase(run, evaluator, branch),
        )
    return done


def _written(evaluator: Evaluator, run_id: str, branch: str) -> Promotion | None:
    """Return the recorded promotion of a run to a branch, or None."""
    found = None
    for line in evaluator.ledger.entries(run_id):
        if line.kind == LineKind.PROMOTED and line.data["branch"] == branch:
            tag = str(line.data["tag"])
            found = Promotion(branch, str(line.data["commit"]), tag, was_done=True)
        elif found and line.kind == LineKind.ROLLED_BACK and line.data["branch"] == branch:
            found = replace(found, is_rolled_back=True)
    return found


async def ledger_head_of(folder: Path, name: str, *, search_path: str) -> str:
    """Return the hash of a line of the ledger: of a promoted commit, or the name itself."""
    try:
        repository = await open_repository(folder, search_path=search_path)
        commit = await repository.commit(name)
    except (NotARepository, UnknownCommit) as cause:
        head = name.rpartition(":")[2]
        if _LINE_HASH.fullmatch(head):
            return head
        raise UsageError(
            f"{name!r} is neither the hash of a line of the ledger nor a commit",
            hint="pass a hash that `decide` or `promote` printed, or a promoted commit",
        ) from cause
    trailers = f"--format=%(trailers:key={_LEDGER_TRAILER},valueonly)"
    heads = (await repository.git.run("log", "-1", trailers, commit)).split()
    if not heads:
        raise UsageError(
            f"commit {name} has no trailer {_LEDGER_TRAILER}",
            hint="pass a commit that `attractor promote` made: see attractor history",
        )
    return heads[-1].rpartition(":")[2]


async def branch_name(repository: Repository, text: str) -> str:
    """Return the short name of a branch; refuse an invalid name."""
    name = text.removeprefix(HEADS)
    asked = await repository.git.answer("check-ref-format", _ref(name))
    if asked.exit_code or name.startswith(("-", "refs/")) or name == "HEAD":
        raise InvalidBranch(f"invalid branch name {text!r}")
    return name


async def find_branch(repository: Repository, branch: str, *, since: str) -> str:
    """Return the commit of a branch; refuse an unknown branch."""
    commit = await repository.ref(_ref(branch))
    if not commit:
        raise UnknownBranch(
            f"unknown branch {branch!r}", hint=await _other_branches(repository, branch, since)
        )
    return commit


async def _contains(repository: Repository, commit: str, branch: str) -> bool:
    asked = await repository.git.answer("merge-base", "--is-ancestor", commit, _ref(branch))
    return asked.exit_code == 0


async def _other_branches(repository: Repository, branch: str, since: str) -> str:
    refs = await repository.git.run("for-each-ref", "--format=%(refname:short)", "refs/heads")
    names = [name for name in refs.splitlines() if not name.startswith(OURS)]
    near = suggest(branch, names)
    shown = f"did you mean {near}?" if near else f"branches: {', '.join(names[:SHOWN]) or 'none'}"
    return f"{shown}; to create it at the base: git branch {shlex.quote(branch)} {since[:12]}"


def _ref(branch: str) -> str:
    return f"{HEADS}{branch}"


def approval_of(run: OpenRun, evaluator: Evaluator) -> LedgerEntry:
    """Return the decision that approves the current tree of a run; refuse any other run."""
    decision = find_decision(evaluator.ledger, facts_of(run))
    if decision is None:
        raise NoDecision(f"no decision on {run.manifest.run_id}")
    if decision.data["verdict"] != DecisionKind.APPROVED:
        raise NoGo(f"{run.manifest.run_id} was {decision.data['verdict']}")
    if decision.data["tree"] != run.progress.tree:
        raise NoGo(f"the decision on {run.manifest.run_id} is about another tree")
    return decision


async def _commit(run: OpenRun, kept: CandidateTree, decision: LedgerEntry) -> str:
    """Write the commit of a run into the run's store; a repeated call writes the same commit."""
    base, manifest = kept.base, run.manifest
    [result] = await result_trees(kept.store, base, [run.progress.tree], excluded=kept.left_out)
    if result.tree != decision.data["result_tree"]:
        raise NoGo(f"the decision on {manifest.run_id} is about another result")
    waived = Fields(decision.data, "ledger").texts("waived")
    return write_result(
        kept.store,
        tree=result.tree,
        parent=base.commit,
        at=manifest.started,
        # Decisions of earlier versions contain no subject.
        subject=str(decision.data.get("subject") or subject_of(run)),
        trailers=[
            (RUN_TRAILER, manifest.run_id),
            ("Attractor-Decision", decision.head.hash),
            ("Attractor-Suite", manifest.suite),
            (_LEDGER_TRAILER, f"{decision.head.seq}:{decision.head.hash}"),
            *(("Attractor-Waived", scenario) for scenario in waived),
        ],
    )


def subject_of(run: OpenRun) -> str:
    """Return the subject of the commit of a run."""
    manifest = run.manifest
    # Goal and pipeline may be blank.
    words = "\n".join((manifest.goal, manifest.pipeline, manifest.run_id))
    return words.strip().splitlines()[0]
