"""Ruling R5: a question names its branch, and in a `for_each` the item."""

from collections.abc import Sequence
from pathlib import Path

from attractor.engine.questions.question import (
    Answer,
    AnswerKind,
    EnclosingBranch,
    Question,
    ask_each,
    sort_questions,
)
from attractor.engine.state.run_state import AWAITING_ANSWER
from tests.spec.runs import between, project_in, resume, run

GATES = between(
    "fan [shape=component]",
    'left [shape=hexagon, label="Ship it?"]',
    'right [shape=hexagon, label="Ship it?"]',
    "meet [shape=tripleoctagon]",
    "start -> fan; fan -> left; fan -> right",
    'left -> meet [label="[Y] Yes"]',
    'right -> meet [label="[Y] Yes"]',
    "meet -> exit",
)
MIDDLE = between('inner [type=pipeline, file="gates.dot"]', "start -> inner -> exit")
EACH = between(
    'list [shape=parallelogram, tool_command="echo alpha; echo beta"]',
    'each [type="for_each", items="context.tool.output"]',
    'sub [type=pipeline, file="middle.dot"]',
    "join [shape=tripleoctagon]",
    "start -> list -> each -> sub -> join -> exit",
)


class RecordingPerson:
    """Answers yes to every question, and records the questions."""

    def __init__(self) -> None:
        self.questions: list[Question] = []

    async def ask(self, question: Question) -> Answer:
        self.questions.append(question)
        return Answer(AnswerKind.GIVEN, "Y", "ann")

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        return await ask_each(self, questions)

    async def inform(self, message: str, stage: str) -> None: ...


def item(index: int, value: str) -> EnclosingBranch:
    return EnclosingBranch(f"each@1.1/{index}", str(index), "each", value, index, 2)


def inside(index: int, name: str) -> EnclosingBranch:
    return EnclosingBranch(f"sub@{index}.1/inner@1.1/fan@1.1/{name}", name, "fan")


WAYS = [
    (item(1, "alpha"), inside(1, "left")),
    (item(1, "alpha"), inside(1, "right")),
    (item(2, "beta"), inside(2, "left")),
    (item(2, "beta"), inside(2, "right")),
]


def test_R5_a_gate_in_a_child_of_a_child_names_the_item_and_the_branch(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    (project / "gates.dot").write_text(GATES)
    (project / "middle.dot").write_text(MIDDLE)
    parked = run(tmp_path, EACH, interviewer="park")
    assert parked.status == AWAITING_ANSWER
    assert [one.within for one in sort_questions(parked.questions)] == WAYS
    again = resume(tmp_path, interviewer="park")
    assert [one.within for one in sort_questions(again.questions)] == WAYS
    person = RecordingPerson()
    assert resume(tmp_path, interviewer=person).outcome
    assert [one.within for one in sort_questions(person.questions)] == WAYS
