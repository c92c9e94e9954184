"""Ruling R5: a gate that parks holds no process, and any process goes on with the answer."""

import asyncio
from pathlib import Path

from attractor.base.errors import ExitCode
from attractor.engine.answers import AnsweredFirst
from attractor.engine.inbox import Action, Order, leave_order
from attractor.engine.outcome import Outcome
from attractor.engine.results import RunResult
from attractor.engine.seams import Answer, Parked, Parts, Question, Said, Stage
from attractor.engine.status import AWAITING_ANSWER, EVALUATING
from attractor.handlers.registry import handler_registry
from attractor.language.parsing import parse
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

    async def inform(self, message: str, stage: str) -> None: ...


class Telling:
    async def run(self, stage: Stage, prompt: str) -> Outcome | str:
        return f"did {stage.node.id}"

    async def answer(self, stage: Stage, prompt: str) -> Said | Outcome:
        return Said(f"said {stage.node.id}")

    async def steer(self, stage_id: str, text: str) -> bool:
        return False


def go_on(root: Path) -> RunResult:
    """Run, or go on, as a process of its own would."""
    place = Workplace(root, parse(REVIEW))
    registry = handler_registry()

    async def walk() -> RunResult:
        with place.open() as run:
            parts = Parts(Telling(), AnsweredFirst(Parking(), run.answer_to))
            place.handlers = {type_: registry[type_](parts) for type_ in registry}
            return await place.runner(run).run()

    return asyncio.run(walk())


def answer(root: Path, question: str, value: str, name: str) -> None:
    order = Order(Action.ANSWER, "ann", question=question, value=value)
    leave_order(root / "inbox", order, name=name)


def test_R5_a_parked_run_goes_on_with_each_answer(tmp_path: Path) -> None:
    root = tmp_path / "run"
    parked = go_on(root)
    assert (parked.standing, parked.exit_code) == (AWAITING_ANSWER, ExitCode.UNFINISHED)
    assert parked.question is not None
    assert parked.question.id == "gate@1.1"
    assert parked.question.deadline
    answer(root, "gate@1.1", "Fix", "A1")
    again = go_on(root)
    assert (again.completed, again.standing) == (("start", "gate", "fixes"), AWAITING_ANSWER)
    assert again.question is not None
    assert again.question.id == "gate@2.1"
    answer(root, "gate@2.1", "A", "A2")
    done = go_on(root)
    assert done.completed == ("start", "gate", "fixes", "gate", "ship_it")
    assert (done.standing, done.exit_code) == (EVALUATING, ExitCode.DONE)


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
    assert go_on(root).standing == AWAITING_ANSWER
    actions = Workplace(root, parse(REVIEW)).events("OperatorAction")
    assert [one.data["is_accepted"] for one in actions] == [False]
