"""Moves a branch to what a run made: only after an approval, and only if nothing moved since."""

from dataclasses import dataclass

from attractor.base.errors import NoGo
from attractor.engine.open_run import OpenRun
from attractor.engine.seams import Base
from attractor.factory.deciding import Verdict, decision_of
from attractor.factory.errors import NoDecision
from attractor.factory.evaluating import Evaluator
from attractor.factory.gate import gate
from attractor.factory.ledger import Entry
from attractor.pipeline.trees import EMAIL, NAME
from attractor.workspaces.commits import Author, bring_commit, write_commit
from attractor.workspaces.promotion import move_branch
from attractor.workspaces.repository import Repository
from attractor.workspaces.result_tree import result_trees
from attractor.workspaces.store import Store

PROMOTED = "promoted"


@dataclass(frozen=True)
class Promotion:
    """A branch and the one commit it was moved to."""

    branch: str
    commit: str
    tag: str


@dataclass(frozen=True)
class CandidateTree:
    """Where the run's trees are kept, what they came from, and what was left out of them."""

    store: Store
    base: Base
    left_out: tuple[str, ...]


async def promote(
    run: OpenRun,
    evaluator: Evaluator,
    repository: Repository,
    kept: CandidateTree,
    *,
    branch: str,
) -> Promotion:
    """Give the result of an approved run to a branch, as one commit with its trailers."""
    decision = _approval(run, evaluator)
    commit = await _commit(run, repository, kept, decision)
    # What the workspace was made from; a manifest is easier to reach.
    old = kept.base.commit
    await move_branch(repository, kept.store, branch=branch, old=old, new=commit)
    tag = f"attractor/{run.manifest.run_id}"
    await repository.create_ref(f"refs/tags/{tag}", commit)
    told = {"branch": branch, "commit": commit, "tag": tag}
    evaluator.ledger.append(PROMOTED, run.manifest.run_id, told, now=run.clock.now())
    run.emit("PromotionCompleted", told, sync=True)
    return Promotion(branch, commit, tag)


def _approval(run: OpenRun, evaluator: Evaluator) -> Entry:
    decision = decision_of(evaluator, run.manifest.run_id)
    if decision is None:
        raise NoDecision(f"nobody has decided on {run.manifest.run_id}")
    if decision.data["verdict"] != Verdict.APPROVED:
        raise NoGo(f"{run.manifest.run_id} was {decision.data['verdict']}")
    if decision.data["tree"] != run.progress.tree:
        raise NoGo(f"the decision on {run.manifest.run_id} is about another tree")
    report = gate(evaluator.judged(run))
    if not report.go:
        rules = ", ".join(one.rule for one in report.reasons)
        raise NoGo(f"the gate no longer says go: {rules}")
    return decision


async def _commit(
    run: OpenRun, repository: Repository, kept: CandidateTree, decision: Entry
) -> str:
    base, manifest = kept.base, run.manifest
    [result] = await result_trees(kept.store, base, [run.progress.tree], left_out=kept.left_out)
    trailers = [
        f"Attractor-Run: {manifest.run_id}",
        f"Attractor-Decision: {decision.head.hash}",
        f"Attractor-Suite: {manifest.suite}",
    ]
    subject = (manifest.goal or manifest.pipeline).strip().splitlines()[0]
    commit = write_commit(
        kept.store.objects,
        tree=result.tree,
        parents=(base.commit,),
        author=Author(NAME, EMAIL, manifest.started),
        message="\n".join([subject, "", *trailers]),
    )
    await bring_commit(commit, out_of=kept.store.git, into=repository.git, without=base.commit)
    return commit
