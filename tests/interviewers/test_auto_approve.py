import asyncio

from attractor.engine.questions.question import Option, Question, QuestionKind
from attractor.interviewers.auto_approve import AutoApprove
from tests.interviewers.questions import GATE, Terminal, given, question
from tests.tables import table


@table(
    ("asked", "value"),
    [
        (GATE, "Y"),
        (question(QuestionKind.MULTIPLE_CHOICE, Option("2", "Second"), Option("1", "First")), "2"),
        (question(QuestionKind.MULTIPLE_CHOICE), "auto-approved"),
        (question(QuestionKind.YES_NO), "yes"),
        (question(QuestionKind.CONFIRMATION), "yes"),
        (question(QuestionKind.FREEFORM), "auto-approved"),
    ],
)
def test_answer_approves_and_names_the_interviewer(asked: Question, value: str) -> None:
    answer = asyncio.run(AutoApprove(Terminal().parts()).ask(asked))
    assert answer == given(value, "auto_approve", "--auto-approve")
