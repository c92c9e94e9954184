"""Stores bytes under their hash in a run directory: each content once, never changed."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

from attractor.base.errors import FileError, VerificationError
from attractor.base.files import file_error, remove_abandoned_files, sync_folder, write_whole
from attractor.base.json import content_hash

FILE_BACKING_THRESHOLD = 100 * 1024
"""The size in bytes of JSON above which a value is stored in a file (attractor-spec 5.5)."""


ARTIFACTS = "artifacts"
"""The folder of blobs in a run directory."""


class Blobs:
    """The bytes of one run by hash; without a folder, they are kept in memory.

    Bytes are on the disk before their hash is returned. `trouble` is the first error of the disk:
    no outcome of a stage is valid then.
    """

    def __init__(self, run: Path | None = None) -> None:
        self.folder = run / ARTIFACTS if run else None
        self.trouble: FileError | VerificationError | None = None
        self._in_memory: dict[str, bytes] = {}
        self._durable: set[str] = set()
        self._lock = RLock()

    def put(self, content: bytes) -> str:
        """Store bytes, and return their hash."""
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
        """Return the bytes of a hash; missing or changed bytes are an error."""
        if self.folder is None:
            return self._in_memory[digest]
        with self.remembering():
            return _read(_file(self.folder, digest), digest)

    def count(self) -> int:
        """Return the number of blobs."""
        if self.folder is None:
            return len(self._in_memory)
        return len(list(self.folder.glob("*.json"))) if self.folder.is_dir() else 0

    def sweep(self) -> None:
        """Remove incomplete files of a process that was killed."""
        if self.folder is not None and self.folder.is_dir():
            remove_abandoned_files(self.folder)

    @contextmanager
    def remembering(self) -> Generator[None]:
        """Remember an error of the disk."""
        try:
            yield
        except (FileError, VerificationError) as trouble:
            self.trouble = self.trouble or trouble
            raise


def share_blobs(source: Path, target: Path) -> None:
    """Share the blobs and artifacts of one run directory with another.

    Files are hard-linked where possible: their content never changes in place.
    """
    if not source.is_dir():
        return
    make_folder(target)
    try:
        for file in sorted(source.iterdir()):
            if file.is_dir():
                share_blobs(file, target / file.name)
            elif file.suffix == ".json":
                _link(file, target / file.name)
    except OSError as cause:
        raise file_error("share", source, cause) from cause
    sync_folder(target)


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except FileExistsError:
        return
    except OSError:
        # Another disk, or one without hard links.
        write_whole(target, source.read_bytes())


def make_folder(folder: Path) -> None:
    """Make a folder that survives a power failure, unless it exists."""
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
    # A process that was killed may have written the file before its name was durable.
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
            f"{file} does not match its hash",
            hint="restore it from a copy: the run cannot continue without it",
        )
    return content


def _file(folder: Path, digest: str) -> Path:
    return folder / f"{digest}.json"
