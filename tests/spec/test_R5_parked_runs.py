"""Ruling R5: a parked gate needs no process, and any process continues with the answer."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from attractor.base.clock import Clock, ManualClock
from attractor.base.errors import ExitCode
from attractor.engine.interviews import AnsweredFirst, RunQuestions
from attractor.engine.journal.events import Action
from attractor.engine.outcome import Outcome
from attractor.engine.questions.question import Answer, Interviewer, Question, ask_each
from attractor.engine.run_folder.inbox import Order, leave_order
from attractor.engine.run_folder.result import RunResult
from attractor.engine.seams import ModelAnswer, Parked, Parts, Stage
from attractor.engine.state.run_state import AWAITING_ANSWER, EVALUATING
from attractor.handlers.registry import handler_registry
from attractor.language.reading import parse
from tests.engine.runs import Workplace

REVIEW = """
digraph Review {
    start [shape=Mdiamond]
    exit [shape=Msquare]
    gate [shape=hexagon, label="Review", timeout="2h"]
    ship_it [prompt="Ship"]
    fixes [prompt="Fix"]
    start -> gate
    gate -> ship_it [label="[A] Approve"]
    gate -> fixes [label="[F] Fix"]
    ship_it -> exit
    fixes -> gate
}
"""


class Parking:
    async def ask(self, question: Question) -> Answer:
        raise Parked(question)

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        return await ask_each(self, questions)

    async def inform(self, message: str, stage: str) -> None: ...


class Telling:
    async def run(self, stage: Stage, prompt: str) -> Outcome | str:
        return f"did {stage.node.id}"

    async def answer(self, stage: Stage, prompt: str) -> ModelAnswer | Outcome:
        return ModelAnswer(f"said {stage.node.id}")

    async def steer(self, stage_id: str, text: str) -> bool:
        return False


def go_on(
    root: Path,
    text: str = REVIEW,
    clock: Clock | None = None,
    *,
    asking: Interviewer | None = None,
) -> RunResult:
    """Run or resume in a new process."""
    place = Workplace(root, parse(text))
    place.clock = clock or place.clock
    registry = handler_registry()

    async def walk() -> RunResult:
        with place.open() as run:
            asked = AnsweredFirst(asking or Parking(), RunQuestions(run), clock=run.clock)
            parts = Parts(Telling(), asked)
            place.handlers = {type_: registry[type_](parts) for type_ in registry}
            return await place.runner(run).run()

    return asyncio.run(walk())


def answer(root: Path, question: str, value: str, name: str) -> None:
    order = Order(Action.ANSWER, "ann", question=question, value=value)
    leave_order(root / "inbox", order, name=name)


def test_R5_parked_run_continues_with_each_answer(tmp_path: Path) -> None:
    root = tmp_path / "run"
    parked = go_on(root)
    assert (parked.status, parked.exit_code) == (AWAITING_ANSWER, ExitCode.UNFINISHED)
    assert parked.question is not None
    assert parked.question.id == "gate@1.1"
    assert parked.question.deadline
    answer(root, "gate@1.1", "Fix", "A1")
    again = go_on(root)
    assert (again.completed, again.status) == (("start", "gate", "fixes"), AWAITING_ANSWER)
    assert again.question is not None
    assert again.question.id == "gate@2.1"
    answer(root, "gate@2.1", "A", "A2")
    done = go_on(root)
    assert done.completed == ("start", "gate", "fixes", "gate", "ship_it")
    assert (done.status, done.exit_code) == (EVALUATING, ExitCode.DONE)


def test_R5_an_answer_that_matches_nothing_is_asked_again(tmp_path: Path) -> None:
    root = tmp_path / "run"
    go_on(root)
    answer(root, "gate@1.1", "nonsense", "A1")
    asked = go_on(root)
    assert asked.question is not None
    assert asked.question.id == "gate@1.1"
    answer(root, "gate@1.1", "Approve", "A2")
    assert go_on(root).completed == ("start", "gate", "ship_it")


def test_R5_an_answer_to_another_question_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "run"
    go_on(root)
    answer(root, "gate@7.1", "Approve", "A1")
    assert go_on(root).status == AWAITING_ANSWER
    actions = Workplace(root, parse(REVIEW)).events("OperatorAction")
    assert [one.data["is_accepted"] for one in actions] == [False]


def test_R5_next_process_applies_the_deadline(tmp_path: Path) -> None:
    root, clock = tmp_path / "run", ManualClock()
    text = REVIEW.replace('timeout="2h"', 'timeout="2h", human.default_choice="ship_it"')
    parked = go_on(root, text, clock)
    assert parked.question is not None
    assert parked.question.deadline == (clock.now() + timedelta(hours=2)).isoformat()
    clock.set_back(timedelta(minutes=-119))
    assert go_on(root, text, clock).status == AWAITING_ANSWER
    clock.set_back(timedelta(minutes=-2))
    # An answer now comes too late.
    answer(root, "gate@1.1", "Fix", "A1")
    done = go_on(root, text, clock)
    assert (done.completed, done.status) == (("start", "gate", "ship_it"), EVALUATING)
    place = Workplace(root, parse(text))
    [action] = place.events("OperatorAction")
    assert "the deadline of the question passed" in str(action.data["why"])
    assert len(place.events("InterviewTimeout")) == 1


def test_R5_answer_from_another_terminal_ends_the_prompt(tmp_path: Path) -> None:
    class Slow(Parking):
        async def ask(self, question: Question) -> Answer:
            answer(root, question.id, "Approve", "A1")
            await asyncio.Event().wait()
            raise AssertionError("nobody sets it")

    root = tmp_path / "run"
    done = go_on(root, asking=Slow())
    assert (done.completed, done.status) == (("start", "gate", "ship_it"), EVALUATING)
    [completed] = Workplace(root, parse(REVIEW)).events("InterviewCompleted")
    assert completed.data["answer"] == {
        "kind": "given",
        "value": "A",
        "by": "ann",
        "proof": "unverified",
        "selected_option": {"key": "A", "label": "[A] Approve"},
        "text": "Approve",
    }


def test_R5_an_invalid_answer_leaves_the_question_open(tmp_path: Path) -> None:
    root = tmp_path / "run"
    go_on(root)
    answer(root, "gate@1.1", "nonsense", "A1")
    go_on(root)
    [action] = Workplace(root, parse(REVIEW)).events("OperatorAction")
    assert action.data["is_accepted"] is False
    assert "invalid choice 'nonsense'" in str(action.data["why"])
