"""The folder of one attempt, the one way to write into it, and where earlier attempts went.

An attempt writes into the node's folder. When another one begins, what lies there moves to
`history/<visit>.<attempt>/`, status.json last: as long as it is there, the move is not finished.
"""

import errno
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Lock

from attractor.base.atomic_files import file_trouble, remove_leavings, write_fully, write_whole
from attractor.base.canonical import JsonObject, parse_json
from attractor.base.errors import FileTrouble, NotCanonical, UsageError
from attractor.engine.documents import pretty_json
from attractor.engine.errors import StageOver
from attractor.engine.foreign_files import read_foreign
from attractor.engine.secrets import Redactor

LARGEST_FILE = 4 << 20
STATUS = "status.json"
HISTORY = "history"
# What a handler brings about by the name it chose, and not the disk.
_OF_THE_NAME = frozenset({errno.ENAMETOOLONG, errno.EISDIR, errno.ELOOP, errno.EINVAL})


class FolderFiles:
    """Writes files of one attempt: redacted, capped, whole, and never through a link.

    `trouble` is what the disk refused first, if anything.
    """

    def __init__(self, folder: Path, redactor: Redactor, *, largest: int = LARGEST_FILE) -> None:
        self._folder = folder
        self._redactor = redactor
        self._largest = largest
        self._lock = Lock()
        self._full: set[str] = set()
        self._is_over = False
        self.trouble: FileTrouble | None = None

    def write(self, name: str, text: str) -> None:
        """Write a file whole; of a text that is too long the middle is left out."""
        with self._lock, self._remembering():
            path = self._path(name)
            self._full.discard(name)
            write_whole(path, _capped(self._clean(text), self._largest), sync=False)

    def append(self, name: str, line: str) -> None:
        """Add a line to a file, until the file is full."""
        with self._lock, self._remembering():
            path = self._path(name)
            if name not in self._full and not _append(
                path, self._clean(line) + b"\n", self._largest
            ):
                self._full.add(name)

    def finish(self, status: JsonObject) -> None:
        """Write status.json, and take nothing more."""
        with self._lock:
            self._is_over = True
            text = pretty_json(self._redactor.members(status))
            write_whole(_in_folder(self._folder, STATUS), text, sync=False)

    def close(self) -> None:
        """Take nothing more."""
        with self._lock:
            self._is_over = True

    @contextmanager
    def _remembering(self) -> Generator[None]:
        """Remember that the disk refused: then no outcome of the stage may stand."""
        try:
            yield
        except FileTrouble as trouble:
            if isinstance(trouble.cause, OSError) and trouble.cause.errno not in _OF_THE_NAME:
                self.trouble = self.trouble or trouble
            raise

    def _clean(self, text: str) -> bytes:
        return self._redactor.text(text).encode()

    def _path(self, name: str) -> Path:
        if self._is_over:
            raise StageOver(f"the stage is over: {name} was not written")
        if not _is_free(name):
            hint = "a plain file name, not hidden; status.json is the engine's"
            raise UsageError(f"a stage cannot write a file {name!r}", hint=hint)
        return _in_folder(self._folder, name)


def begin_attempt(folder: Path, visit: int, attempt: int) -> None:
    """Make the node's folder empty for an attempt; what an earlier one left goes to its history."""
    try:
        folder.mkdir(exist_ok=True)
        _require_folder(folder)
        left = [entry.name for entry in os.scandir(folder) if entry.name != HISTORY]
    except OSError as cause:
        raise file_trouble("make", folder, cause) from cause
    if left:
        remove_leavings(folder)
        _move_aside(folder, _name_of_past(folder, visit, attempt))


def history_folder(folder: Path, visit: int, attempt: int) -> Path:
    """Return where an attempt's files lie when another one has begun."""
    return folder / HISTORY / f"{visit}.{attempt}"


def _name_of_past(folder: Path, visit: int, attempt: int) -> str:
    """Name what lies in a folder by its status; without one, or repeated, it was interrupted."""
    past = _attempt_of(folder / STATUS)
    if (
        past
        and past < (visit, attempt)
        and not (folder / HISTORY / _dotted(past) / STATUS).exists()
    ):
        return _dotted(past)
    name = f"{_dotted((visit, attempt))}.interrupted"
    names = (name if n == 1 else f"{name}.{n}" for n in count(1))
    return next(one for one in names if not (folder / HISTORY / one).exists())


def _attempt_of(status: Path) -> tuple[int, int] | None:
    if not status.exists():
        return None
    try:
        record = parse_json(read_foreign(status, largest=LARGEST_FILE))
    except (FileTrouble, NotCanonical):
        return None
    match record:
        case {"visit": int(visit), "attempt": int(attempt)}:
            return visit, attempt
        case _:
            return None


def _dotted(numbers: tuple[int, int]) -> str:
    return f"{numbers[0]}.{numbers[1]}"


def _move_aside(folder: Path, name: str) -> None:
    past = folder / HISTORY / name
    try:
        past.mkdir(parents=True, exist_ok=True)
        _require_folder(folder / HISTORY)
        names = sorted(entry.name for entry in os.scandir(folder) if entry.name != HISTORY)
        for one in sorted(names, key=lambda one: one == STATUS):
            (folder / one).replace(past / one)
    except OSError as cause:
        raise file_trouble("move", folder, cause) from cause


def _is_free(name: str) -> bool:
    """Tell whether a name is a plain one, and not one of the engine's."""
    if name in ("", STATUS, HISTORY) or name.startswith(".") or "\0" in name:
        return False
    return Path(name).name == name


def _in_folder(folder: Path, name: str) -> Path:
    try:
        _require_folder(folder)
    except OSError as cause:
        raise file_trouble("write into", folder, cause) from cause
    return folder / name


def _require_folder(folder: Path) -> None:
    if not stat.S_ISDIR(folder.lstat().st_mode):
        hint = "remove it: a stage folder is a folder of its own"
        raise FileTrouble(f"{folder} is a link or a file", hint=hint)


def _capped(content: bytes, largest: int) -> bytes:
    if len(content) <= largest:
        return content
    half = largest // 2
    note = f"\n[{len(content) - 2 * half} bytes left out]\n".encode()
    parts = (content[:half], note, content[-half:])
    return b"".join(part.decode("utf-8", "ignore").encode() for part in parts)


def _append(path: Path, line: bytes, largest: int) -> bool:
    """Add a line, or in its place a note that the file is full; tell whether there was room."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        file = os.open(path, flags, 0o666)
        try:
            has_room = os.fstat(file).st_size + len(line) <= largest
            write_fully(file, line if has_room else b"[full: what came after was left out]\n")
        finally:
            os.close(file)
    except OSError as cause:
        raise file_trouble("write", path, cause) from cause
    return has_room
