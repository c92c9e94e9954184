import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from attractor.base.errors import FileError, UsageError, VerificationError
from attractor.base.events import Event
from attractor.engine.budgets import Budgets
from attractor.engine.journal.events import Action, ModelUsed, OperatorAction
from attractor.engine.outcome import StageStatus, Usage, usage_to_record
from attractor.engine.questions.question import Answer, AnswerKind
from attractor.engine.run_folder.inbox import Order, leave_order
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.seams import Child, ChildEnd, Parked, Stopped, Suspended
from attractor.engine.stage.no_workspace import NoWorkspace
from attractor.engine.state.attempts import StageReference, TreeId
from attractor.interviewers.queue import Queue
from attractor.interviewers.registry import InterviewerParts
from attractor.pipeline.children.runner import DEEPEST
from attractor.records.lookup import child_folder
from attractor.records.request import read_request
from tests.engine.runs import read_events
from tests.patience import until
from tests.pipeline.families import ENDS, FILES, Family, family, tool

pytestmark = pytest.mark.anyio

NAME = "it@1.1"


async def end(parent: Family, file: str, name: str = NAME, **inputs: str) -> ChildEnd:
    async with parent.children.start(Child(name, file, inputs), parent.workspace) as child:
        return await child.wait()


def outer(file: str, node: str = "inner") -> str:
    """Return a pipeline that runs another one."""
    inner = f'{node} [type="pipeline", file="{file}"]'
    return f"digraph outer {{ {ENDS}; {inner}; start -> {node} -> exit }}"


def document(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


async def test_a_child_is_a_linked_run_in_a_directory_of_its_own(parent: Family) -> None:
    text = tool("true", inputs="ticket, count:int=3", goal="Mend it")
    parent.write("inner.dot", text)
    ended = await end(parent, "inner.dot", ticket="größe 🐍")
    assert ended.context["graph.goal"] == "Mend it"
    root = parent.root(NAME)
    manifest = read_manifest(RunDirectory(root))
    assert manifest.parent == parent.run.manifest.run_id
    assert manifest.run_id != manifest.parent
    assert (root / "graph.dot").read_text() == text
    request = read_request(manifest)
    assert request.inputs == {"ticket": "größe 🐍"}
    assert request.file == parent.folder / "inner.dot"
    assert document(root / "final.json")["outcome"] == "success"
    assert (root / "it" / "status.json").exists()


def test_child_folder_is_named_after_node_and_attempt() -> None:
    assert child_folder("it@1.1") == "it@1.1"
    assert child_folder("it@12.3") == "it@12.3"
    assert child_folder("größe/🐍@1.1") == "gr%C3%B6%C3%9Fe%2F%F0%9F%90%8D@1.1"
    assert child_folder("a@1.1@2.1") == "a%401%2E1@2.1"
    assert child_folder("../x") == "%2E%2E%2Fx"
    assert len(child_folder("x" * 500 + "@1.1")) < 110


async def test_incomplete_child_directory_is_replaced(parent: Family) -> None:
    parent.root(NAME).mkdir(parents=True)
    (parent.root(NAME) / "graph.dot").write_text("digraph {")
    assert not parent.children.has(NAME)
    assert (await end(parent, "good.dot")).status is StageStatus.SUCCESS
    assert parent.lines() == ["done"]


class Trees(NoWorkspace):
    """A workspace that numbers its trees and records its calls."""

    sets_back = True  # pyright: ignore

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []
        self._trees = 0

    async def snapshot(self, subject: str) -> TreeId:
        self._trees += 1
        self.notes.append(f"snapshot {subject}")
        return f"t{self._trees}"

    async def restore(self, tree: TreeId, *, set_aside: Path | None = None) -> None:
        self.notes.append(f"restore {tree} aside {set_aside or ''}")


class Unready(Trees):
    """A workspace whose first snapshot fails."""

    async def snapshot(self, subject: str) -> TreeId:
        if not self.notes:
            self.notes.append("trouble")
            raise FileError("No space left on device")
        return await super().snapshot(subject)


async def test_crash_restores_the_first_tree(parent: Family) -> None:
    trees = Unready()
    parent.write("none.dot", f"digraph none {{ {ENDS}; start -> exit }}")
    child = Child(NAME, "none.dot")
    with pytest.raises(Stopped) as stopped:
        async with parent.children.start(child, trees) as running:
            await running.wait()
    assert isinstance(stopped.value.__cause__, FileError)
    async with parent.children.start(child, trees) as running:
        await running.wait()
    [started] = [one for one in read_events(parent.root(NAME)) if one.type == "PipelineStarted"]
    progress = started.data["progress"]
    assert isinstance(progress, dict)
    assert progress["tree"] == "t1"


async def test_ended_child_restores_its_last_files(parent: Family) -> None:
    parent.write("none.dot", f"digraph none {{ {ENDS}; start -> exit }}")
    trees = Trees()
    for _ in range(2):
        async with parent.children.start(Child(NAME, "none.dot"), trees) as running:
            await running.wait()
    assert trees.notes[-1].startswith("restore t1 aside ")
    # In a folder shared with others, this would undo their work.
    shared = Child(NAME, "none.dot", is_shared=True)
    before = len(trees.notes)
    async with parent.children.start(shared, trees) as running:
        await running.wait()
    assert len(trees.notes) == before


class Forking(Trees):
    """A workspace that records the names of its forks."""

    async def fork(self, name: str, tree: TreeId, *, shared: bool = False) -> "Forking":
        self.notes.append(f"fork {name}")
        return self

    async def discard(self, name: str) -> None:
        self.notes.append(f"discard {name}")


async def test_branches_of_two_children_do_not_meet_in_one_workspace(parent: Family) -> None:
    fork = "fan [shape=component]; join [shape=tripleoctagon]"
    ways = "start -> fan -> a -> join; fan -> b -> join; join -> exit"
    parent.write("fork.dot", f'digraph fork {{ {ENDS}; {fork}\nnode [prompt="x"]; {ways} }}')
    trees = Forking()
    ids: list[str] = []
    for name in (NAME, "it@1.2"):
        async with parent.children.start(Child(name, "fork.dot"), trees) as running:
            ids.append(running.run_id)
            await running.wait()
    forks = {note for note in trees.notes if note.startswith(("fork", "discard"))}
    assert forks == {
        f"{verb} {id_}/fan@1.1/{branch}"
        for id_ in ids
        for verb in ("fork", "discard")
        for branch in "ab"
    }


async def test_recursive_pipeline_ends(parent: Family) -> None:
    parent.write("self.dot", outer("self.dot"))
    ended = await end(parent, "self.dot")
    assert ended.status is StageStatus.FAIL
    assert f"{DEEPEST} runs are nested, which is the maximum" in ended.reason
    assert len(list(parent.run.directory.root.rglob("manifest.json"))) == 1 + DEEPEST


async def test_an_answer_that_was_left_for_the_child_itself_counts_too(parent: Family) -> None:
    with pytest.raises(Parked):
        await end(parent, "asks.dot")
    order = Order(Action.ANSWER, "ann", question="gate@1.1", value="Y")
    leave_order(parent.root(NAME) / "inbox", order, name="1")
    assert (await end(parent, "asks.dot")).status is StageStatus.SUCCESS


async def test_children_use_the_interviewer_of_their_parent(parent: Family) -> None:
    given = [Answer(AnswerKind.GIVEN, value) for value in ("Y", "N", "Y")]
    terminal = InterviewerParts(
        input=parent.opened.console.input, output=parent.opened.console.output, answers=given
    )
    crew = replace(parent.children.components, interviewer=Queue(terminal))
    children = replace(parent.children, components=crew)
    made: list[int] = []
    for number in range(1, 4):
        child = Child(f"it@{number}.1", "asks.dot")
        async with children.start(child, parent.workspace) as running:
            await running.wait()
        made.append(len(parent.lines()))
    assert made == [1, 1, 2]


async def test_observer_of_parent_sees_children_under_their_names(tmp_path: Path) -> None:
    seen: list[Event] = []
    with family(tmp_path, watch=seen.append) as parent:
        parent.write("outer.dot", outer("good.dot"))
        await end(parent, "outer.dot")
        nodes = {(one.branch, one.node) for one in seen if one.type == "StageStarted"}
        inner = f"{NAME}/inner@1.1"
        assert nodes == {(NAME, "start"), (NAME, "inner"), (inner, "start"), (inner, "it")}
        # In its own journal, a child has its own node names.
        assert {one.branch for one in read_events(parent.root(NAME))} == {None}


async def test_steering_reaches_the_innermost_stage(parent: Family) -> None:
    parent.write("outer.dot", outer("slow.dot"))
    children = parent.children
    async with children.start(Child(NAME, "outer.dot"), parent.workspace) as child:
        inner = parent.root(NAME) / "children" / "inner@1.1"
        await until(lambda: parent.lines() == ["done"])
        assert not await children.steer(NAME, "größe 🐍")
        assert not await child.steer("hurry")
        for stage in (parent.root(NAME) / "inner", inner / "it"):
            assert (stage / "steering.md").read_text() == "größe 🐍\nhurry\n"
        said = [one.data for one in read_events(inner) if one.type == "OperatorAction"]
        assert [(one["action"], one["by"], one["value"]) for one in said] == [
            ("steer", "inner@1.1", "größe 🐍"),
            ("steer", "inner@1.1", "hurry"),
        ]
        assert [one["is_accepted"] for one in said] == [False, False]
        parent.write("go", "")
        await child.wait()
    assert not await children.steer(NAME, "too late")
    assert parent.steered == [(NAME, "too late")]


async def test_no_stage_of_a_child_begins_while_its_parent_is_paused(parent: Family) -> None:
    nap = tool("echo done >> done.txt; while ! [ -e go ]; do sleep 0.02; done")
    more = 'more [shape=parallelogram, tool_command="echo more >> done.txt"]; start ->'
    text = nap.replace("-> exit", "-> more -> exit").replace("start ->", more)
    parent.write("two.dot", text)
    async with parent.children.start(Child(NAME, "two.dot"), parent.workspace) as child:
        await until(lambda: parent.lines() == ["done"])
        parent.run.record(OperatorAction(Action.PAUSE.value, "ann", ""))
        parent.write("go", "")
        await until(lambda: child.telemetry().node == "more")
        await asyncio.sleep(0.3)
        assert parent.lines() == ["done"]
        parent.run.record(OperatorAction(Action.RESUME.value, "ann", ""))
        assert (await child.wait()).status is StageStatus.SUCCESS
    assert parent.lines() == ["done", "more"]


async def test_canceled_run_cancels_its_children(parent: Family) -> None:
    parent.write("outer.dot", outer("slow.dot"))
    async with parent.children.start(Child(NAME, "outer.dot"), parent.workspace):
        await until(lambda: parent.lines() == ["done"])
        order = OperatorAction(Action.CANCEL.value, "ann", "never mind")
        parent.run.record(order, sync=True)
    inner = parent.root(NAME) / "children" / "inner@1.1"
    for root in (parent.root(NAME), inner):
        written = document(root / "run.json")
        assert written["status"] == "canceled"
        assert "canceled by ann: never mind" in written["reason"]


async def test_child_is_limited_by_the_rest_of_its_parents_budget(parent: Family) -> None:
    naps = {
        one: f"sleep {long}; echo done >> done.txt"
        for one, long in zip("abc", (0, 0.7, 0.7), strict=True)
    }
    stages = "; ".join(
        f'{one} [shape=parallelogram, tool_command="{nap}"]' for one, nap in naps.items()
    )
    graph = f"digraph naps {{ {ENDS}; {stages}; start -> a -> b -> c -> exit }}"
    parent.write("naps.dot", graph)
    parent.write("outer.dot", outer("naps.dot"))
    parent.budgets = Budgets(duration=timedelta(seconds=1))
    with pytest.raises(Suspended) as stopped:
        await end(parent, "outer.dot")
    text = str(stopped.value)
    # The time of a run ends at the same moment as that of its parent.
    assert text.startswith(f"{NAME}: ")
    assert "the budget max_duration is exhausted: " in text
    done = len(parent.lines())
    assert 1 <= done < 3
    parent.budgets = Budgets(duration=timedelta(minutes=1))
    assert (await end(parent, "outer.dot")).status is StageStatus.SUCCESS
    assert len(parent.lines()) == 3


async def test_usage_of_a_halted_child_counts(parent: Family) -> None:
    children = parent.children
    async with children.start(Child(NAME, "slow.dot"), parent.workspace) as child:
        await until(lambda: parent.lines() == ["done"])
        used = ModelUsed(usage_to_record(Usage(30, 10)))
        child.run.record(used, place=StageReference("it", 1, 1))
        assert children.used.tokens == 40
    # The child will continue: its folder must not be used by other work.
    assert children.used.tokens == 40


async def test_own_budget_of_a_child_stops_both_runs(parent: Family) -> None:
    text = tool("sleep 0.1", max_duration="50ms").replace("-> exit", "-> more -> exit")
    parent.write("inner.dot", text.replace("start ->", 'more [prompt="x"]; start ->'))
    with pytest.raises(Suspended, match="max_duration"):
        await end(parent, "inner.dot")
    # Options of the command line apply to it, as to any pipeline.
    children = parent.children
    budgets = Budgets(duration=timedelta(minutes=1))
    request = replace(children.plan.request, budgets=budgets)
    children = replace(children, plan=replace(children.plan, request=request))
    async with children.start(Child(NAME, "inner.dot"), parent.workspace) as child:
        assert (await child.wait()).status is StageStatus.SUCCESS


async def test_corrupt_records_of_a_child_stop_the_run(parent: Family) -> None:
    async with parent.children.start(Child(NAME, "slow.dot"), parent.workspace):
        await until(lambda: parent.lines() == ["done"])
    (parent.root(NAME) / "events.jsonl").unlink()
    with pytest.raises(Stopped) as stopped:
        await end(parent, "slow.dot")
    assert isinstance(stopped.value.__cause__, VerificationError)


async def test_child_locked_by_another_process_stops_the_run(parent: Family) -> None:
    async with parent.children.start(Child(NAME, "slow.dot"), parent.workspace):
        with pytest.raises(Stopped, match="is locked by"):
            await end(parent, "slow.dot")


@pytest.mark.parametrize(
    "text", ["digraph {", f"digraph x {{ {ENDS} }}", "graph x { a -- b }", "\ud800"]
)
async def test_invalid_child_pipeline_is_reported_with_its_position(
    parent: Family, text: str
) -> None:
    (parent.folder / "wrong.dot").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(UsageError, match=r"wrong\.dot"):
        await end(parent, "wrong.dot")
    assert not parent.children.has(NAME)


async def test_child_keeps_the_pipeline_of_its_start(parent: Family) -> None:
    async with parent.children.start(Child(NAME, "slow.dot"), parent.workspace):
        await until(lambda: parent.lines() == ["done"])
    parent.write("slow.dot", FILES["bad.dot"])
    parent.write("go", "")
    assert (await end(parent, "slow.dot")).status is StageStatus.SUCCESS
