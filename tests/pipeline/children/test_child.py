"""Withdrawn questions of a child, and interrupted rounds of a child."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from attractor import RunResult
from attractor.engine.budgets import Budgets
from attractor.engine.outcome import StageStatus
from attractor.engine.run_folder.layout import RunDirectory, read_files, read_manifest
from attractor.engine.seams import Child, ChildEnd, Parked, Stopped, Suspended
from attractor.engine.state.run_state import AWAITING_ANSWER, EVALUATING
from attractor.pipeline.execute import resume
from attractor.records.lookup import find_run
from attractor.records.summary import list_runs
from tests.counts import count
from tests.engine.runs import read_events
from tests.patience import until
from tests.pipeline.dying_restart import CHILD, MOMENTS, PARENT, run_and_die
from tests.pipeline.families import ENDS, Family
from tests.pipeline.projects import git, make_project, open_project
from tests.spec.runs import between, events, project_in, run as runs_run

pytestmark = pytest.mark.anyio

INNER = between(
    'fan   [shape=component, join_policy="first_success"]',
    'left  [shape=hexagon, label="Left?"]',
    'right [shape=parallelogram, tool_command="sleep 0.3"]',
    "meet  [shape=tripleoctagon]",
    'later [shape=hexagon, label="Later?"]',
    "start -> fan; fan -> left; fan -> right",
    'left -> meet [label="[Y] Yes"]',
    "right -> meet; meet -> later",
    'later -> exit [label="[Y] Yes"]',
)
OUTER = between('inner [type=pipeline, file="inner.dot"]', "start -> inner -> exit")


def parked(folder: Path, text: str = OUTER) -> RunResult:
    project = project_in(folder)
    (project / "inner.dot").write_text(INNER)
    (project / "middle.dot").write_text(OUTER)
    result = runs_run(folder, text, interviewer="park")
    assert result.status == AWAITING_ANSWER
    return result


def asked(result: RunResult) -> list[str]:
    record = json.loads((result.directory / "run.json").read_text())
    return [one["id"] for one in record["questions"]]


def test_question_of_a_canceled_branch_is_withdrawn(tmp_path: Path) -> None:
    result = parked(tmp_path)
    first = events(result, "QuestionAsked")[0].data["question"]
    assert isinstance(first, dict)
    assert first["id"] == "inner@1.1/left@1.1"
    assert asked(result) == ["inner@1.1/later@1.1"]


def test_question_of_a_nested_child_is_withdrawn(tmp_path: Path) -> None:
    text = between('outer [type=pipeline, file="middle.dot"]', "start -> outer -> exit")
    assert asked(parked(tmp_path, text)) == ["outer@1.1/inner@1.1/later@1.1"]


NAME = "it@1.1"
JUDGE = """digraph rounds { ENDS MORE
    outputs="count=context.tool.output"
    work  [shape=parallelogram, tool_command="echo done >> done.txt; WORK"]
    judge [shape=parallelogram, tool_command="wc -l < done.txt; [ $(wc -l < done.txt) -ge 3 ]"]
    start -> work -> judge
    judge -> exit [condition="outcome=success"]
    judge -> work [condition="outcome=fail", loop_restart=true] }
"""


def rounds(*, work: str = "true", more: str = "") -> str:
    return JUDGE.replace("ENDS", f"{ENDS};").replace("MORE", more).replace("WORK", work)


async def end(parent: Family) -> ChildEnd:
    async with parent.children.start(Child(NAME, "rounds.dot"), parent.workspace) as child:
        return await child.wait()


def document(root: Path, name: str = "run.json") -> dict[str, Any]:
    return json.loads((root / name).read_text())


def roots(parent: Family) -> list[Path]:
    """Return the directories of all rounds, the first one first."""
    return [parent.root(NAME), *sorted(parent.root(NAME).parent.glob("*.restart*"))]


def standings(parent: Family) -> list[str]:
    found = [document(one) for one in roots(parent)]
    return [f"{one['status']}: {one['reason']}" for one in found]


async def test_each_round_is_a_linked_run_and_the_last_one_gives_its_end(parent: Family) -> None:
    parent.write("rounds.dot", rounds())
    async with parent.children.start(Child(NAME, "rounds.dot"), parent.workspace) as child:
        ended = await child.wait()
        assert child.directory == roots(parent)[-1]
        assert child.telemetry().outcome == "success"
    assert ended.status is StageStatus.SUCCESS
    assert ended.context["tool.output"] == "3\n"
    assert parent.lines() == ["done"] * 3
    assert standings(parent) == ["canceled: restarted"] * 2 + ["evaluating: completed"]
    manifests = [read_manifest(RunDirectory(one)) for one in roots(parent)]
    assert [one.restart for one in manifests] == [0, 1, 2]
    ids = [one.run_id for one in manifests]
    assert [one.parent for one in manifests] == [parent.run.manifest.run_id, *ids[:2]]
    started = [one for one in read_events(roots(parent)[1]) if one.type == "StageStarted"]
    # Visits are numbered through all rounds.
    assert [(one.node, one.visit) for one in started] == [("work", 2), ("judge", 2)]


async def test_rounds_of_a_child_are_capped(parent: Family) -> None:
    parent.write("rounds.dot", rounds(more="max_restarts=1;"))
    ended = await end(parent)
    assert ended.status is StageStatus.FAIL
    assert ended.reason == "loop_restart: limit max_restarts=1 reached"
    assert len(roots(parent)) == 2


async def test_a_budget_counts_for_all_rounds_of_a_child(parent: Family) -> None:
    parent.write("rounds.dot", rounds(work="sleep 0.2"))
    parent.budgets = Budgets(duration=timedelta(seconds=0.3))
    with pytest.raises(Suspended, match="max_duration"):
        await end(parent)
    done = len(parent.lines())
    assert done < 3
    parent.budgets = Budgets(duration=timedelta(minutes=1))
    assert (await end(parent)).status is StageStatus.SUCCESS
    assert len(parent.lines()) == 3


WAITS = "[ $(wc -l < done.txt) -lt 2 ] || while ! [ -e go ]; do sleep 0.02; done"


async def test_messages_and_stops_reach_the_current_round(parent: Family) -> None:
    parent.write("rounds.dot", rounds(work=WAITS))
    async with parent.children.start(Child(NAME, "rounds.dot"), parent.workspace) as child:
        await until(lambda: len(parent.lines()) == 2)
        assert not await child.steer("hurry")
        assert (roots(parent)[1] / "work" / "steering.md").read_text() == "hurry\n"
        ended = await child.stop("enough")
    assert "canceled" in ended.reason
    first, second = standings(parent)
    assert first == "canceled: restarted"
    assert second == f"canceled: canceled by {NAME}: enough"


async def test_halted_child_is_resumed_in_its_last_round(parent: Family) -> None:
    parent.write("rounds.dot", rounds(work=WAITS))
    async with parent.children.start(Child(NAME, "rounds.dot"), parent.workspace):
        await until(lambda: len(parent.lines()) == 2)
    parent.write("go", "")
    assert (await end(parent)).status is StageStatus.SUCCESS
    assert len(roots(parent)) == 2


async def test_later_round_asks_another_question(parent: Family) -> None:
    asks = f"""digraph asks {{ {ENDS}
        gate [shape=hexagon, label="Again?"]
        start -> gate
        gate -> gate2 [label="[Y] Yes"]
        gate -> exit [label="[N] No"]
        gate2 [shape=parallelogram, tool_command="echo done >> done.txt"]
        gate2 -> gate [loop_restart=true] }}"""
    parent.write("rounds.dot", asks)
    seen: list[str] = []
    for answer in "YN":
        with pytest.raises(Parked) as parked:
            await end(parent)
        seen.append(parked.value.question.id)
        parent.answers[seen[-1]] = answer
    assert (await end(parent)).status is StageStatus.SUCCESS
    assert seen == [f"{NAME}/gate@1.1", f"{NAME}/gate@2.1"]


async def test_incomplete_directory_of_a_round_is_made_again(parent: Family) -> None:
    parent.write("rounds.dot", rounds())
    half = Path(f"{parent.root(NAME)}.restart1")
    half.mkdir(parents=True)
    (half / "graph.dot").write_text("digraph {")
    assert (await end(parent)).status is StageStatus.SUCCESS
    assert (half / "graph.dot").read_text() == rounds()


async def test_error_in_the_next_round_stops_the_run(parent: Family) -> None:
    parent.write("rounds.dot", rounds())
    in_the_way = Path(f"{parent.root(NAME)}.restart1")
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("a file")
    with pytest.raises(Stopped):
        await end(parent)
    in_the_way.unlink()
    assert (await end(parent)).status is StageStatus.SUCCESS
    assert parent.lines() == ["done"] * 3


@pytest.mark.crash
@pytest.mark.parametrize("moment", MOMENTS[:: count(ci=2, full=1)])
def test_a_kill_between_two_rounds_of_a_child_loses_nothing(tmp_path: Path, moment: str) -> None:
    project = make_project(tmp_path / "project", PARENT, **{"child.dot": CHILD})
    run_and_die(project, moment, "isolated")
    opened = open_project(project)
    result = asyncio.run(resume(find_run("latest", opened.runs_dir), opened))
    assert (result.status, result.outcome) == (EVALUATING, StageStatus.SUCCESS)
    [summary] = list_runs(opened.runs_dir)
    branch = f"attractor/run/{result.run_id}"
    assert git(project, "show", f"{branch}:rounds.txt") == "round\n" * 2
    assert git(project, "show", f"{branch}:log.txt") == "before\nafter\n"
    children = summary.directory / "children"
    found = [document(children / name) for name in ("child@1.1", "child@1.1.restart1")]
    assert [one["status"] for one in found] == ["canceled", "evaluating"]
    assert sorted(one.name for one in children.iterdir()) == ["child@1.1", "child@1.1.restart1"]


def test_child_runs_as_its_files_were_at_the_start_of_the_run(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    (project / "sub").mkdir()
    (project / "sub" / "ask.md").write_text("Do it.")
    (project / "sub" / "deep.dot").write_text(
        between('do [prompt="@ask.md"]', "start -> do -> exit")
    )
    inner = between('deep [type=pipeline, file="./deep.dot"]', "start -> deep -> exit")
    (project / "sub" / "inner.dot").write_text(inner)
    text = between(
        'swap  [shape=parallelogram, tool_command="rm -r sub"]',
        'inner [type=pipeline, file="sub/inner.dot"]',
        "start -> swap -> inner -> exit",
    )
    result = runs_run(tmp_path, text, workspace="in-place")
    assert result.outcome is StageStatus.SUCCESS, result.reason
    stage = "children/inner@1.1/children/deep@1.1/do/prompt.md"
    assert "Do it." in (result.directory / stage).read_text()
    kept = read_files(RunDirectory(result.directory))
    assert set(kept) == {"sub/inner.dot", "sub/deep.dot", "sub/ask.md"}
