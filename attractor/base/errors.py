"""The base classes of all errors, each with an exit status.

Suggests corrections of misspelled names.

AttractorError                1  the run or check failed
├── UsageError                2  wrong usage, or an invalid file
│   ├── UnknownName           2  an unknown name
│   ├── InvalidPart           2  a part of the wrong type
│   ├── InvalidDuration       2  an invalid duration
│   └── NotCanonical          2  a value without a canonical JSON form
├── MachineryError            3  a failure of the machine, not of the run: resumable
│   ├── FileError             3  an unreadable or unwritable file
│   ├── JournalError          3  a journal that accepts no lines
│   ├── Unavailable           3  a service that is unreachable or overloaded
│   └── ProcessNotStarted     3  a program that cannot be started
├── Refused                   4  refused in the current state
│   ├── LockHeld              4  a lock held by another process
│   ├── NeedsLinux            4  a command or function that this system does not have
│   ├── NewerFormat           4  files that a newer version wrote
│   └── OlderFormat           4  files of a version too old to be read
├── NoGo                      5  a no-go of the gate
└── VerificationError         6  a corrupt hash chain, seal or checkpoint
    └── ChainBroken           6  a corrupt line of a hash chain
"""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from types import MappingProxyType


def suggest(word: str, known: Iterable[str]) -> str:
    """Return the known word nearest to a mistyped word, or an empty text."""
    candidates = [
        name for name in known if abs(len(word) - len(name)) <= _allowed_distance(word, name)
    ]
    distance = {
        name: _distance(word.casefold(), name.casefold(), _allowed_distance(word, name))
        for name in candidates
    }
    near = [name for name in candidates if distance[name] <= _allowed_distance(word, name)]
    return min(near, key=lambda name: (distance[name], name), default="")


def _allowed_distance(word: str, name: str) -> int:
    """Return the maximum number of typing errors in a suggested word."""
    return (max(len(word), len(name)) + 1) // 3


def _distance(word: str, other: str, most: int) -> int:
    """Return the number of typing errors between two words (letters added, dropped, changed or
    swapped), limited to `most`.
    """
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(word, 1):
        earlier, before, row = before, row, [i]
        for j, wanted in enumerate(other, 1):
            steps = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and (letter, word[i - 2]) == (other[j - 2], wanted):
                steps = min(steps, earlier[j - 2] + 1)
            row.append(steps)
        # A swap continues from the second last row.
        if min(row) > most and min(before) > most:
            break
    return row[-1]


class ExitCode(IntEnum):
    """The exit status of a command, with its meaning."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> "ExitCode":
        """Store the meaning beside the number."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    DONE = 0, "the command succeeded"
    FAILED = 1, "the run failed, or a check found errors"
    USAGE = 2, "wrong usage, or an invalid file"
    UNFINISHED = 3, "not finished, can be resumed"
    REFUSED = 4, "refused in the current state"
    NO_GO = 5, "the gate says no-go"
    BROKEN = 6, "a hash chain, seal or checkpoint is corrupt"
    INTERRUPTED = 130, "interrupted by Ctrl-C, SIGTERM or a closed terminal, can be resumed"


class AttractorError(Exception):
    """The base class of all errors."""

    exit_code: ExitCode = ExitCode.FAILED
    hint: str = ""
    """The remedy; each line is an alternative."""
    is_not_now: bool = False
    """Whether the same work may succeed later: the obstacle is not in what was asked."""
    details: Mapping[str, object] = MappingProxyType({})
    """Further JSON values for `--json` output."""

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        self.message = message or first_sentence(type(self))
        self.hint = hint or type(self).hint
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message

    @property
    def in_one_line(self) -> str:
        """The message with its hint, as one line."""
        hint = "; ".join(self.hint.splitlines())
        return f"{self.message} ({hint})" if hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        # Copied without __init__, whose arguments differ from `args` in some classes.
        return _without_init, (type(self), *self.args), vars(self)

    @property
    def cause(self) -> BaseException | None:
        """The exception that caused this exception."""
        return self.__cause__


class UsageError(AttractorError):
    """Wrong usage."""

    exit_code = ExitCode.USAGE


_MOST_NAMED = 5


class UnknownName(UsageError, KeyError):
    """An unknown name."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        self.kind, self.name, self.known = kind, name, names
        near = suggest(name, names)
        # A name is not longer than "and 1 more".
        shown = names if len(names) == _MOST_NAMED + 1 else names[:_MOST_NAMED]
        more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
        listed = f"known: {', '.join(shown) or 'none'}{more}"
        hint = f"did you mean {near}?" if near else type(self).hint or listed
        super().__init__(f"unknown {kind} {name!r}", hint=hint)


class InvalidPart(UsageError):
    """A file or distribution offers a part of the wrong type."""


class InvalidDuration(UsageError):
    """An invalid duration."""

    hint = "write a whole number and a unit: 250ms, 900s, 15m, 2h or 1d"


class NotCanonical(UsageError):
    """A value without a canonical JSON form."""


class MachineryError(AttractorError):
    """A failure of the machine, not of the run."""

    exit_code = ExitCode.UNFINISHED
    is_not_now = True


class Unavailable(MachineryError):
    """A service is unreachable or overloaded."""


class FileError(MachineryError):
    """A file is unreadable or unwritable."""


class JournalError(MachineryError):
    """The journal accepts no lines."""


class ProcessNotStarted(MachineryError):
    """A program cannot be started."""


class Refused(AttractorError):
    """The action is refused in the current state."""

    exit_code = ExitCode.REFUSED


class LockHeld(Refused):
    """Another process holds the lock."""

    is_not_now = True


class NeedsLinux(Refused):
    """This system does not have what the command needs."""

    hint = "run it in the image of the Dockerfile; the how-to guide 'On macOS and Windows' says how"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} needs Linux")


class NewerFormat(Refused):
    """A newer version of Attractor wrote these files."""

    hint = "update attractor, then try again"


class OlderFormat(Refused):
    """A version of Attractor that is too old wrote these files."""

    hint = "use the version that wrote them, or move them away and start anew"


def require_format(place: object, number: int, *, current: int, oldest: int = 1) -> None:
    """Refuse files with a format number that this version cannot read."""
    if number > current:
        raise NewerFormat(f"{place} has format {number}, newer than {current}")
    if number < oldest:
        raise OlderFormat(f"{place} has format {number}, older than {oldest}")


class NoGo(AttractorError):
    """The verdict of the gate is no-go."""

    exit_code = ExitCode.NO_GO


class VerificationError(AttractorError):
    """A hash chain, seal or checkpoint is corrupt."""

    exit_code = ExitCode.BROKEN


class ChainBroken(VerificationError):
    """A line of a hash chain is corrupt."""


def _without_init(kind: type[AttractorError], *args: object) -> AttractorError:
    return kind.__new__(kind, *args)


def is_not_now(error: BaseException) -> bool:
    """Return whether work that an error stopped stays, to be tried again later."""
    return error.is_not_now if isinstance(error, AttractorError) else isinstance(error, OSError)


def words_of(error: BaseException) -> str:
    """Return an error as one line for a person; an unexpected one as a defect."""
    if isinstance(error, AttractorError):
        return error.in_one_line
    return str(error) if isinstance(error, OSError) else f"internal error: {error!r}"


def first_sentence(kind: type) -> str:
    """Return the first line of a class docstring without full stop, otherwise the class name."""
    documented = next((base.__doc__ for base in kind.__mro__ if base.__doc__), kind.__name__)
    return documented.strip().splitlines()[0].rstrip(".")
