"""Gives the stages of a run to the person's repository, as commits on a branch of their own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from attractor.engine.seams import Base, TreeId
from attractor.workspaces.commits import Author, as_trailers, bring_commit, write_commit
from attractor.workspaces.repository import Repository
from attractor.workspaces.result_tree import result_trees
from attractor.workspaces.store import Store

_BRANCHES = "refs/heads/attractor/run/"


@dataclass(frozen=True)
class StageTree:
    """What a stage left: its candidate tree, a subject for people, and who and when.

    The trailers stand at the end of its commit's message, for programs.
    """

    subject: str
    tree: TreeId
    author: Author
    trailers: Mapping[str, str] = field(default_factory=dict[str, str])


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
    """Make a commit of every stage that changed files, and a branch of them; twice is the same."""
    results = await result_trees(store, base, [stage.tree for stage in stages], left_out=left_out)
    commit, tree = base.commit, base.tree
    for stage, result in zip(stages, results, strict=True):
        if result.tree != tree:
            trailers = as_trailers({"Attractor-Run": run_id, **stage.trailers})
            message = f"{_first_line(stage.subject)}\n\n{trailers}"
            commit = write_commit(
                store.objects,
                tree=result.tree,
                parents=(commit,),
                author=stage.author,
                message=message,
            )
            tree = result.tree
    if commit != base.commit:
        await bring_commit(commit, out_of=store.git, into=repository.git, without=base.commit)
    ref = f"{_BRANCHES}{run_id}"
    await repository.create_ref(ref, commit)
    return RunBranch(ref, commit, tree)


def _first_line(subject: str) -> str:
    return (subject.strip().splitlines() or ["A stage"])[0]
