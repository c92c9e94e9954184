"""Finds the interviewers: a file of this folder, or an entry point of its name, is one."""

from dataclasses import replace
from pathlib import Path
from typing import Protocol

from attractor.base.errors import UsageError
from attractor.base.registry import Registry
from attractor.engine.questions.question import Interviewer
from attractor.interviewers.names import RECORDING, REPLAY, read_name
from attractor.interviewers.parts import InterviewerParts


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
