"""Finds the interviewers: a file of this folder, or an entry point of its name, is one."""

from typing import Protocol

from attractor.base.registry import Registry
from attractor.engine.seams import Interviewer
from attractor.interviewers.parts import InterviewerParts


class BuiltInterviewer(Interviewer, Protocol):
    """An interviewer that is built from the parts every interviewer is built from."""

    def __init__(self, parts: InterviewerParts) -> None: ...


def interviewer_registry() -> Registry[type[BuiltInterviewer]]:
    """Return the interviewers by name; each asks once it is given its parts."""
    return Registry("attractor.interviewers", type[BuiltInterviewer], noun="interviewer")
