"""Finds the interviewers: a file of this folder, or an entry point of its name, is one.

Reads the name by which an interviewer is chosen: `park`, `recording:console`, `replay:FILE`.

Takes what a program's function replied to a question as an answer, or refuses it.

What every interviewer is built from.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import field, replace
from pathlib import Path
from typing import Protocol, TextIO

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.registry import Registry
from attractor.engine.questions.question import Answer, AnswerKind, Interviewer, Question
from attractor.engine.storage.secrets import Redactor

INTERVIEWERS = "console, park, auto_approve, queue, recording[:OTHER[:FILE]] or replay:FILE"
"""Whom a command may name, in words."""

RECORDING, REPLAY = "recording", "replay"
_SIGN = ":"


@dataclass(frozen=True)
class InterviewerName:
    """An interviewer by its name, with whom it has ask and the file it works with, if any."""

    name: str
    inner: str = ""
    file: str = ""

    def __str__(self) -> str:
        if self.name == REPLAY:
            words = (self.name, self.file)
        else:
            words = (self.name, self.inner, self.file)
        return _SIGN.join(words).rstrip(_SIGN)


def read_name(text: str) -> InterviewerName:
    """Read what stands after the name: a file is the last thing, for it may hold the sign."""
    name, _, rest = text.partition(_SIGN)
    if name == REPLAY:
        return InterviewerName(name, file=rest)
    inner, _, file = rest.partition(_SIGN)
    return InterviewerName(name, inner, file)


def placed_name(text: str, folder: Path) -> str:
    """Return a name whose file is found from anywhere; it was given in this folder."""
    named = read_name(text)
    return str(replace(named, file=str(folder / named.file))) if named.file else text


Reply = Answer | str | None
"""An answer, the words of one, or nothing: the question is left out."""


def read_reply(reply: object, *, by: str = "") -> Answer:
    """Return the answer that a reply is; what words mean is found out where they are asked for."""
    match reply:
        case Answer():
            return reply
        case str():
            return Answer(AnswerKind.GIVEN, reply, by, text=reply)
        case None:
            return Answer(AnswerKind.SKIPPED, by=by)
        case _:
            raise UsageError(
                f"whoever is asked replied with {type(reply).__name__}, which is no answer",
                hint="reply with an Answer, with words such as a choice, or with None to skip it",
            )


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


class BuiltInterviewer(Interviewer, Protocol):
    """An interviewer that is built from the parts every interviewer is built from."""

    def __init__(self, parts: InterviewerParts) -> None: ...


def interviewer_registry() -> Registry[type[BuiltInterviewer]]:
    """Return the interviewers by name; each asks once it is given its parts."""
    return Registry("attractor.interviewers", type[BuiltInterviewer], noun="interviewer")


def build_interviewer(name: str, parts: InterviewerParts) -> Interviewer:
    """Build the interviewer that a name chooses, with whom it has ask and its file."""
    registry, named = interviewer_registry(), read_name(name)
    if (named.inner or named.file) and named.name not in (RECORDING, REPLAY):
        raise UsageError(
            f"the interviewer {named.name!r} takes nothing else: {name!r}",
            hint=f"write {named.name}, {RECORDING}:{named.name} or {REPLAY}:FILE",
        )
    inner = registry[named.inner](replace(parts, file=None)) if named.inner else parts.inner
    file = Path(named.file) if named.file else parts.file
    return registry[named.name](replace(parts, inner=inner, file=file))
