"""The one way to write into the folder of an attempt: redacted, capped, whole.

Keeps the last lines of what a command prints in a file, while the command is at work.

Whoever looks on reads the file; nothing of it stands in the journal. It is written now and then,
so a command that is over soon costs nothing.
"""

import asyncio
import errno
import os
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from threading import Lock

from attractor.base.errors import FileTrouble, UsageError
from attractor.base.files import file_trouble, write_fully, write_whole
from attractor.base.json import JsonObject
from attractor.base.process_output import Chunk, OnOutput
from attractor.engine.errors import StageOver
from attractor.engine.interfaces import StageFiles
from attractor.engine.json_files import pretty_json
from attractor.engine.secrets import Redactor
from attractor.engine.stage.execution import HISTORY, STATUS, require_folder

LARGEST_FILE = 4 << 20
# What a handler brings about by the name it chose, and not the disk.
_OF_THE_NAME = frozenset({errno.ENAMETOOLONG, errno.EISDIR, errno.ELOOP, errno.EINVAL})


class FolderFiles:
    """Writes files of one attempt: redacted, capped, whole, and never through a link.

    `trouble` is what the disk refused first, if anything.
    """

    def __init__(
        self,
        folder: Path,
        redactor: Redactor,
        *,
        largest: int = LARGEST_FILE,
        heard: Callable[[], None] = lambda: None,
    ) -> None:
        self._heard = heard
        self._folder = folder
        self._redactor = redactor
        self._largest = largest
        self._lock = Lock()
        self._full: set[str] = set()
        self._is_over = False
        self.trouble: FileTrouble | None = None

    def write(self, name: str, text: str) -> None:
        """Write a file whole; of a text that is too long the middle is left out."""
        self._heard()
        with self._lock:
            try:
                path = self._path(name)
                self._full.discard(name)
                write_whole(path, _capped(self._clean(text), self._largest), sync=False)
            except FileTrouble as trouble:
                self._remember(trouble)
                raise

    def append(self, name: str, line: str) -> None:
        """Add a line to a file, until the file is full."""
        self._heard()
        with self._lock:
            try:
                path = self._path(name)
                whole = self._clean(line) + b"\n"
                if name not in self._full and not _append(path, whole, self._largest):
                    self._full.add(name)
            except FileTrouble as trouble:
                self._remember(trouble)
                raise

    def finish(self, status: JsonObject) -> None:
        """Write status.json, which is plain JSON, and take nothing more."""
        with self._lock:
            self._is_over = True
            text = pretty_json(status, is_plain=True)
            if self._redactor.finds_in(text):
                text = pretty_json(self._redactor.members(status))
            write_whole(in_folder(self._folder, STATUS), text, sync=False)

    def close(self) -> None:
        """Take nothing more."""
        with self._lock:
            self._is_over = True

    def _remember(self, trouble: FileTrouble) -> None:
        """Remember that the disk refused: then no outcome of the stage may stand."""
        if isinstance(trouble.cause, OSError) and trouble.cause.errno not in _OF_THE_NAME:
            self.trouble = self.trouble or trouble

    def _clean(self, text: str) -> bytes:
        return self._redactor.text(text).encode()

    def _path(self, name: str) -> str:
        if self._is_over:
            raise StageOver(f"the stage is over: {name} was not written")
        if not _is_free(name):
            hint = "a plain file name, not hidden; status.json is the engine's"
            raise UsageError(f"a stage cannot write a file {name!r}", hint=hint)
        return in_folder(self._folder, name)


def _is_free(name: str) -> bool:
    """Tell whether a name is a plain one, and not one of the engine's."""
    if name in ("", STATUS, HISTORY) or name.startswith(".") or "\0" in name:
        return False
    return name != ".." and "/" not in name


def in_folder(folder: Path, name: str) -> str:
    """Return the place of a file in a stage's folder, which must be a folder of its own."""
    try:
        require_folder(folder)
    except OSError as cause:
        raise file_trouble("write into", folder, cause) from cause
    return f"{folder}/{name}"


def _capped(content: bytes, largest: int) -> bytes:
    if len(content) <= largest:
        return content
    half = largest // 2
    note = f"\n[{len(content) - 2 * half} bytes left out]\n".encode()
    parts = (content[:half], note, content[-half:])
    return b"".join(part.decode("utf-8", "ignore").encode() for part in parts)


def _append(path: str, line: bytes, largest: int) -> bool:
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


TAIL = "tail.txt"
"""The file in the stage's folder."""

OFTEN_S = 0.5
MOST_LINES = 50
LONGEST_LINE = 4 * 1024


class OutputTail:
    """The last whole lines of an output.

    A secret is only known when it is whole, and so half a line is not kept: what is written is
    looked through line by line, however the output came in pieces.
    """

    def __init__(self) -> None:
        self._lines = deque[str](maxlen=MOST_LINES)
        self._begun = {"stdout": "", "stderr": ""}
        self._has_more = False

    def add(self, chunk: Chunk) -> None:
        """Take the next piece of one of the streams."""
        lines = (self._begun[chunk.stream] + chunk.text).splitlines(keepends=True)
        rest = lines.pop() if lines and not _is_whole(lines[-1]) else ""
        self._lines.extend(map(_bounded, lines))
        self._has_more = self._has_more or bool(lines)
        # Of a line that is too long only so much is kept that it is seen to be too long.
        self._begun[chunk.stream] = rest[: LONGEST_LINE + 1]

    def take(self) -> str:
        """Return the lines, if there are new ones since they were taken last."""
        has_more, self._has_more = self._has_more, False
        return "".join(self._lines) if has_more else ""


@asynccontextmanager
async def tail_in(files: StageFiles, *, often_s: float = OFTEN_S) -> AsyncGenerator[OnOutput]:
    """Yield what takes an output whose last lines are to be in a file as long as this lasts."""
    tail = OutputTail()
    writing = asyncio.create_task(_write_often(tail, files, often_s))
    try:
        yield tail.add
    except BaseException:
        # Who was cut off leaves no other output.
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
    # Whoever keeps the files remembers that the disk refused, and tells it when the stage is over.
    with suppress(FileTrouble):
        if text := tail.take():
            files.write(TAIL, text)


def _is_whole(line: str) -> bool:
    return line.splitlines() != [line]


def _bounded(line: str) -> str:
    is_short = len(line) <= LONGEST_LINE
    return line if is_short else f"[a line of more than {LONGEST_LINE} characters]\n"
