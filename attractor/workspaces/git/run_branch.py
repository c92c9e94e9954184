"""Writes the stages of a run as commits of a branch in the person's repository."""

from collections.abc import Mapping, Sequence
from dataclasses import field

from attractor.base.dataclasses import dataclass
from attractor.engine.seams import Base
from attractor.engine.state.identifiers import TreeId
from attractor.workspaces.errors import BranchMoved, CheckoutInTheWay
from attractor.workspaces.git.checkouts import checkouts_of
from attractor.workspaces.git.commits import Author, as_trailers, bring_commit, write_commit
from attractor.workspaces.git.object_store import Store
from attractor.workspaces.git.repository import Repository
from attractor.workspaces.result_tree import result_trees

_BRANCHES = "refs/heads/attractor/run/"

AT_BASE = -1
"""The place of the base, before the first of the stages."""


@dataclass(frozen=True)
class StageTree:
    """What a stage left: its candidate tree, a subject for people, and who and when.

    The trailers stand at the end of its commit's message, for programs. `parents` are the places of
    those it came after among all stages; without them it came after the one before it.
    """

    subject: str
    tree: TreeId
    author: Author
    trailers: Mapping[str, str] = field(default_factory=dict[str, str])
    parents: tuple[int, ...] = ()


@dataclass(frozen=True)
class RunBranch:
    """The branch of a run: its last commit and the result tree of that."""

    ref: str
    commit: str
    tree: TreeId


async def write_run_branch(
    repository: Repository,
    store: Store,
    *,
    run_id: str,
    base: Base,
    stages: Sequence[StageTree],
    left_out: Sequence[str],
) -> RunBranch:
    """Make a commit of every stage, and a branch that ends with the last; twice is the same.

    A branch that ends with an earlier stage of the run is moved on.
    """
    results = await result_trees(store, base, [stage.tree for stage in stages], left_out=left_out)
    commits: list[str] = []
    for place, (stage, result) in enumerate(zip(stages, results, strict=True)):
        parents = stage.parents or (place - 1,)
        commits.append(
            write_commit(
                store.objects,
                tree=result.tree,
                parents=tuple(base.commit if one == AT_BASE else commits[one] for one in parents),
                author=stage.author,
                message=_message(stage, run_id),
            )
        )
    commit = commits[-1] if commits else base.commit
    if commit != base.commit:
        await bring_commit(commit, out_of=store.git, into=repository.git, without=base.commit)
    ref = f"{_BRANCHES}{run_id}"
    await _move_on(repository, store, ref, base.commit, commit)
    return RunBranch(ref, commit, results[-1].tree if results else base.tree)


async def _move_on(repository: Repository, store: Store, ref: str, base: str, commit: str) -> None:
    """Let a branch end with a commit, if nobody else's commit is lost and nobody stands on it."""
    before = await repository.ref(ref)
    if before == commit:
        return
    if before and not await repository.is_between(base, before, commit):
        raise BranchMoved(
            f"{ref} stands at {before[:12]} already, which is no stage of the run",
            hint=f"rename or delete it, then go on with: {_resume(ref)}",
        )
    if before and (found := await checkouts_of(repository, ref, store)):
        raise CheckoutInTheWay(
            f"{found[0].folder} has {ref.removeprefix('refs/heads/')} checked out, and it is to "
            "be moved on",
            hint=f"switch to another branch there, then go on with: {_resume(ref)}",
        )
    await repository.move_ref(ref, before, commit)


def _message(stage: StageTree, run_id: str) -> str:
    trailers = as_trailers({"Attractor-Run": run_id, **stage.trailers})
    return f"{_first_line(stage.subject)}\n\n{trailers}"


def _first_line(subject: str) -> str:
    return (subject.strip().splitlines() or ["A stage"])[0]


def _resume(ref: str) -> str:
    return f"attractor resume {ref.removeprefix(_BRANCHES)}"
