"""Parses patches in the v4a format (coding-agent-loop, Appendix A)."""

import re
from collections.abc import Sequence
from dataclasses import field
from enum import StrEnum

from attractor.agent.errors import InvalidPatch
from attractor.base.dataclasses import dataclass


class LinePrefix(StrEnum):
    """The kind of a hunk's line, by its first character."""

    KEEP = " "
    REMOVE = "-"
    ADD = "+"


@dataclass(frozen=True)
class HunkLine:
    """One line of a hunk."""

    mark: LinePrefix
    text: str


@dataclass(frozen=True)
class Hunk:
    """A change in a file: the hints to its position, and the unchanged, removed and added lines."""

    hints: tuple[str, ...]
    lines: tuple[HunkLine, ...]
    at_end_of_file: bool = False

    @property
    def expected(self) -> tuple[str, ...]:
        """Return the lines that the file must contain."""
        return tuple(line.text for line in self.lines if line.mark is not LinePrefix.ADD)


@dataclass(frozen=True)
class AddFile:
    """Create a file."""

    path: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class DeleteFile:
    """Remove a file."""

    path: str


@dataclass(frozen=True)
class UpdateFile:
    """Change a file, and rename the file if a new name is set."""

    path: str
    hunks: tuple[Hunk, ...]
    move_to: str = ""


Operation = AddFile | DeleteFile | UpdateFile


@dataclass(frozen=True)
class Patch:
    """Operations on files that are applied atomically."""

    operations: tuple[Operation, ...] = field(default=())


_BEGIN = "*** Begin Patch"
_END = "*** End Patch"
_ADD = "*** Add File: "
_DELETE = "*** Delete File: "
_UPDATE = "*** Update File: "
_MOVE = "*** Move to: "
_END_OF_FILE = "*** End of File"
_HUNK = "@@"
_OPERATIONS = (_ADD, _DELETE, _UPDATE)
_WRAPPED = re.compile(
    r"(?:```\w*|(?:apply_patch\s+)?<<\s*(['\"]?)(?P<tag>\w+)\1)\n(?P<patch>.*)\n(?:```|(?P=tag))",
    re.DOTALL,
)


def parse_patch(text: str) -> Patch:
    """Parse a patch; raises an InvalidPatch with the line of the error.

    A patch in a code fence, or in a heredoc of a shell command, is accepted.
    """
    text = text.replace("\r\n", "\n").strip()
    while wrapped := _WRAPPED.fullmatch(text):
        text = wrapped["patch"].strip()
    lines = text.split("\n")
    if lines[0].strip() != _BEGIN:
        raise _refusal(1, f"a patch must begin with {_BEGIN!r}, not {_short(lines[0])}")
    if len(lines) < 2 or lines[-1] != _END:
        raise _refusal(len(lines), f"a patch must end with {_END!r}, not {_short(lines[-1])}")
    reader = _Reader(lines[:-1])
    operations: list[Operation] = []
    while not reader.at_end:
        operations.append(_read_operation(reader))
    if not operations:
        raise _refusal(2, "the patch contains no operation")
    return Patch(tuple(operations))


class _Reader:
    """Reads the lines of a patch, and their numbers."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._next = 1

    @property
    def at_end(self) -> bool:
        return self._next >= len(self._lines)

    @property
    def line(self) -> str:
        """The next line; empty at the end."""
        return "" if self.at_end else self._lines[self._next]

    def take(self) -> str:
        line = self.line
        self._next += 1
        return line

    def take_after(self, prefix: str) -> str:
        """Consume the next line if it has a prefix, and return the rest of this line."""
        return self.take()[len(prefix) :].strip() if self.line.startswith(prefix) else ""

    def refuse(self, mistake: str) -> InvalidPatch:
        return _refusal(self._next + 1, mistake)


def _read_operation(reader: _Reader) -> Operation:
    prefix = next(
        (operation for operation in _OPERATIONS if reader.line.startswith(operation)), None
    )
    if prefix is None:
        wanted = ", ".join(repr(operation) for operation in _OPERATIONS)
        raise reader.refuse(f"expected one of {wanted}, not {_short(reader.line)}")
    path = reader.take_after(prefix)
    if not path:
        raise reader.refuse("missing path")
    if prefix == _ADD:
        return AddFile(path, _read_added(reader))
    return DeleteFile(path) if prefix == _DELETE else _read_update(reader, path)


def _read_added(reader: _Reader) -> tuple[str, ...]:
    lines: list[str] = []
    empty: list[str] = []
    while not reader.at_end and not reader.line.startswith(_OPERATIONS):
        if reader.line and not reader.line.startswith("+"):
            raise reader.refuse(
                f"a line of a new file must begin with '+', not {_short(reader.line)}"
            )
        line = reader.take()
        if line:
            lines += [*empty, line[1:]]
        # An empty line without '+' is part of the file only if another line of the file follows.
        empty = [] if line else [*empty, ""]
    return tuple(lines)


def _read_update(reader: _Reader, path: str) -> UpdateFile:
    target = reader.take_after(_MOVE)
    hunks: list[Hunk] = []
    while not reader.at_end and not reader.line.startswith(_OPERATIONS):
        hunks.append(_read_hunk(reader))
    if not hunks and not target:
        raise reader.refuse(f"the update of {path} contains no hunk")
    return UpdateFile(path, tuple(hunks), target)


def _read_hunk(reader: _Reader) -> Hunk:
    # Several `@@` lines narrow the position, such as a class and then a method.
    hints: list[str] = []
    while reader.line.startswith(_HUNK):
        hints.append(reader.take()[len(_HUNK) :].removeprefix(" "))
    lines: list[HunkLine] = []
    while not reader.at_end and not reader.line.startswith((_HUNK, "*** ")):
        lines.append(_read_line(reader))
    if not lines:
        raise reader.refuse(f"expected lines that begin with ' ', '-' or '+', not {_next(reader)}")
    at_end_of_file = reader.line.rstrip() == _END_OF_FILE
    if at_end_of_file:
        reader.take()
    return Hunk(tuple(hint for hint in hints if hint.strip()), tuple(lines), at_end_of_file)


def _read_line(reader: _Reader) -> HunkLine:
    # Models omit the space of an empty context line.
    line = reader.line or LinePrefix.KEEP.value
    try:
        mark = LinePrefix(line[0])
    except ValueError as error:
        mistake = f"a line of a hunk must begin with ' ', '-' or '+', not {_short(line)}"
        raise reader.refuse(mistake) from error
    reader.take()
    return HunkLine(mark, line[1:])


def _next(reader: _Reader) -> str:
    return "the end of the patch" if reader.at_end else _short(reader.line)


def _refusal(number: int, mistake: str) -> InvalidPatch:
    return InvalidPatch(
        f"line {number} of the patch: {mistake}", hint="nothing was changed; send a new patch"
    )


def _short(line: str) -> str:
    return repr(line if len(line) <= 60 else f"{line[:60]}…")
