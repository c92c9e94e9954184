"""The errors every room's errors grow from, each with the exit code the command line answers.

AttractorError                1  the work itself failed
├── UsageError                2  wrong usage, or an invalid file
│   ├── UnknownName           2  a name that nothing answers to
│   ├── InvalidPart           2  a part that is not what its folder holds
│   ├── InvalidDuration       2  a text that is not a duration
│   └── NotCanonical          2  a value that has no one way to be written as JSON
├── MachineryError            3  the machine had trouble, not the work: resumable
│   ├── FileError           3  a file could not be read or written
│   ├── JournalError          3  a journal could not take a line
│   └── ProcessNotStarted     3  a program could not be started
├── Refused                   4  a rule says no
│   └── LockHeld              4  somebody else holds the lock
├── NoGo                      5  the gate says no
└── VerificationError                    6  a chain, seal or checkpoint does not verify
    └── ChainBroken           6  a line of a hash chain is not what was written

Finds the word somebody probably meant.
"""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from types import MappingProxyType


def suggest(word: str, known: Iterable[str]) -> str:
    """Return the known word nearest to a mistyped one, or nothing when none is near."""
    candidates = [name for name in known if abs(len(word) - len(name)) <= _most(word, name)]
    distance = {
        name: _distance(word.casefold(), name.casefold(), _most(word, name)) for name in candidates
    }
    near = [name for name in candidates if distance[name] <= _most(word, name)]
    return min(near, key=lambda name: (distance[name], name), default="")


def _most(word: str, name: str) -> int:
    """Return how many letters of two words that are near may differ."""
    return (max(len(word), len(name)) + 1) // 3


def _distance(one: str, other: str, most: int) -> int:
    """Count the letters to add, drop, change or swap with a neighbour; give up above the most."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        earlier, before, row = before, row, [i]
        for j, wanted in enumerate(other, 1):
            steps = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and (letter, one[i - 2]) == (other[j - 2], wanted):
                steps = min(steps, earlier[j - 2] + 1)
            row.append(steps)
        # A swap goes on from the row before the last.
        if min(row) > most and min(before) > most:
            break
    return row[-1]


class ExitCode(IntEnum):
    """What a process of ours ends with, and what that means."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> "ExitCode":
        """Keep the meaning beside the number."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    DONE = 0, "done, and good"
    FAILED = 1, "the run failed, or a check found errors"
    USAGE = 2, "wrong usage, or a command was given an invalid file"
    UNFINISHED = 3, "not finished, and resumable"
    REFUSED = 4, "refused by a rule of the control plane"
    NO_GO = 5, "the gate says no-go"
    BROKEN = 6, "a chain, seal or checkpoint does not verify"
    INTERRUPTED = 130, "interrupted by Ctrl-C, SIGTERM or a closed terminal, and resumable"


class AttractorError(Exception):
    """Something went wrong."""

    exit_code: ExitCode = ExitCode.FAILED
    hint: str = ""
    details: Mapping[str, object] = MappingProxyType({})
    """What a program is told besides: each a value of JSON."""

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        self.message = message or first_sentence(type(self))
        self.hint = hint or type(self).hint
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[object, ...]:
        # Copied without __init__, which in some classes takes other things than it keeps in args.
        return _without_init, (type(self), *self.args), vars(self)

    @property
    def cause(self) -> BaseException | None:
        """What it was raised from."""
        return self.__cause__


class UsageError(AttractorError):
    """This is not how it is used."""

    exit_code = ExitCode.USAGE


class UnknownName(UsageError, KeyError):
    """Nothing goes by that name."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        self.kind, self.name, self.known = kind, name, names
        near = suggest(name, names)
        hint = f"did you mean {near}?" if near else f"known: {', '.join(names) or 'none'}"
        super().__init__(f"unknown {kind} {name!r}", hint=hint)


class InvalidPart(UsageError):
    """A file or distribution offers a part that is not what its folder holds."""


class InvalidDuration(UsageError):
    """This is not a duration."""

    hint = "write a whole number and a unit: 250ms, 900s, 15m, 2h or 1d"


class NotCanonical(UsageError):
    """This value has no one way to be written as JSON."""


class MachineryError(AttractorError):
    """The machine had trouble, not the work."""

    exit_code = ExitCode.UNFINISHED


class FileError(MachineryError):
    """A file could not be read or written."""


class JournalError(MachineryError):
    """The journal could not take a line."""


class ProcessNotStarted(MachineryError):
    """A program could not be started."""


class Refused(AttractorError):
    """A rule of the control plane says no."""

    exit_code = ExitCode.REFUSED


class LockHeld(Refused):
    """Somebody else holds the lock."""


class NoGo(AttractorError):
    """The gate says no-go."""

    exit_code = ExitCode.NO_GO


class VerificationError(AttractorError):
    """A chain, seal or checkpoint does not verify."""

    exit_code = ExitCode.BROKEN


class ChainBroken(VerificationError):
    """A line of a hash chain is not what was written."""


def _without_init(kind: type[AttractorError], *args: object) -> AttractorError:
    return kind.__new__(kind, *args)


def first_sentence(kind: type) -> str:
    """Return the first line of a class's docstring without its full stop, else its name."""
    documented = next((one.__doc__ for one in kind.__mro__ if one.__doc__), kind.__name__)
    return documented.strip().splitlines()[0].rstrip(".")
