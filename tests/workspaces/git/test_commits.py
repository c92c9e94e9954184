from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from attractor.workspaces.checkouts import AT_BASE, RunBranch, StageTree, write_run_branch
from attractor.workspaces.errors import BranchMoved, CheckoutInTheWay
from attractor.workspaces.tracked_folder import TrackedFolder
from tests.workspaces.projects import AUTHOR, RUN, WHEN, Project, everything, git, write

pytestmark = pytest.mark.anyio

BRANCH = f"attractor/run/{RUN}"


async def run_stages(project: Project) -> tuple[TrackedFolder, list[StageTree]]:
    """Run three stages, of which the second changes nothing."""
    workspace = await project.workspace()
    stages: list[StageTree] = []
    for number, text in enumerate(["one", "one", "two"]):
        write(workspace.folder, {"todo.py": text})
        author = replace(AUTHOR, at=WHEN + timedelta(hours=number))
        tree = await workspace.snapshot(text)
        stages.append(StageTree(f"stage {number}\nmore words", tree, author))
    return workspace, stages


async def give(
    project: Project, workspace: TrackedFolder, stages: Sequence[StageTree]
) -> RunBranch:
    return await write_run_branch(
        await project.repository(),
        workspace.store,
        run_id=RUN,
        base=workspace.base,
        stages=stages,
        excluded=workspace.excluded,
    )


async def test_stages_are_commits_on_the_run_branch(project: Project) -> None:
    write(project.folder, {"mine": "mine", "todo.py": "half-done work of mine\n"})
    git(project.folder, "add", "mine")
    head, status = project.head(), git(project.folder, "status", "--porcelain")
    index = (project.folder / ".git/index").read_bytes()
    workspace, stages = await run_stages(project)
    branch = await give(project, workspace, stages)
    assert branch.ref == f"refs/heads/{BRANCH}"
    assert branch.commit == project.head(BRANCH)
    assert branch.tree == project.head(f"{BRANCH}^{{tree}}")
    shown = "%an|%ae|%aI|%cI|%s|%(trailers:key=Attractor-Run,valueonly,separator=%x2C)"
    assert git(project.folder, "log", f"--format={shown}", f"{head}..{BRANCH}").split("\n") == [
        f"Attractor|attractor@localhost|{when}|{when}|{subject}|{RUN}"
        for when, subject in [
            ("2026-05-04T05:02:01+00:00", "stage 2"),
            ("2026-05-04T04:02:01+00:00", "stage 1"),
            ("2026-05-04T03:02:01+00:00", "stage 0"),
        ]
    ]
    assert git(project.folder, "diff", "--stat", "--name-only", head, BRANCH) == "todo.py"
    assert git(project.folder, "show", f"{BRANCH}:scenarios/todo/holdout/one.scenario.toml")
    assert project.head() == head
    assert (project.folder / ".git/index").read_bytes() == index
    assert git(project.folder, "status", "--porcelain") == status
    git(project.folder, "fsck", "--strict", "--no-dangling")


async def test_commit_trailers_name_the_stage(project: Project) -> None:
    trailers = {"Attractor-Stage": "a b\nAttractor-Run: forged", "Attractor-Outcome": "success"}
    workspace, stages = await run_stages(project)
    await give(project, workspace, [replace(one, trailers=trailers) for one in stages])
    output = git(project.folder, "log", "-1", "--format=%(trailers:only,unfold)", BRANCH)
    assert output.strip().split("\n") == [
        f"Attractor-Run: {RUN}",
        "Attractor-Stage: a b Attractor-Run: forged",
        "Attractor-Outcome: success",
    ]


async def test_the_branch_needs_no_store_afterwards(project: Project) -> None:
    workspace, stages = await run_stages(project)
    await give(project, workspace, stages)
    project.state.rename(project.state.with_name("gone"))
    git(project.folder, "gc", "-q", "--prune=now")
    git(project.folder, "fsck", "--strict", "--no-dangling")
    assert git(project.folder, "show", f"{BRANCH}:todo.py") == "two"


async def test_writing_the_run_branch_twice_changes_nothing(project: Project) -> None:
    workspace, stages = await run_stages(project)
    first = await give(project, workspace, stages)
    git(project.folder, "update-ref", "-d", first.ref)
    assert await give(project, workspace, stages) == first
    before = everything(project.folder / ".git/refs")
    assert await give(project, workspace, stages) == first
    assert everything(project.folder / ".git/refs") == before


async def test_a_run_without_stages_has_a_branch_at_its_base(project: Project) -> None:
    workspace, stages = await run_stages(project)
    branch = await give(project, workspace, [])
    assert (branch.commit, branch.tree) == (workspace.base.commit, workspace.base.tree)
    unchanged = replace(stages[0], tree=workspace.base.candidate)
    branch = await give(project, workspace, [unchanged])
    assert (branch.commit == workspace.base.commit, branch.tree) == (False, workspace.base.tree)


async def test_stages_may_have_several_parents(project: Project) -> None:
    workspace, [first, second, last] = await run_stages(project)
    stages = [first, replace(second, parents=(AT_BASE,)), replace(last, parents=(0, 1))]
    await give(project, workspace, stages)
    graph = git(project.folder, "log", "--topo-order", "--format=%s|%p", f"HEAD..{BRANCH}")
    subjects = {line.split("|")[0]: line.split("|")[1].split() for line in graph.splitlines()}
    assert {name: len(parents) for name, parents in subjects.items()} == {
        "stage 0": 1,
        "stage 1": 1,
        "stage 2": 2,
    }
    assert project.head(f"{BRANCH}^1^") == project.head(f"{BRANCH}^2^") == project.head()


async def test_run_branch_with_other_commits_or_checkout_is_not_moved(project: Project) -> None:
    workspace, stages = await run_stages(project)
    await give(project, workspace, stages[:1])
    git(project.folder, "switch", "-q", BRANCH)
    with pytest.raises(CheckoutInTheWay, match="checked out"):
        await give(project, workspace, stages)
    write(project.folder, {"mine": "mine"})
    mine = project.commit("mine")
    git(project.folder, "switch", "-q", "main")
    with pytest.raises(BranchMoved, match="not a stage of the run"):
        await give(project, workspace, stages)
    assert project.head(BRANCH) == mine


async def test_existing_branch_is_not_overwritten(project: Project) -> None:
    workspace, stages = await run_stages(project)
    git(project.folder, "branch", BRANCH, "HEAD~1")
    with pytest.raises(BranchMoved, match="is at"):
        await give(project, workspace, stages)
    assert project.head(BRANCH) == project.head("HEAD~1")


async def test_hooks_of_the_project_do_not_run(project: Project) -> None:
    hooks = project.folder / ".git/hooks"
    for name in ("reference-transaction", "post-commit", "post-checkout", "post-index-change"):
        write(hooks, {name: f"#!/bin/sh\ntouch {hooks}/ran\n"})
        (hooks / name).chmod(0o755)
    workspace, stages = await run_stages(project)
    await give(project, workspace, stages)
    assert not (hooks / "ran").exists()
    git(project.folder, "branch", "by-hand")
    assert (hooks / "ran").exists()
