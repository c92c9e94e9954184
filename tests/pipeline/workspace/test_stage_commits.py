"""The branch of a run: a commit for each stage that may change files, in the order of its walk."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from attractor.engine.budgets import Budgets
from attractor.engine.journal.events import Action
from attractor.engine.outcome import StageStatus
from attractor.engine.run_folder.inbox import Order, leave_order
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.run_state import AWAITING_ANSWER, CANCELED, EXECUTING, FAILED
from attractor.pipeline.execute import resume
from attractor.pipeline.project.project import Project
from attractor.records.request import Overrides, RunRequest
from tests.pipeline.projects import adjusted, git, make_project, open_project, start

PLAIN = """
digraph plain {
    node [shape=parallelogram]
    start [shape=Mdiamond]
    exit [shape=Msquare]
    quiet [tool_command="true"]
    ask [shape=hexagon]
    choose [shape=diamond]
    write [tool_command="echo made > made.txt"]
    start -> quiet -> ask
    ask -> choose [label="Go on"]
    choose -> write -> exit
}
"""

BRANCHES = """
digraph branches {
    node [shape=parallelogram]
    start [shape=Mdiamond]
    exit [shape=Msquare]
    before [tool_command="echo before > before.txt"]
    fork [shape=component%s]
    one [tool_command="echo one > one.txt"]
    more [tool_command="echo more >> one.txt"]
    two [tool_command="echo two > two.txt"]
    meet [shape=tripleoctagon, merge=%s]
    after [tool_command="ls > after.txt"]
    start -> before -> fork
    fork -> one -> more -> meet
    fork -> two -> meet
    meet -> after -> exit
}
"""

FAILS = """
digraph fails {
    node [shape=parallelogram, max_retries=0]
    start [shape=Mdiamond]
    exit [shape=Msquare]
    good [tool_command="echo good > good.txt"]
    bad [tool_command="echo half > half.txt; exit 1"]
    start -> good -> bad -> exit
}
"""
NESTED = """
digraph nested {
    node [shape=parallelogram]
    start [shape=Mdiamond]
    exit [shape=Msquare]
    fork [shape=component]
    left [tool_command="echo left > left.txt"]
    inner [shape=component]
    a [tool_command="echo a > a.txt"]
    b [tool_command="echo b > b.txt"]
    inner_meet [shape=tripleoctagon, merge=all]
    right [tool_command="echo right > right.txt"]
    meet [shape=tripleoctagon, merge=all]
    start -> fork
    fork -> left -> inner
    inner -> a -> inner_meet
    inner -> b -> inner_meet
    inner_meet -> meet
    fork -> right -> meet
    meet -> exit
}
"""
FIRST = """
digraph first {
    node [shape=parallelogram]
    start [shape=Mdiamond]
    exit [shape=Msquare]
    fork [shape=component, join_policy=first_success]
    quick [tool_command="echo quick > quick.txt"]
    slow [tool_command="echo slow > slow.txt; sleep 60"]
    meet [shape=tripleoctagon, merge=all]
    start -> fork
    fork -> slow -> meet
    fork -> quick -> meet
    meet -> exit
}
"""
ROUNDS = """
digraph rounds {
    node [shape=parallelogram]
    start [shape=Mdiamond]
    exit [shape=Msquare]
    fork [shape=component]
    a [tool_command="echo a >> a.txt"]
    b [tool_command="echo b >> b.txt"]
    meet [shape=tripleoctagon, merge=all]
    check [tool_command="test $(wc -l < a.txt) = 2", max_retries=0]
    start -> fork
    fork -> a -> meet
    fork -> b -> meet
    meet -> check
    check -> exit
    check -> fork [condition="outcome=fail"]
}
"""
SHARED = ', isolation="shared", max_parallel=1'


def go(opened: Project, pipeline: str = "pipeline.dot", **more: object) -> RunResult:
    chosen = RunRequest(file=opened.root / pipeline, backend="simulate", sandbox="none")
    return asyncio.run(start(replace(chosen, **more), opened))


def commits(project: Path, result: RunResult, *more: str) -> list[str]:
    """Return the stages of a run's branch, the first one first."""
    branch = f"attractor/run/{result.run_id}"
    output = git(
        project, "log", "--reverse", "--topo-order", *more, "--format=%s", f"main..{branch}"
    )
    return [line.removeprefix("Stage ") for line in output.splitlines()]


def require_whole(project: Path, result: RunResult) -> None:
    """Check that the last commit has the final tree of the run."""
    branch = f"attractor/run/{result.run_id}"
    assert git(project, "rev-parse", f"{branch}^{{tree}}").strip() == result.tree
    assert git(project, "rev-parse", "HEAD") == git(project, "rev-parse", "main")
    assert git(project, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("pipeline", "stages", "merges"),
    [
        (PLAIN, "quiet write", ""),
        (BRANCHES % ("", "winner"), "before one more meet after", ""),
        (BRANCHES % ("", "all"), "before one more two meet after", "meet"),
        (BRANCHES % ("", "none"), "before meet after", ""),
        (BRANCHES % (SHARED, "winner"), "before one more two meet after", ""),
        (NESTED, "left a b inner_meet right meet", "inner_meet meet"),
        (FIRST, "quick meet", ""),
        (ROUNDS, "a b meet check a b meet check", "meet meet"),
    ],
)
def test_commits_of_the_run_branch(tmp_path: Path, pipeline: str, stages: str, merges: str) -> None:
    project = make_project(tmp_path / "project", pipeline)
    result = go(open_project(project), interviewer="auto_approve")
    assert result.outcome is StageStatus.SUCCESS
    found = commits(project, result)
    # Git may list the stages of one branch before or after those of another.
    assert sorted(found) == sorted(stages.split()) if merges else found == stages.split()
    assert commits(project, result, "--min-parents=2") == merges.split()
    require_whole(project, result)


def test_branch_of_a_failed_run_names_the_failure(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", FAILS)
    result = go(open_project(project))
    assert result.status == FAILED
    assert commits(project, result) == ["good", "bad"]
    branch = f"attractor/run/{result.run_id}"
    trailer = "%(trailers:key=Attractor-Outcome,valueonly)"
    assert git(project, "log", "-1", f"--format={trailer}", branch).strip() == "fail"
    assert git(project, "show", f"{branch}:half.txt") == "half\n"
    require_whole(project, result)


def test_resumed_run_moves_its_branch(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", PLAIN)
    opened = open_project(project)
    parked = go(opened, interviewer="park")
    assert parked.status == AWAITING_ANSWER
    assert commits(project, parked) == ["quiet"]
    ended = asyncio.run(resume(parked.directory, opened, Overrides(interviewer="auto_approve")))
    assert commits(project, ended) == ["quiet", "write"]


def test_a_run_that_used_up_its_budget_has_a_branch(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", PLAIN.replace("echo made", "sleep 60; echo made"))
    opened = open_project(project)
    stopped = go(opened, interviewer="auto_approve", budgets=Budgets(duration=timedelta(seconds=1)))
    assert stopped.status == EXECUTING
    assert commits(project, stopped) == ["quiet"]


def test_foreign_branch_is_not_overwritten(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", PLAIN)
    messages: list[str] = []
    opened = adjusted(open_project(project), tell=messages.append)
    parked = go(opened, interviewer="park")
    branch = f"attractor/run/{parked.run_id}"
    git(project, "switch", "--quiet", branch)
    git(project, "commit", "--quiet", "--allow-empty", "--message", "Mine")
    mine = git(project, "rev-parse", branch)
    git(project, "switch", "--quiet", "main")
    leave_order(parked.directory / "inbox", Order(Action.CANCEL, "me", "enough"), name="00")
    canceled = asyncio.run(resume(parked.directory, opened))
    assert canceled.status == CANCELED
    assert git(project, "rev-parse", branch) == mine
    assert any("was not delivered" in one and "not a stage of the run" in one for one in messages)


def test_resume_inside_branches_makes_the_same_commits(tmp_path: Path) -> None:
    gate = '    ask [shape=hexagon]\n    fork -> one -> ask\n    ask -> more [label="Go on"]\n'
    text = (BRANCHES % ("", "all")).replace("    fork -> one -> more -> meet\n", gate)
    text = text.replace("    fork -> two", "    more -> meet\n    fork -> two")
    project = make_project(tmp_path / "project", text)
    opened = open_project(project)
    parked = go(opened, interviewer="park")
    assert commits(project, parked) == ["before"]
    ended = asyncio.run(resume(parked.directory, opened, Overrides(interviewer="auto_approve")))
    assert commits(project, ended, "--min-parents=2") == ["meet"]
    stages = ["before", "one", "more", "two", "meet", "after"]
    assert sorted(commits(project, ended)) == sorted(stages)
    branch = f"attractor/run/{ended.run_id}"
    assert git(project, "show", "--format=", "--name-only", f"{branch}~1^2") == "two.txt\n"
    require_whole(project, ended)
