"""Finds the interviewers by name: each file of this folder, or entry point, is an interviewer."""

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

INTERVIEWERS = "console, park, auto_approve, queue, recording[:INTERVIEWER[:FILE]] or replay:FILE"
"""The names that a command accepts."""

RECORDING, REPLAY = "recording", "replay"
_SIGN = ":"


@dataclass(frozen=True)
class InterviewerName:
    """The name of an interviewer, with the inner interviewer and the file, if any."""

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
    """Read a name such as `park`, `recording:console` or `replay:FILE`; a file comes last."""
    name, _, rest = text.partition(_SIGN)
    if name == REPLAY:
        return InterviewerName(name, file=rest)
    inner, _, file = rest.partition(_SIGN)
    return InterviewerName(name, inner, file)


def placed_name(text: str, folder: Path) -> str:
    """Return an interviewer name in which the path of the file is absolute."""
    named = read_name(text)
    return str(replace(named, file=str(folder / named.file))) if named.file else text


Reply = Answer | str | None
"""An answer, the text of an answer, or None to skip the question."""


def read_reply(reply: object, *, by: str = "") -> Answer:
    """Return the answer in a reply; the text of a reply is matched with the choices later."""
    match reply:
        case Answer():
            return reply
        case str():
            return Answer(AnswerKind.GIVEN, reply, by, text=reply)
        case None:
            return Answer(AnswerKind.SKIPPED, by=by)
        case _:
            raise UsageError(
                f"the interviewer returned a {type(reply).__name__}, which is not an answer",
                hint="return an Answer, a text such as a choice, or None to skip the question",
            )


AnswerFunction = Callable[[Question], Reply | Awaitable[Reply]]


@dataclass(frozen=True, kw_only=True)
class InterviewerParts:
    """The parts that every interviewer is built from.

    `taken` is the number of answers that earlier processes of the run have used. `file` is the
    recording to write or to read. `inner` is the interviewer whose answers are recorded. During
    `alone`, no other output is written to the terminal; it yields lines to print with the question.
    """

    input: TextIO
    output: TextIO
    answers: Sequence[Answer] = ()
    taken: int = 0
    callback: AnswerFunction | None = None
    inner: Interviewer | None = None
    file: Path | None = None
    redactor: Redactor = field(default_factory=Redactor)
    alone: Callable[[], AbstractAsyncContextManager[Sequence[str] | None]] = nullcontext


class BuiltInterviewer(Interviewer, Protocol):
    """A class of interviewers that are built from the parts."""

    def __init__(self, parts: InterviewerParts) -> None: ...


def interviewer_registry() -> Registry[type[BuiltInterviewer]]:
    """Return the interviewer classes by name."""
    return Registry("attractor.interviewers", type[BuiltInterviewer], noun="interviewer")


def build_interviewer(name: str, parts: InterviewerParts) -> Interviewer:
    """Return the interviewer with a name, built with the inner interviewer and the file."""
    registry, named = interviewer_registry(), read_name(name)
    if (named.inner or named.file) and named.name not in (RECORDING, REPLAY):
        raise UsageError(
            f"interviewer {named.name!r} takes no options: {name!r}",
            hint=f"write {named.name}, {RECORDING}:{named.name} or {REPLAY}:FILE",
        )
    inner = registry[named.inner](replace(parts, file=None)) if named.inner else parts.inner
    file = Path(named.file) if named.file else parts.file
    return registry[named.name](replace(parts, inner=inner, file=file))
