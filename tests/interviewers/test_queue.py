import asyncio

from attractor.engine.questions.question import Answer, AnswerKind
from attractor.interviewers.queue import Queue
from tests.interviewers.questions import GATE, Terminal, given


def test_two_queues_of_one_list_are_independent() -> None:
    parts = Terminal().parts(answers=[given("Y")])
    assert [asyncio.run(Queue(parts).ask(GATE)).value for _ in range(2)] == ["Y", "Y"]


def test_answers_used_before_a_resume_are_not_given_again() -> None:
    queue = Queue(Terminal().parts(answers=[given("Y"), given("N")], taken=1))
    answers = [asyncio.run(queue.ask(GATE)) for _ in range(2)]
    last = given("N", "queue", "answers file")
    assert answers == [last, Answer(AnswerKind.SKIPPED, by="queue")]
