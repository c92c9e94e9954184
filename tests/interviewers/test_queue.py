import asyncio
from dataclasses import replace

from attractor.engine.questions.question import Answer, AnswerKind, QuestionKind
from attractor.interviewers.queue import Queue
from tests.interviewers.questions import GATE, Terminal, given


def test_two_queues_of_one_list_are_independent() -> None:
    parts = Terminal().parts(answers=[given("Y")])
    assert [asyncio.run(Queue(parts).ask(GATE)).value for _ in range(2)] == ["Y", "Y"]


def test_answers_of_gates_are_not_taken_by_tool_calls() -> None:
    queue = Queue(Terminal().parts(answers=[given("Y")]))
    call = replace(GATE, kind=QuestionKind.APPROVAL)
    assert asyncio.run(queue.ask(call)).value == "deny"
    assert asyncio.run(queue.ask(GATE)).value == "Y"


def test_answers_used_before_a_resume_are_not_given_again() -> None:
    queue = Queue(Terminal().parts(answers=[given("Y"), given("N")], taken=1))
    answers = [asyncio.run(queue.ask(GATE)) for _ in range(2)]
    last = given("N", "queue", "answers file")
    assert answers == [last, Answer(AnswerKind.SKIPPED, by="queue")]
