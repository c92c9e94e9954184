"""Asks questions at the terminal."""

import asyncio
import errno
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from attractor.engine.questions.question import (
    TERMINAL,
    UNVERIFIED,
    Answer,
    AnswerKind,
    Question,
    QuestionKind,
    ask_each,
    describe_refusal,
    read_answer,
)
from attractor.engine.seams import Parked
from attractor.interviewers.prompts import LineReader, shown_line, shown_prompt, shown_question
from attractor.interviewers.registry import InterviewerParts

NAME = "console"
ASKED_AT_MOST = 3
"""The maximum number of invalid answers from a pipe; a terminal has no maximum."""


class Console:
    """Writes questions to one stream, and reads answers from another stream (attractor-spec 6.4).

    At a terminal, input from before a question is dropped. In a pipe, answers can be written in
    advance, one answer per line.
    """

    def __init__(self, parts: InterviewerParts) -> None:
        self._input = parts.input
        self._is_terminal = parts.input.isatty()
        self._lines = LineReader(parts.input)
        self._output = parts.output
        self._alone = parts.alone
        self._turn = asyncio.Lock()
        self._prompt = ""

    async def ask(self, question: Question) -> Answer:
        """Ask one question at a time, and read a line for the answer."""
        async with self._turn, self._alone() as about:
            answer = await self._put(question, about or ())
        if answer is None:
            # The end of the input is no answer: the question stays open for the next process.
            raise Parked(question)
        return answer

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        """Ask one question after the other."""
        return await ask_each(self, questions)

    async def inform(self, message: str, stage: str) -> None:
        """Write the message; if a question is open, write the prompt again."""
        line = f"[{shown_line(stage)}] {shown_line(message)}\n"
        # A closed terminal is no failure of the stage.
        with suppress(OSError):
            self._write(f"\n{line}{self._prompt}" if self._prompt else line)

    async def _put(self, question: Question, about: Sequence[str]) -> Answer | None:
        """Show a question, and return the answer; None at the end of the input."""
        try:
            self._drop_early()
            self._write(shown_question(question, about))
            return await self._said(question)
        except asyncio.CancelledError:
            with suppress(OSError):
                self._write("\n")
                self._drop_early()
            raise
        except OSError as error:
            # A closed terminal raises errors on writing and reading.
            if error.errno != errno.EIO:
                raise
            return None
        finally:
            self._prompt = ""

    async def _said(self, question: Question) -> Answer | None:
        """Read lines until a line is a valid answer."""
        tries = 0
        while (line := await self._line(question)) is not None:
            answer = read_answer(line or question.default, question, by=NAME)
            if answer is not None:
                return replace(answer, proof=TERMINAL if self._is_terminal else UNVERIFIED)
            tries += 1
            if not self._is_terminal and tries == ASKED_AT_MOST:
                # The gate reports the last invalid choice.
                if question.kind is QuestionKind.MULTIPLE_CHOICE:
                    return Answer(AnswerKind.GIVEN, line, by=NAME, text=line)
                return Answer(AnswerKind.SKIPPED, by=NAME)
            self._write(f"{describe_refusal(shown_line(line), question)}\n")
        return None

    async def _line(self, question: Question) -> str | None:
        self._prompt = shown_prompt(question)
        self._write(self._prompt)
        line = await self._lines.next()
        self._prompt = ""
        return None if line is None else line.strip()

    def _drop_early(self) -> None:
        """Drop the input from before the question, and print a note about the dropped input."""
        typed = self._lines.drop() if self._is_terminal else ""
        if typed.strip():
            self._write(f"(ignored input from before the question: {shown_line(typed)})\n")

    def _write(self, text: str) -> None:
        self._output.write(text)
        self._output.flush()


part = Console
