"""Questions, and the parts interviewers are built from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import TextIO

from attractor.engine.seams import Answer, AnswerKind, Option, Question, QuestionKind
from attractor.interviewers.parts import AnswerFunction, InterviewerParts

GATE = Question(
    id="gate@1.1",
    text="Deploy?",
    kind=QuestionKind.MULTIPLE_CHOICE,
    options=(Option("Y", "[Y] Yes, deploy"), Option("N", "No")),
    stage="gate",
)


def question(kind: QuestionKind, *options: Option) -> Question:
    return Question("gate@1.1", "Deploy?", kind, options, "gate")


def given(value: str, by: str = "") -> Answer:
    return Answer(AnswerKind.GIVEN, value, by)


@dataclass
class Terminal:
    """What an interviewer is built from, with streams in memory."""

    input: TextIO = field(default_factory=StringIO)
    output: StringIO = field(default_factory=StringIO)

    def parts(
        self, *, answers: Sequence[Answer] = (), callback: AnswerFunction | None = None
    ) -> InterviewerParts:
        return InterviewerParts(
            input=self.input, output=self.output, answers=answers, callback=callback
        )
