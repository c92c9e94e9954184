"""Asks at the terminal."""

import asyncio
import errno

from attractor.engine.labels import accelerator, normalize_label
from attractor.engine.seams import Answer, AnswerKind, Option, Parked, Question, QuestionKind
from attractor.interviewers.lines import Lines
from attractor.interviewers.parts import InterviewerParts

NAME = "console"
ASKED_AT_MOST = 3

_PROMPTS = {
    QuestionKind.MULTIPLE_CHOICE: "Select: ",
    QuestionKind.YES_NO: "[Y/N]: ",
    QuestionKind.CONFIRMATION: "[Y/N]: ",
    QuestionKind.FREEFORM: "> ",
}
_YES_OR_NO = {"y": "yes", "yes": "yes", "n": "no", "no": "no"}


class Console:
    """Writes the question to one stream and reads the answer from another (attractor-spec 6.4)."""

    def __init__(self, parts: InterviewerParts) -> None:
        self._input = parts.input
        self._is_terminal = parts.input.isatty()
        self._lines = Lines(parts.input)
        self._output = parts.output
        self._turn = asyncio.Lock()

    async def ask(self, question: Question) -> Answer:
        """Ask, one question after the other, and take a line for the answer."""
        async with self._turn:
            said = await self._put(question)
        if said is None and self._is_terminal and not self._input.isatty():
            # Somebody closed the terminal, which is no answer: the question waits for the next one.
            raise Parked(question)
        if said is None:
            return Answer(AnswerKind.SKIPPED, by=NAME)
        return Answer(AnswerKind.GIVEN, said, by=NAME)

    async def inform(self, message: str, stage: str) -> None:
        """Write the message."""
        self._write(f"[{stage}] {message}\n")

    async def _put(self, question: Question) -> str | None:
        """Show a question and return what is said to it; nothing at the end of the input."""
        try:
            self._write(show_question(question))
            return await self._said(question.kind)
        except OSError as error:
            # A terminal that was closed can be neither written nor read.
            if error.errno != errno.EIO:
                raise
            return None

    async def _said(self, kind: QuestionKind) -> str | None:
        if kind not in (QuestionKind.YES_NO, QuestionKind.CONFIRMATION):
            return await self._line(kind)
        for _ in range(ASKED_AT_MOST):
            line = await self._line(kind)
            if line is None or line.casefold() in _YES_OR_NO:
                return line and _YES_OR_NO[line.casefold()]
        return None

    async def _line(self, kind: QuestionKind) -> str | None:
        self._write(_PROMPTS[kind])
        line = await self._lines.next()
        return None if line is None else line.strip()

    def _write(self, text: str) -> None:
        self._output.write(text)
        self._output.flush()


def show_question(question: Question) -> str:
    """Return a question as the terminal shows it: its text, then a line a choice with its key."""
    lines = [f"[?] {question.text}", *(f"  {_show_option(one)}" for one in question.options)]
    return "\n".join(lines) + "\n"


def _show_option(option: Option) -> str:
    """Return a choice with its key, once: labels such as `[Y] Yes` show it themselves."""
    has_key = normalize_label(option.label) != option.label.strip().lower()
    if has_key and accelerator(option.label) == option.key:
        return option.label
    return f"[{option.key}] {option.label}"


part = Console
