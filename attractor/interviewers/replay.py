"""Answers from a recording; questions that the recording does not contain are refused."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from attractor.base.errors import Refused, UsageError
from attractor.base.json import canonical_json
from attractor.engine.questions.question import ANSWERS_FILE, Answer, Question, ask_each
from attractor.engine.seams import Stopped
from attractor.interviewers.registry import InterviewerParts
from attractor.interviewers.transcript import RecordedAnswer, read_recording

NAME = "replay"


class NotRecorded(Refused):
    """The recording has no answer to a question."""

    hint = "answer it yourself: attractor resume --interviewer park"


class Replay:
    """Returns the recorded answer to each question, with the recorded author."""

    def __init__(self, parts: InterviewerParts) -> None:
        if parts.file is None:
            raise UsageError(
                f"the interviewer {NAME!r} has no recording",
                hint=f"pass the file: --interviewer {NAME}:FILE",
            )
        self._file: Path = parts.file
        # After an invalid answer, the question was asked again: the last answer counts.
        self._known: dict[str, RecordedAnswer] = {
            recorded.question.id: recorded for recorded in read_recording(parts.file)
        }

    async def ask(self, question: Question) -> Answer:
        """Return the recorded answer; stop the run if there is no recorded answer."""
        known = self._known.get(question.id)
        fault = (
            _difference(question, known.question)
            if known
            else "the question is not in the recording"
        )
        if known is None or fault:
            refused = NotRecorded(f"{self._file} has no answer to {question.id}: {fault}")
            raise Stopped(str(refused)) from refused
        by = f"{NAME} of {known.answer.by or 'a person'}"
        return replace(known.answer, by=by, proof=ANSWERS_FILE)

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        """Ask one question after the other."""
        return await ask_each(self, questions)

    async def inform(self, message: str, stage: str) -> None:
        """Ignore the message."""


def _difference(asked: Question, known: Question) -> str:
    """Describe how a question differs from the recorded question; empty if both are equal."""
    for what, now, then in (
        ("text", asked.text, known.text),
        ("kind", asked.kind.value, known.kind.value),
        ("choices", _choices(asked), _choices(known)),
        # Older recordings contain no items.
        ("item", _items(asked), _items(known) or _items(asked)),
    ):
        if now != then:
            return f"its {what} was {then!r} in the recording, and is now {now!r}"
    return ""


def _choices(question: Question) -> str:
    return ", ".join(f"{option.key} ({option.label})" for option in question.options)


def _items(question: Question) -> str:
    return ", ".join(canonical_json(one.item) for one in question.within if one.index)


part = Replay
