"""Reads the name by which an interviewer is chosen: `park`, `recording:console`, `replay:FILE`."""

from dataclasses import replace
from pathlib import Path

from attractor.base.dataclasses import dataclass

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
