"""A changed pipeline is only resumed after an operator accepts the change."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from attractor.base.errors import ExitCode, UsageError, VerificationError
from attractor.engine.errors import GraphChanged
from attractor.engine.journal.checkpoint import verify_journal
from attractor.engine.journal.events import EdgeSelected
from attractor.engine.questions.question import Answer, AnswerKind, Question
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.run_folder.result import RunResult
from attractor.pipeline.execute import resume
from attractor.pipeline.project.custom_parts import CustomParts
from attractor.pipeline.project.project import Project
from attractor.pipeline.source.read import (
    GRAPH_ACCEPTED,
    find_accepted,
    open_pipeline,
    save_pipeline,
)
from attractor.records.request import Overrides
from tests.engine.runs import read_events
from tests.pipeline.projects import adjusted, fork, make_project, open_project, simulated, start

GATED = """digraph gated {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    test  [shape=parallelogram, tool_command="true", goal_gate=true, retry_target="test"]
    ask   [shape=hexagon, label="Go on?"]
    after [prompt="@after.md"]
    start -> test -> ask
    ask -> after [label="[Y] Yes"]
    ask -> test  [label="[N] No"]
    after -> exit
}
"""
MORE = GATED.replace(
    "after -> exit", 'more [shape=parallelogram, tool_command="true"]\n    after -> more -> exit'
)
BRANCHED = """digraph branched {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    fork  [shape=component]
    one   [shape=hexagon, label="One?"]
    two   [shape=hexagon, label="Two?"]
    meet  [shape=tripleoctagon]
    start -> fork
    fork -> one -> meet
    fork -> two -> meet
    meet -> exit
}
"""


class ScriptedPerson:
    """Answers with the given texts, in order."""

    def __init__(self, *words: str) -> None:
        self._words = list(words)

    async def ask(self, question: Question) -> Answer:
        return Answer(AnswerKind.GIVEN, self._words.pop(0))

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        return [await self.ask(one) for one in questions]

    async def inform(self, message: str, stage: str) -> None: ...


@pytest.fixture
def opened(tmp_path: Path) -> Project:
    files = {"after.md": "Do what comes after"}
    return open_project(make_project(tmp_path / "project", GATED, **files))


def parked(opened: Project) -> Path:
    options = simulated(opened.root, workspace="none", interviewer="park")
    return asyncio.run(start(options, opened)).directory


def change(opened: Project, text: str = MORE) -> None:
    (opened.root / "pipeline.dot").write_text(text)


def go_on(root: Path, opened: Project, *, by: str = "", interviewer: str = "park") -> RunResult:
    return asyncio.run(resume(root, opened, Overrides(interviewer=interviewer, accepts_graph=by)))


def stages(root: Path) -> list[str]:
    events = read_events(root)
    return [str(one.node) for one in events if one.type == EdgeSelected.__name__]


def test_unaccepted_change_is_refused_with_a_hint(opened: Project) -> None:
    root = parked(opened)
    change(opened)
    with pytest.raises(GraphChanged) as refused:
        go_on(root, opened)
    assert f"attractor resume {root.name} --accept-graph; " in refused.value.hint
    assert f"attractor rewind {root.name} NODE@VISIT --graph FILE" in refused.value.hint
    assert find_accepted(RunDirectory(root)) is None


def test_accepted_change_is_printed_recorded_and_used(opened: Project) -> None:
    root = parked(opened)
    sealed = (root / "manifest.json").read_bytes()
    change(opened)
    messages: list[str] = []
    go_on(root, adjusted(opened, tell=messages.append), by="Ann", interviewer="auto_approve")
    assert stages(root)[-2:] == ["after", "more"]
    assert any("+ more (tool)" in one for one in messages)
    (event,) = (one for one in read_events(root) if one.type == GRAPH_ACCEPTED)
    assert event.data["by"] == "Ann"
    assert "+ more (tool)" in str(event.data["change"])
    kept = {one.name: one.read_text() for one in root.glob("graph*.dot")}
    before, after = str(event.data["old"])[:12], str(event.data["new"])[:12]
    assert kept == {"graph.dot": MORE, f"graph.{before}.dot": GATED, f"graph.{after}.dot": MORE}
    verify_journal(root / "events.jsonl")
    assert (root / "manifest.json").read_bytes() == sealed


def test_update_of_the_gallery_changes_no_run_unless_a_person_accepts_it(opened: Project) -> None:
    options = simulated(opened.root, workspace="none", interviewer="park", gallery="gated@0.1.0")
    runs = [asyncio.run(start(options, opened)).directory for _ in range(3)]
    change(opened)
    assert go_on(runs[0], opened, interviewer="auto_approve").exit_code is ExitCode.DONE
    assert stages(runs[0])[-1] == "after"
    go_on(runs[1], opened, by="Ann", interviewer="auto_approve")
    assert stages(runs[1])[-1] == "more"
    (opened.root / "pipeline.dot").unlink()
    assert go_on(runs[2], opened, interviewer="auto_approve").exit_code is ExitCode.DONE
    change(opened)
    forked = asyncio.run(fork(runs[0], "after", opened, Overrides(interviewer="auto_approve")))
    assert stages(forked.directory)[-1] == "after"


def test_accepted_change_needs_no_second_acceptance(opened: Project) -> None:
    root = parked(opened)
    change(opened)
    go_on(root, opened, by="Ann")
    assert go_on(root, opened, interviewer="auto_approve").exit_code is ExitCode.DONE


def test_a_file_that_a_prompt_names_may_have_changed(opened: Project) -> None:
    root = parked(opened)
    (opened.root / "after.md").write_text("Do something else")
    with pytest.raises(GraphChanged):
        go_on(root, opened)
    messages: list[str] = []
    go_on(root, adjusted(opened, tell=messages.append), by="Ann", interviewer="auto_approve")
    assert "Do something else" in (root / "after" / "prompt.md").read_text()
    assert "files\n  ~ after.md" in messages


def test_a_pipeline_that_changed_back_and_forth_is_accepted_each_time(opened: Project) -> None:
    root = parked(opened)
    for text in (MORE, GATED, MORE):
        change(opened, text)
        go_on(root, opened, by="Ann")
    assert (root / "graph.dot").read_text() == MORE
    assert go_on(root, opened, interviewer="auto_approve").exit_code is ExitCode.DONE


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ask", "ask_again", "ask was removed, where the run continues"),
        ("test ", "check ", "the visited goal gate test was removed"),
        ("hexagon", "box", "the interrupted node ask now has the type codergen"),
        ("digraph gated", "digraph other", "a run of the pipeline 'gated', not of 'other'"),
    ],
)
def test_change_must_contain_the_current_nodes(
    opened: Project, old: str, new: str, message: str
) -> None:
    root = parked(opened)
    text = GATED.replace(old, new).replace("-> test\n", f"-> {new}\n")
    text = text.replace('retry_target="test"', "") if old == "test " else text
    change(opened, text)
    with pytest.raises(GraphChanged, match=message):
        go_on(root, opened, by="Ann")
    assert find_accepted(RunDirectory(root)) is None
    assert (root / "graph.dot").read_text() == GATED


def test_a_branch_in_flight_must_be_there(opened: Project) -> None:
    change(opened, BRANCHED)
    root = parked(opened)
    change(opened, BRANCHED.replace("two ", "three ").replace("-> two", "-> three"))
    with pytest.raises(GraphChanged, match="two was removed, where branch two continues"):
        go_on(root, opened, by="Ann")
    change(opened, BRANCHED.replace("two -> meet", "two -> aside -> meet\n aside [prompt=x]"))
    with pytest.raises(GraphChanged, match="the branches of fork were changed"):
        go_on(root, opened, by="Ann")


def test_a_faulty_pipeline_is_not_accepted(opened: Project) -> None:
    root = parked(opened)
    change(
        opened,
        MORE.replace(
            'more [shape=parallelogram, tool_command="true"]', 'more [prompt="${inputs.none}"]'
        ),
    )
    with pytest.raises(UsageError, match="undeclared input"):
        go_on(root, opened, by="Ann")
    assert find_accepted(RunDirectory(root)) is None


def test_new_required_input_is_refused(opened: Project) -> None:
    root = parked(opened)
    change(opened, GATED.replace("digraph gated {", 'digraph gated { inputs="ticket"'))
    with pytest.raises(GraphChanged, match="needs the input ticket"):
        go_on(root, opened, by="Ann")


def test_unchanged_pipeline_needs_no_acceptance(opened: Project) -> None:
    root = parked(opened)
    messages: list[str] = []
    go_on(root, adjusted(opened, tell=messages.append), by="Ann")
    assert any("no change to accept" in one for one in messages)
    (opened.root / "pipeline.dot").unlink()
    with pytest.raises(UsageError, match="is missing"):
        go_on(root, opened, by="Ann")


def test_an_acceptance_whose_process_died_is_completed(opened: Project) -> None:
    root = parked(opened)
    change(opened)
    go_on(root, opened, by="Ann")
    # As in the moment after the acceptance was written to the journal.
    (root / "graph.dot").write_text(GATED)
    assert go_on(root, opened, interviewer="auto_approve").exit_code is ExitCode.DONE
    assert stages(root)[-1] == "more"
    assert (root / "graph.dot").read_text() == MORE


def test_acceptance_counts_only_when_it_is_in_the_journal(opened: Project) -> None:
    root = parked(opened)
    change(opened)
    save_pipeline(RunDirectory(root), open_pipeline(str(opened.root / "pipeline.dot")))
    with pytest.raises(GraphChanged):
        go_on(root, opened)


def test_an_accepted_pipeline_that_was_edited_in_the_run_is_found(opened: Project) -> None:
    root = parked(opened)
    change(opened)
    go_on(root, opened, by="Ann")
    (root / "graph.dot").write_text(MORE.replace("Go on?", "Go on"))
    with pytest.raises(VerificationError):
        go_on(root, opened)


def test_fork_and_restart_use_the_accepted_pipeline(opened: Project) -> None:
    root = parked(opened)
    change(opened, MORE.replace("-> test  [", "-> test  [loop_restart=true, "))
    go_on(root, opened, by="Ann")
    approving = Overrides(interviewer="auto_approve")
    forked = asyncio.run(fork(root, "ask", opened, approving))
    assert forked.exit_code is ExitCode.DONE
    assert stages(forked.directory)[-1] == "more"
    asked = adjusted(opened, parts=CustomParts(interviewer=ScriptedPerson("N", "Y")))
    again = go_on(root, asked, interviewer="handed in")
    assert again.exit_code is ExitCode.DONE
    assert again.directory != root
    assert stages(again.directory)[-1] == "more"
