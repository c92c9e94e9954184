"""The folder of a stage: its files, and the output of its running command."""

import asyncio
import errno
import os
import stat
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count, takewhile
from pathlib import Path
from threading import Lock

from attractor.base.errors import FileError, NotCanonical, UsageError
from attractor.base.files import file_error, remove_abandoned_files, write_fully, write_whole
from attractor.base.json import JsonObject, parse_json
from attractor.base.processes import OnOutput, OutputChunk
from attractor.engine.errors import StageOver
from attractor.engine.seams import StageFiles
from attractor.engine.storage.json_files import pretty_json, read_untrusted
from attractor.engine.storage.secrets import Redactor

STATUS = "status.json"

SESSION = "session.json"
"""The session of a program, which a later run can continue.

It packs the program's own files, in which secrets are not redacted: nothing shows it.
"""

HISTORY = "history"

_LARGEST_STATUS = 4 << 20


def begin_attempt(folder: Path, visit: int, attempt: int, *, is_aside: bool = False) -> Path:
    """Move the files of the last attempt to the history, and return the folder to write into.

    With `is_aside`, return a folder in the history, because another walk uses the folder of the
    node.
    """
    try:
        left = _make_or_list(folder)
        if is_aside:
            return _make_aside(folder, visit, attempt)
    except OSError as cause:
        raise file_error("make", folder, cause) from cause
    if left:
        remove_abandoned_files(folder)
        _move_aside(folder, _name_of_past(folder, visit, attempt))
    return folder


def history_folder(folder: Path, visit: int, attempt: int) -> Path:
    """Return the folder of an attempt in the history, after another attempt has begun."""
    return folder / HISTORY / f"{visit}.{attempt}"


def folder_of_attempt(folder: Path, visit: int, attempt: int) -> Path | None:
    """Return the current folder with the files of an ended attempt, or None."""
    places = (folder, history_folder(folder, visit, attempt))
    return next((path for path in places if _attempt_of(path / STATUS) == (visit, attempt)), None)


def interrupted_folder(folder: Path, visit: int, attempt: int, number: int) -> Path:
    """Return the folder of the interrupted start of an attempt with a number, counted from 1."""
    name = f"{_dotted((visit, attempt))}.interrupted"
    return folder / HISTORY / (name if number == 1 else f"{name}.{number}")


def last_interrupted(folder: Path, visit: int, attempt: int) -> Path | None:
    """Return the folder of the last interrupted start of an attempt, or None."""
    places = (interrupted_folder(folder, visit, attempt, number) for number in count(1))
    found = None
    for place in takewhile(Path.is_dir, places):
        found = place
    return found


def require_folder(folder: Path) -> None:
    """Raise an error for a link or a file in place of a folder."""
    if not stat.S_ISDIR(os.lstat(folder).st_mode):
        hint = "remove it: a stage folder must be a real folder"
        raise FileError(f"{folder} is a link or a file", hint=hint)


def _make_or_list(folder: Path) -> list[str]:
    """Make a missing folder; return the names in it except the history."""
    try:
        folder.mkdir()
    except FileExistsError:
        require_folder(folder)
    else:
        return []
    return [entry.name for entry in os.scandir(folder) if entry.name != HISTORY]


def _make_aside(folder: Path, visit: int, attempt: int) -> Path:
    """Make an empty folder in the history; rename an existing folder as interrupted."""
    _make_or_list(folder / HISTORY)
    own = history_folder(folder, visit, attempt)
    if own.exists():
        own.rename(folder / HISTORY / _name_of_interrupted(folder, visit, attempt))
    own.mkdir()
    return own


def _name_of_past(folder: Path, visit: int, attempt: int) -> str:
    """Return a history name for the files in a folder, from status.json or otherwise
    "interrupted".
    """
    past = _attempt_of(folder / STATUS)
    if (
        past
        and past != (visit, attempt)
        and not (folder / HISTORY / _dotted(past) / STATUS).exists()
    ):
        return _dotted(past)
    return _name_of_interrupted(folder, visit, attempt)


def _name_of_interrupted(folder: Path, visit: int, attempt: int) -> str:
    places = (interrupted_folder(folder, visit, attempt, number) for number in count(1))
    return next(place.name for place in places if not place.exists())


def _attempt_of(status: Path) -> tuple[int, int] | None:
    if not status.exists():
        return None
    try:
        record = parse_json(read_untrusted(status, largest=_LARGEST_STATUS))
    except (FileError, NotCanonical):
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
        require_folder(folder / HISTORY)
        names = sorted(entry.name for entry in os.scandir(folder) if entry.name != HISTORY)
        for entry in sorted(names, key=lambda entry: entry == STATUS):
            (folder / entry).replace(past / entry)
    except OSError as cause:
        raise file_error("move", folder, cause) from cause


LARGEST_FILE = 4 << 20


# Errors that an invalid file name of a handler causes.
_OF_THE_NAME = frozenset({errno.ENAMETOOLONG, errno.EISDIR, errno.ELOOP, errno.EINVAL})


class FolderFiles:
    """Writes the files of one attempt: redacted, limited in size, and never through a link.

    `trouble` is the first disk error.
    """

    def __init__(
        self,
        folder: Path,
        redactor: Redactor,
        *,
        largest: int = LARGEST_FILE,
        on_activity: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_activity = on_activity
        self._folder = folder
        self._redactor = redactor
        self._largest = largest
        self._lock = Lock()
        self._full: set[str] = set()
        self._is_over = False
        self.trouble: FileError | None = None

    def write(self, name: str, text: str, *, is_private: bool = False) -> bytes:
        """Write a whole file, redacted, without the middle of a long text; return its content.

        A private file is only readable by the operator.
        """
        self._on_activity()
        with self._lock:
            try:
                path = self._path(name)
                self._full.discard(name)
                content = _capped(self._clean(text), self._largest)
                write_whole(path, content, sync=False, mode=0o600 if is_private else 0o666)
                return content
            except FileError as trouble:
                self._remember(trouble)
                raise

    def append(self, name: str, line: str) -> None:
        """Append a line to a file, up to the maximum size of the file."""
        self._on_activity()
        with self._lock:
            try:
                path = self._path(name)
                whole = self._clean(line) + b"\n"
                if name not in self._full and not _append(path, whole, self._largest):
                    self._full.add(name)
            except FileError as trouble:
                self._remember(trouble)
                raise

    def finish(self, status: JsonObject) -> None:
        """Write status.json, and refuse further files."""
        with self._lock:
            self._is_over = True
            text = pretty_json(status, is_plain=True)
            if self._redactor.finds_in(text):
                text = pretty_json(self._redactor.members(status))
            write_whole(in_folder(self._folder, STATUS), text, sync=False)

    def close(self) -> None:
        """Refuse further files."""
        with self._lock:
            self._is_over = True

    def _remember(self, trouble: FileError) -> None:
        """Store a disk error; after a disk error, no outcome of the stage is valid."""
        if isinstance(trouble.cause, OSError) and trouble.cause.errno not in _OF_THE_NAME:
            self.trouble = self.trouble or trouble

    def _clean(self, text: str) -> bytes:
        return self._redactor.text(text).encode()

    def _path(self, name: str) -> str:
        if self._is_over:
            raise StageOver(f"the stage is over: {name} was not written")
        if not _is_free(name):
            hint = "use a plain name, without a leading dot; status.json is reserved"
            raise UsageError(f"invalid file name {name!r}", hint=hint)
        return in_folder(self._folder, name)


def _is_free(name: str) -> bool:
    """Return whether a name is a plain file name that the engine does not use."""
    if name in ("", STATUS, HISTORY) or name.startswith(".") or "\0" in name:
        return False
    return name != ".." and "/" not in name


def in_folder(folder: Path, name: str) -> str:
    """Return the path of a file in a stage folder; the folder must be a real folder, not a link."""
    try:
        require_folder(folder)
    except OSError as cause:
        raise file_error("write into", folder, cause) from cause
    return f"{folder}/{name}"


def _capped(content: bytes, largest: int) -> bytes:
    if len(content) <= largest:
        return content
    half = largest // 2
    note = f"\n[{len(content) - 2 * half} bytes omitted]\n".encode()
    parts = (content[:half], note, content[-half:])
    return b"".join(part.decode("utf-8", "ignore").encode() for part in parts)


def _append(path: str, line: bytes, largest: int) -> bool:
    """Append a line, or a note that the file is full.

    Return whether the line was appended.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        # Non-blocking, in case a command of the stage replaced the file by a FIFO.
        file = os.open(path, flags | os.O_NONBLOCK, 0o666)
        try:
            has_room = os.fstat(file).st_size + len(line) <= largest
            write_fully(file, line if has_room else b"[full: what came after was left out]\n")
        finally:
            os.close(file)
    except OSError as cause:
        raise file_error("write", path, cause) from cause
    return has_room


TAIL = "tail.txt"
"""The name of the file with the last lines of output, in the stage folder."""

OFTEN_S = 0.5

MOST_LINES = 50

LONGEST_LINE = 4 * 1024


class OutputTail:
    """The last complete lines of an output.

    Incomplete lines are held back: a secret is only recognized as a whole.
    """

    def __init__(self) -> None:
        self._lines = deque[str](maxlen=MOST_LINES)
        self._begun = {"stdout": "", "stderr": ""}
        self._has_more = False

    def add(self, chunk: OutputChunk) -> None:
        """Add the next part of the output."""
        lines = (self._begun[chunk.stream] + chunk.text).splitlines(keepends=True)
        rest = lines.pop() if lines and not _is_whole(lines[-1]) else ""
        self._lines.extend(map(_bounded, lines))
        self._has_more = self._has_more or bool(lines)
        # Of a long line, keep only enough to know that it is too long.
        self._begun[chunk.stream] = rest[: LONGEST_LINE + 1]

    def take(self) -> str:
        """Return the last lines if there are new lines since the last call, otherwise None."""
        has_more, self._has_more = self._has_more, False
        return "".join(self._lines) if has_more else ""


@asynccontextmanager
async def write_tail(files: StageFiles, *, often_s: float = OFTEN_S) -> AsyncGenerator[OnOutput]:
    """Yield a function that accepts output, and save the last lines of the output meanwhile."""
    tail = OutputTail()
    writing = asyncio.create_task(_write_often(tail, files, often_s))
    try:
        yield tail.add
    except BaseException:
        # A canceled command leaves no other output than this file.
        _write(tail, files)
        raise
    finally:
        writing.cancel()
        await asyncio.wait([writing])


async def _write_often(tail: OutputTail, files: StageFiles, often_s: float) -> None:
    while True:
        await asyncio.sleep(often_s)
        _write(tail, files)


def _write(tail: OutputTail, files: StageFiles) -> None:
    # StageFiles has stored the error, and raises it at the end of the stage.
    with suppress(FileError):
        if text := tail.take():
            files.write(TAIL, text)


def _is_whole(line: str) -> bool:
    return line.splitlines() != [line]


def _bounded(line: str) -> str:
    is_short = len(line) <= LONGEST_LINE
    return line if is_short else f"[a line of more than {LONGEST_LINE} characters]\n"
