"""Remarks on lines of a dimension, which a person writes one by one and sends as one message."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused, UnknownName, UsageError, VerificationError
from attractor.base.files import make_private_folder, write_whole
from attractor.base.json import canonical_json
from attractor.base.locks import FileLock
from attractor.base.records import read_object, read_record, write_record
from attractor.environments.confined_paths import ConfinedFolder, file_identity
from attractor.environments.errors import FileUnusable
from attractor.environments.files import read_data
from attractor.factory.dimensions import Dimension, DimensionRecords
from attractor.factory.open_project import OpenProject
from attractor.workspaces.result_tree import EXCLUDED
from attractor.worlds.actors import ActorFolder
from attractor.worlds.dimension_folders import folder_of
from attractor.worlds.messages import Message, Sender
from attractor.worlds.orders import send

_LONGEST_LINE = 1000
_COMMAND = "attractor comment FILE:LINE TEXT"


@dataclass(frozen=True)
class Remark:
    """A remark on a line as it was when written; stale if it was changed or removed since."""

    id: str
    file: str
    line: int
    quoted: str
    text: str
    author: Sender
    written: datetime
    is_stale: bool = False


@dataclass(frozen=True)
class _Stored:
    remarks: Sequence[Remark]


def place(remark: Remark, lines: Sequence[str]) -> Remark:
    """Return a remark at its line now: where it was, or at the only other line that is the same."""
    if lines[remark.line - 1 : remark.line] == [remark.quoted]:
        return remark
    same = [number for number, line in enumerate(lines, 1) if line == remark.quoted]
    if len(same) == 1 and remark.quoted.strip():
        return replace(remark, line=same[0])
    return replace(remark, is_stale=True)


def as_message(remarks: Sequence[Remark]) -> str:
    """Return remarks as one text: each with its place, its line and its words."""
    parts = [f"{number_of(len(remarks), 'remark')} on your changes:"]
    for one in remarks:
        stale = " (stale: this line has changed since)" if one.is_stale else ""
        parts.append(f"{one.file}:{one.line}{stale}\n> {one.quoted}\n\n{one.text}")
    return "\n\n".join(parts)


class Remarks:
    """The remarks on a dimension that are not sent yet."""

    def __init__(self, opened: OpenProject, dimension: Dimension) -> None:
        self._opened = opened
        self._dimension = dimension
        self._file = DimensionRecords.of(opened).remarks_file(dimension)

    def read(self) -> Sequence[Remark]:
        """Return the remarks by file and line, stale ones marked."""
        stored, lines = self._stored(), dict[str, Sequence[str]]()
        for file in {one.file for one in stored}:
            # The file or the whole folder may be gone.
            with suppress(UsageError, Refused):
                lines[file] = self._lines(file)[1]
        placed = [place(one, lines.get(one.file, ())) for one in stored]
        return sorted(placed, key=lambda one: (one.file, one.line, one.written))

    def add(self, file: str, line: int, text: str, author: Sender) -> Remark:
        """Store a remark on a line of a file."""
        if not text.strip():
            raise UsageError("the remark is empty", hint=f"write it: {_COMMAND}")
        path, lines = self._lines(file)
        if not 1 <= line <= len(lines):
            raise UsageError(f"{path} has no line {line}", hint=f"its lines: {len(lines)}")
        new_id, now = self._opened.project.machine.randomness(4).hex(), self._opened.now()
        remark = Remark(new_id, path, line, lines[line - 1], text.strip(), author, now)
        with self._locked():
            self._store([*self._stored(), remark])
        return remark

    def remove(self, remark_id: str) -> Remark:
        """Remove a remark."""
        with self._locked():
            known = {one.id: one for one in self._stored()}
            if remark_id not in known:
                raise UnknownName("remark", remark_id, known)
            self._store([one for one in known.values() if one.id != remark_id])
        return known[remark_id]

    def send(self, actor: ActorFolder, sender: Sender) -> Message:
        """Send all remarks as one message; after a kill meanwhile, they are there to send again."""
        with self._locked():
            if not (remarks := self.read()):
                raise Refused("there are no remarks to send", hint=f"write one: {_COMMAND}")
            message = send(actor, as_message(remarks), sender, self._opened)
            self._store([])
        return message

    def _lines(self, file: str) -> tuple[str, Sequence[str]]:
        """Return the path of a file in the dimension, and its lines without secrets."""
        folder = folder_of(self._dimension)
        # No link may lead to hidden scenarios: the message would show their lines to the agent.
        hidden = [folder / name for name in (".git", *(one.strip("/") for one in EXCLUDED))]
        identities = {file_identity(one.stat()) for one in hidden if one.exists()}
        confined = ConfinedFolder(folder, [str(folder), str(folder.resolve())], hidden=identities)
        try:
            path = confined.relative(file)
            content = read_data(confined, path, limit=1 << 24)
            if b"\0" in content:
                raise FileUnusable(f"{path} is a binary file")
        except FileUnusable as fault:
            raise UsageError(fault.message, hint=f"name a text file in {folder}") from fault
        # Not splitlines: in a diff, only a newline ends a line.
        lines = content.decode("utf-8", "replace").removesuffix("\n").split("\n") if content else []
        clean = self._opened.project.redactor.text
        return path, [clean(line.removesuffix("\r"))[:_LONGEST_LINE] for line in lines]

    def _locked(self) -> FileLock:
        self._opened.refuse_in_run("'attractor comment'")
        make_private_folder(self._file.parent)
        place = self._file.parent.with_name("remarks.lock")
        return FileLock(place).acquire(wait=10.0, purpose="attractor comment")

    def _stored(self) -> Sequence[Remark]:
        if not self._file.exists():
            return []
        return read_record(_Stored, read_object(self._file, VerificationError)).remarks

    def _store(self, remarks: Sequence[Remark]) -> None:
        write_whole(self._file, canonical_json(write_record(_Stored(remarks))), mode=0o600)
