"""Stores bytes under their hash in a run directory: each content once, never changed."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

from attractor.base.errors import FileError, VerificationError
from attractor.base.files import file_error, remove_abandoned_files, sync_folder, write_whole
from attractor.base.json import content_hash

FILE_BACKING_THRESHOLD = 100 * 1024
"""What is larger, in bytes of its JSON, lies in a file of its own (attractor-spec 5.5)."""


ARTIFACTS = "artifacts"
"""The folder of a run directory that holds them."""


class Blobs:
    """The bytes of one run, by hash; without a folder they are kept in memory.

    `trouble` is what the disk refused first: then no outcome of a stage may stand.
    """

    def __init__(self, run: Path | None = None) -> None:
        self.folder = run / ARTIFACTS if run else None
        self.trouble: FileError | VerificationError | None = None
        self._in_memory: dict[str, bytes] = {}
        self._durable: set[str] = set()
        self._lock = RLock()

    def put(self, content: bytes) -> str:
        """Keep some bytes for good, and return their hash."""
        digest = content_hash(content)
        if self.folder is None:
            self._in_memory[digest] = content
            return digest
        with self._lock, self.remembering():
            if digest not in self._durable:
                _keep(self.folder, digest, content)
                self._durable.add(digest)
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bytes of a hash, or tell that they are gone or were changed."""
        if self.folder is None:
            return self._in_memory[digest]
        with self.remembering():
            return _read(_file(self.folder, digest), digest)

    def count(self) -> int:
        """Return how many there are."""
        if self.folder is None:
            return len(self._in_memory)
        return len(list(self.folder.glob("*.json"))) if self.folder.is_dir() else 0

    def sweep(self) -> None:
        """Remove what a writer that was killed left half-written."""
        if self.folder is not None and self.folder.is_dir():
            remove_abandoned_files(self.folder)

    @contextmanager
    def remembering(self) -> Generator[None]:
        """Remember what the disk refuses within."""
        try:
            yield
        except (FileError, VerificationError) as trouble:
            self.trouble = self.trouble or trouble
            raise


def share(theirs: Path, ours: Path) -> None:
    """Give another run directory all that one keeps there, named artifacts too.

    Files are linked where that can be done: what they hold is never changed in place.
    """
    if not theirs.is_dir():
        return
    make_folder(ours)
    try:
        for file in sorted(theirs.iterdir()):
            if file.is_dir():
                share(file, ours / file.name)
            elif file.suffix == ".json":
                _link(file, ours / file.name)
    except OSError as cause:
        raise file_error("share", theirs, cause) from cause
    sync_folder(ours)


def _link(theirs: Path, ours: Path) -> None:
    try:
        ours.hardlink_to(theirs)
    except FileExistsError:
        return
    except OSError:
        # Another disk, or one without links.
        write_whole(ours, theirs.read_bytes())


def make_folder(folder: Path) -> None:
    """Make a folder that lasts through a power failure, unless it is there."""
    try:
        folder.mkdir()
    except FileExistsError:
        return
    except OSError as cause:
        raise file_error("make", folder, cause) from cause
    sync_folder(folder.parent)


def _keep(folder: Path, digest: str, content: bytes) -> None:
    make_folder(folder)
    file = _file(folder, digest)
    if not _is_there(file, content):
        write_whole(file, content)
        return
    # It may have been put there by a process that was killed before its name was durable.
    sync_folder(folder)


def _is_there(file: Path, content: bytes) -> bool:
    try:
        return file.stat().st_size == len(content) and file.read_bytes() == content
    except OSError:
        return False


def _read(file: Path, digest: str) -> bytes:
    try:
        content = file.read_bytes()
    except OSError as cause:
        raise file_error("read", file, cause) from cause
    if content_hash(content) != digest:
        raise VerificationError(
            f"{file} is not what the journal knows",
            hint="bring it back from a copy: the run cannot go on without it",
        )
    return content


def _file(folder: Path, digest: str) -> Path:
    return folder / f"{digest}.json"
