"""What every interviewer is built from."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TextIO

from attractor.engine.seams import Answer, Question

AnswerFunction = Callable[[Question], Answer | Awaitable[Answer]]


@dataclass(frozen=True, kw_only=True)
class InterviewerParts:
    """The terminal, the answers given in advance, and the function that answers."""

    input: TextIO
    output: TextIO
    answers: Sequence[Answer] = ()
    callback: AnswerFunction | None = None
