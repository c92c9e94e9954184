"""Stages in flight with their folders, and selection of open questions."""

import asyncio
import shlex
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import Refused, UsageError
from attractor.engine.questions.question import ApprovalChoice, Option, Question, QuestionKind
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.stage.folder import TAIL
from attractor.engine.state.attempts import stage_id
from attractor.language.reading import parse
from attractor.pipeline.simulation.simulate import check_answers
from attractor.records.open_work import (
    StageInFlight,
    answer_command,
    attempt_folder,
    last_output,
    pick,
    pick_all,
    read_choice,
    read_choices,
    stages_in_flight,
)
from tests.patience import PATIENCE_S
from tests.pipeline.projects import make_project, open_project, simulated, start
from tests.tables import table

UNTIL_GO = "timeout 60 sh -c 'until [ -e go ]; do sleep 0.02; done'"
BRANCHES = f"""
digraph branches {{
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    fan   [shape=component]
    a     [shape=diamond]
    b     [shape=diamond]
    c     [shape=diamond]
    work  [shape=parallelogram, tool_command="echo hello; {UNTIL_GO}"]
    meet  [shape=tripleoctagon]
    start -> fan
    fan -> a -> work
    fan -> b -> work
    fan -> c -> meet
    work -> meet -> exit
}}
"""


async def seen_meanwhile(project: Path) -> Sequence[StageInFlight]:
    """Run until both branches are at the same node; return the stages in flight."""
    options = simulated(project, workspace="none")
    opened = open_project(project)
    walking = asyncio.create_task(start(options, opened))
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not (found := list(opened.runs_dir.glob("*/events.jsonl"))):
                await asyncio.sleep(0.02)
            while not all_printed(at_work := stages_in_flight(found[0].parent)):
                await asyncio.sleep(0.02)
    finally:
        (project / "go").touch()
        result = await walking
    assert stages_in_flight(result.directory) == []
    return at_work


def all_printed(stages: Sequence[StageInFlight]) -> bool:
    is_there = [last_output(one.folder) == "hello\n" for one in stages if one.node == "work"]
    return len(is_there) == 2 and all(is_there)


def test_branches_at_one_node_have_a_folder_each(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", BRANCHES)
    stages = [one for one in asyncio.run(seen_meanwhile(project)) if one.branch]
    assert [one.name for one in stages] == ["[fan@1.1/a] work", "[fan@1.1/b] work"]
    assert len({one.folder for one in stages}) == 2
    [root] = {one.folder.parents[[*one.folder.parts[::-1]].index("work")] for one in stages}
    assert {stage_id(one.node, one.visit, one.attempt) for one in stages} == {
        "work@1.1",
        "work@2.1",
    }
    # The folder is found by the attempt alone while it exists.
    aside = stages[1]
    found = attempt_folder(RunDirectory(root), "work", aside.visit, aside.attempt)
    assert found == aside.folder


def test_special_file_is_not_read(tmp_path: Path) -> None:
    assert last_output(tmp_path) == ""
    (tmp_path / "elsewhere").write_text("of somebody")
    (tmp_path / TAIL).symlink_to(tmp_path / "elsewhere")
    assert last_output(tmp_path) == ""


NOW = datetime(2026, 1, 31, tzinfo=UTC)
YES = (Option("Y", "Yes"),)
GATE = Question("gate@1.1", "Go?", QuestionKind.MULTIPLE_CHOICE, YES, "gate")
MANY = [replace(GATE, id=f"gate@{at}.1") for at in range(120, 0, -1)]
OTHER = replace(GATE, id="other@1.1", stage="other", options=(Option("N", "No"),))


def read(*questions: Question) -> list[str]:
    return read_choices("yes", questions, NOW, hint="GO ON", listing="LIST")


def test_reason_is_for_the_agent_if_its_call_is_refused() -> None:
    choices = [Option(one, "") for one in ApprovalChoice]
    asked = Question("work@1.1#approval-1", "May it?", QuestionKind.APPROVAL, choices, "work")
    for said in ("allow", "always", "edit git fetch", "deny"):
        expected = "deny too early" if said == "deny" else said
        assert read_choice(said, asked, NOW, hint="", why="too early") == expected
        read = read_choices(said, [asked], NOW, hint="", listing="", why="too early")
        assert read == [expected]


def test_a_refusal_names_a_few_of_many_in_the_order_of_their_numbers() -> None:
    with pytest.raises(UsageError, match="120 questions are open") as caught:
        pick(MANY, "", where="WHERE", listing="LIST")
    assert caught.value.hint == (
        "choose one: --question gate@1.1 or gate@2.1 or gate@3.1 (117 more); to list them: LIST; "
        'a request names it by "question"'
    )
    with pytest.raises(Refused) as unknown:
        pick(MANY, "fate", where="WHERE", listing="LIST")
    assert unknown.value.hint == "open questions: gate@1.1, gate@2.1, gate@3.1 (117 more)"


def test_id_selects_one_stage_and_node_name_all() -> None:
    assert pick([*MANY, OTHER], "other", where="", listing="") is OTHER
    assert pick(MANY, "gate@7.1", where="", listing="").id == "gate@7.1"
    assert len(pick_all([*MANY, OTHER], "gate", where="")) == 120


def test_answer_to_several_questions_must_fit_all() -> None:
    assert read(GATE, replace(GATE, options=(Option("1", "[Y] Yes"),))) == ["Y", "1"]
    with pytest.raises(UsageError, match="invalid answer to 1 of 2 questions: other@1.1") as caught:
        read(GATE, OTHER)
    assert caught.value.hint == "no answer was recorded; to list the questions: LIST"
    late = replace(GATE, deadline="2026-01-30T00:00:00+00:00")
    with pytest.raises(Refused, match="has passed"):
        read(GATE, late)


def test_command_names_a_given_question() -> None:
    assert answer_command("R", "Y") == "attractor answer R Y"
    assert answer_command("R", "Y", question="g@1.1") == "attractor answer R --question g@1.1 Y"
    assert answer_command("R", "", question="g@1.1") == "attractor answer R --question g@1.1"
    assert answer_command("R", "") == "attractor answer R"


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1))
def test_answer_in_a_command_is_quoted_and_never_an_option(said: str) -> None:
    *words, last = shlex.split(answer_command("R", said))
    assert last == said
    assert (words[-1] == "--") is said.startswith("-")


GRAPH = parse("""digraph G {
    start [shape=Mdiamond]; exit [shape=Msquare]; ask [shape=hexagon]
    start -> ask
    ask -> exit [label="[Y] Yes"]
    ask -> later [label="Yesterday"]
    ask -> again [label="Anew", condition="context.tries=3"]
    again -> exit; later -> exit
}""")


@table("answer", ["Y", "1", "yes", "[Y] Yes", "exit", "ANEW", "A", "later"])
def test_every_possible_choice_is_accepted(answer: str) -> None:
    check_answers(GRAPH, {"ask": ["Yesterday", answer]})


@table(
    ("answers", "said", "hint"),
    [
        ({"ask": ["Yes", "Maybe"]}, "node 'ask' has no choice 'Maybe'", "its choices: [Y] Yes,"),
        ({"ask": ["Yesterdy"]}, "no choice 'Yesterdy'", "did you mean Yesterday?"),
        ({"again": ["Yes"]}, "node 'again' is not a human gate", "set its outcome instead"),
        ({"aks": ["Yes"]}, "unknown node 'aks'", "did you mean ask?"),
    ],
)
def test_impossible_answer_is_refused(answers: dict[str, list[str]], said: str, hint: str) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        check_answers(GRAPH, answers)
    assert raised.value.hint.startswith(hint)
