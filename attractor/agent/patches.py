"""What a patch of the v4a format says, as values (coding-agent-loop, Appendix A)."""

from dataclasses import field
from enum import StrEnum

from attractor.base.dataclasses import dataclass


class Mark(StrEnum):
    """What a line of a hunk does, by its first character."""

    KEEP = " "
    REMOVE = "-"
    ADD = "+"


@dataclass(frozen=True)
class HunkLine:
    """One line of a hunk."""

    mark: Mark
    text: str


@dataclass(frozen=True)
class Hunk:
    """One change in a file: where to look, and the lines that stay, go and come."""

    hints: tuple[str, ...]
    lines: tuple[HunkLine, ...]
    at_end_of_file: bool = False

    @property
    def expected(self) -> tuple[str, ...]:
        """Return the lines that the file must hold."""
        return tuple(line.text for line in self.lines if line.mark is not Mark.ADD)


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
    """Change a file, and give it another name when one is said."""

    path: str
    hunks: tuple[Hunk, ...]
    move_to: str = ""


Operation = AddFile | DeleteFile | UpdateFile


@dataclass(frozen=True)
class Patch:
    """Operations on files that happen together or not at all."""

    operations: tuple[Operation, ...] = field(default=())
