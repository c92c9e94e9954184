"""What every interviewer is built from."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import field
from pathlib import Path
from typing import TextIO

from attractor.base.dataclasses import dataclass
from attractor.engine.questions.question import Answer, Interviewer, Question
from attractor.engine.secrets import Redactor
from attractor.interviewers.replies import Reply

AnswerFunction = Callable[[Question], Reply | Awaitable[Reply]]


@dataclass(frozen=True, kw_only=True)
class InterviewerParts:
    """The terminal, the answers given in advance, and the function that answers.

    `taken` is how many of those answers an earlier life of the run took. In `file` answers are
    recorded, or there they are read again; `inner` is whom another interviewer has ask.
    Who asks at the terminal is `alone` there as long as it takes.
    """

    input: TextIO
    output: TextIO
    answers: Sequence[Answer] = ()
    taken: int = 0
    callback: AnswerFunction | None = None
    inner: Interviewer | None = None
    file: Path | None = None
    redactor: Redactor = field(default_factory=Redactor)
    alone: Callable[[], AbstractAsyncContextManager[None]] = nullcontext
