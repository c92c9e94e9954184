"""Writes the stages of a run as commits of a branch in the person's repository."""

from collections.abc import Mapping, Sequence
from dataclasses import field

from attractor.base.dataclasses import dataclass
from attractor.engine.seams import Base
from attractor.engine.state.attempts import TreeId
from attractor.workspaces.errors import BranchMoved, CheckoutInTheWay
from attractor.workspaces.git.checkouts import checkouts_of
from attractor.workspaces.git.commits import Author, as_trailers, bring_commit, write_commit
from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.git.repository import Repository
from attractor.workspaces.result_tree import result_trees

_BRANCHES = "refs/heads/attractor/run/"

AT_BASE = -1
"""The position of the base, before the first stage."""


@dataclass(frozen=True)
class StageTree:
    """The candidate tree of a stage, with the subject, author and trailers of its commit.

    `parents` are the positions of its parents among all stages (default: the previous stage).
    """

    subject: str
    tree: TreeId
    author: Author
    trailers: Mapping[str, str] = field(default_factory=dict[str, str])
    parents: tuple[int, ...] = ()


@dataclass(frozen=True)
class RunBranch:
    """The branch of a run, with its last commit and result tree."""

    ref: str
    commit: str
    tree: TreeId


async def write_run_branch(
    repository: Repository,
    store: ObjectStore,
    *,
    run_id: str,
    base: Base,
    stages: Sequence[StageTree],
    excluded: Sequence[str],
) -> RunBranch:
    """Write a commit of every stage, and a branch that ends with the last one.

    A branch that ends with an earlier stage of the run is moved. A second call changes nothing.
    """
    results = await result_trees(store, base, [stage.tree for stage in stages], excluded=excluded)
    commits: list[str] = []
    for position, (stage, result) in enumerate(zip(stages, results, strict=True)):
        parents = stage.parents or (position - 1,)
        commits.append(
            write_commit(
                store.objects,
                tree=result.tree,
                parents=tuple(
                    base.commit if parent == AT_BASE else commits[parent] for parent in parents
                ),
                author=stage.author,
                message=_message(stage, run_id),
            )
        )
    commit = commits[-1] if commits else base.commit
    if commit != base.commit:
        await bring_commit(commit, out_of=store.git, into=repository.git, without=base.commit)
    ref = f"{_BRANCHES}{run_id}"
    await _move_branch(repository, store, ref, base.commit, commit)
    return RunBranch(ref, commit, results[-1].tree if results else base.tree)


async def _move_branch(
    repository: Repository, store: ObjectStore, ref: str, base: str, commit: str
) -> None:
    """Move the branch, unless it has commits of others or is checked out."""
    before = await repository.ref(ref)
    if before == commit:
        return
    if before and not await repository.is_between(base, before, commit):
        raise BranchMoved(
            f"{ref} is at {before[:12]}, which is not a stage of the run",
            hint=f"rename or delete it, then run: {_resume(ref)}",
        )
    if before and (checkouts := await checkouts_of(repository, ref, store)):
        raise CheckoutInTheWay(
            f"{checkouts[0].folder} has {ref.removeprefix('refs/heads/')} checked out, so it "
            "cannot be moved",
            hint=f"switch to another branch there, then run: {_resume(ref)}",
        )
    await repository.move_ref(ref, before, commit)


def _message(stage: StageTree, run_id: str) -> str:
    trailers = as_trailers({"Attractor-Run": run_id, **stage.trailers})
    return f"{_first_line(stage.subject)}\n\n{trailers}"


def _first_line(subject: str) -> str:
    return (subject.strip().splitlines() or ["A stage"])[0]


def _resume(ref: str) -> str:
    return f"attractor resume {ref.removeprefix(_BRANCHES)}"
