"""Questions, and the parts that interviewers are built from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import TextIO

from attractor.engine.questions.question import (
    Answer,
    AnswerKind,
    Interviewer,
    Option,
    Question,
    QuestionKind,
)
from attractor.interviewers.registry import AnswerFunction, InterviewerParts

GATE = Question(
    id="gate@1.1",
    text="Deploy?",
    kind=QuestionKind.MULTIPLE_CHOICE,
    options=(Option("Y", "[Y] Yes, deploy"), Option("N", "No")),
    stage="gate",
)


def question(kind: QuestionKind, *options: Option) -> Question:
    return Question("gate@1.1", "Deploy?", kind, options, "gate")


def given(value: str, by: str = "", proof: str = "unverified") -> Answer:
    return Answer(AnswerKind.GIVEN, value, by, proof=proof)


def option_answer(asked: Question, number: int, said: str, by: str = "") -> Answer:
    """Return an answer that selects an option of a question."""
    option = asked.options[number]
    return Answer(AnswerKind.GIVEN, option.key, by, option, said)


def text_answer(said: str, by: str = "", *, value: str = "") -> Answer:
    """Return an answer as text, with its value (default: the text)."""
    return Answer(AnswerKind.GIVEN, value or said, by, text=said)


@dataclass
class Terminal:
    """The parts of an interviewer, with streams in memory."""

    input: TextIO = field(default_factory=StringIO)
    output: StringIO = field(default_factory=StringIO)

    def parts(
        self,
        *,
        answers: Sequence[Answer] = (),
        callback: AnswerFunction | None = None,
        inner: Interviewer | None = None,
        file: Path | None = None,
        taken: int = 0,
    ) -> InterviewerParts:
        return InterviewerParts(
            input=self.input,
            output=self.output,
            answers=answers,
            callback=callback,
            inner=inner,
            file=file,
            taken=taken,
        )
