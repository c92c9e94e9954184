"""Stores artifacts and large context values of a run as files."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import RLock

from attractor.base.clock import Clock, SystemClock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import FileError, UnknownName, VerificationError
from attractor.base.files import (
    file_error,
    read_file,
    read_regular,
    remove_abandoned_files,
    remove_file,
    sync_folder,
    write_whole,
)
from attractor.base.json import Json, canonical_json, content_hash, parse_json
from attractor.base.records import write_fields
from attractor.engine.storage.json_files import read_document, write_document
from attractor.engine.storage.secrets import Redactor
from attractor.language.graph.graph import folder_name

FILE_BACKING_THRESHOLD = 100 * 1024
"""The size of JSON in bytes above which a value is stored in a file (attractor-spec 5.5)."""

ARTIFACTS = "artifacts"
"""The folder of blobs in a run directory."""


class Blobs:
    """The blobs of one run: bytes, by their hash.

    `put` returns when the bytes are on the disk. Without a folder, blobs are kept in memory.
    `trouble` is the first disk error; after a disk error, no outcome of a stage is valid.
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
        """Return the bytes with a hash; raise RecordBroken if the bytes are missing or changed."""
        if self.folder is None:
            return self._in_memory[digest]
        with self.remembering():
            file = _file(self.folder, digest)
            content = read_file(file)
            if content_hash(content) != digest:
                raise VerificationError(
                    f"{file} does not match its hash",
                    hint="restore it from a copy: the run cannot continue without it",
                )
            return content

    def count(self) -> int:
        """Return the number of blobs."""
        if self.folder is None:
            return len(self._in_memory)
        return len(list(self.folder.glob("*.json"))) if self.folder.is_dir() else 0

    def sweep(self) -> None:
        """Remove incomplete files that a killed process left."""
        if self.folder is not None and self.folder.is_dir():
            remove_abandoned_files(self.folder)

    @contextmanager
    def remembering(self) -> Generator[None]:
        """Store the first disk error of the block, and raise it again."""
        try:
            yield
        except (FileError, VerificationError) as trouble:
            self.trouble = self.trouble or trouble
            raise


def share_blobs(source: Path, target: Path) -> None:
    """Share the blobs and artifacts of one run directory with another.

    Files are hard-linked where possible, because their content never changes in place.
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
        # Links are impossible between two disks, and on some file systems.
        write_whole(target, read_regular(source))


def make_folder(folder: Path) -> None:
    """Make a folder, durable after a power failure, unless it exists."""
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
    # A process may have been killed after writing the file, before its name was durable.
    sync_folder(folder)


def _is_there(file: Path, content: bytes) -> bool:
    try:
        return file.stat().st_size == len(content) and read_regular(file) == content
    except OSError:
        return False


def _file(folder: Path, digest: str) -> Path:
    return folder / f"{digest}.json"


_NAMED = "named"

_CLOCK = SystemClock()

_NO_SECRETS = Redactor()


@dataclass(frozen=True)
class ArtifactInfo:
    """The description of an artifact."""

    id: str
    name: str
    size_bytes: int
    stored_at: datetime
    is_file_backed: bool


@dataclass(frozen=True)
class _Entry:
    """An artifact in memory: the JSON text, or the hash of the blob that contains the JSON text."""

    info: ArtifactInfo
    text: str = ""
    hash: str = ""


class ArtifactStore:
    """The artifacts of a run by id; safe for threads.

    A large artifact is a file named after the hash of its content, so equal content is stored once.
    Without a run directory, all artifacts are kept in memory.
    """

    def __init__(
        self,
        blobs: Blobs | None = None,
        *,
        clock: Clock = _CLOCK,
        redactor: Redactor = _NO_SECRETS,
    ) -> None:
        self._blobs = blobs or Blobs()
        self._clock = clock
        self._redactor = redactor
        self._lock = RLock()
        self._entries: dict[str, _Entry] | None = None

    def store(self, artifact_id: str, name: str, data: Json) -> ArtifactInfo:
        """Store a value under an id, in place of any earlier value."""
        text = canonical_json(self._redactor.json(data))
        size = len(text.encode())
        is_large = size > FILE_BACKING_THRESHOLD and self._blobs.folder is not None
        info = ArtifactInfo(artifact_id, name, size, self._clock.now(), is_large)
        with self._lock:
            known = self._known()
            # The blob is on the disk before a record refers to its hash.
            digest = self._blobs.put(text.encode()) if is_large else ""
            entry = _Entry(info, "" if is_large else text, digest)
            self._write(entry)
            known.pop(artifact_id, None)
            known[artifact_id] = entry
        return info

    def retrieve(self, artifact_id: str) -> Json:
        """Return the value of an artifact."""
        with self._lock:
            known = self._known()
            if artifact_id not in known:
                raise UnknownName("artifact", artifact_id, known)
            entry = known[artifact_id]
        return parse_json(self._blobs.get(entry.hash) if entry.hash else entry.text)

    def has(self, artifact_id: str) -> bool:
        """Return whether an artifact exists."""
        with self._lock:
            return artifact_id in self._known()

    def list(self) -> tuple[ArtifactInfo, ...]:
        """Return the descriptions of all artifacts, the newest last."""
        with self._lock:
            return tuple(entry.info for entry in self._known().values())

    def remove(self, artifact_id: str) -> None:
        """Remove an artifact, if it exists; the blob stays, because a journal may refer to it."""
        with self._lock:
            if self._known().pop(artifact_id, None) and (folder := self._folder):
                with self._blobs.remembering():
                    file = folder / _file_name(artifact_id)
                    remove_file(file)
                    sync_folder(file.parent)

    def clear(self) -> None:
        """Remove all artifacts."""
        for info in self.list():
            self.remove(info.id)

    @property
    def _folder(self) -> Path | None:
        return self._blobs.folder / _NAMED if self._blobs.folder else None

    def _known(self) -> dict[str, _Entry]:
        """Return all artifacts; artifacts of an earlier process are read on first use."""
        if self._entries is None:
            folder = self._folder if self._folder and self._folder.is_dir() else None
            found = [_read_entry(file) for file in folder.glob("*.json")] if folder else []
            found.sort(key=lambda entry: (entry.info.stored_at, entry.info.id))
            self._entries = {entry.info.id: entry for entry in found}
        return self._entries

    def _write(self, entry: _Entry) -> None:
        if self._folder is None or self._blobs.folder is None:
            return
        record: dict[str, Json] = {
            **write_fields(entry.info),
            "hash": entry.hash,
            "text": entry.text,
        }
        with self._blobs.remembering():
            make_folder(self._blobs.folder)
            make_folder(self._folder)
            write_document(self._folder / _file_name(entry.info.id), record)


def _read_entry(file: Path) -> _Entry:
    fields = read_document(file)
    return _Entry(fields.whole(ArtifactInfo), fields.text("text"), fields.text("hash"))


def _file_name(artifact_id: str) -> str:
    """Return a file name for an id, unique even on a disk that ignores upper and lower case."""
    plain = folder_name(artifact_id)
    digest = content_hash(artifact_id.encode("utf-8", "surrogatepass"))[:8]
    return f"{plain}.json" if plain == plain.lower() else f"{plain.lower()}~{digest}.json"
