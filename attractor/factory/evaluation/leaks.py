"""Searches the files of a run for the canary of its suite.

Every sealed holdout carries the canary, so a canary outside of the sealed copy proves that a
holdout was read. Files are read in pieces; `SecretSearch` finds encoded and wrapped texts. Files of
gzip and zlib, and packs of git, are also searched unpacked. Git is not started on a repository that
agents could configure.
"""

import os
import stat
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from io import BufferedReader
from itertools import chain, islice
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.files import FoundEntry, file_error, open_regular, walk_tree
from attractor.base.json import JsonObject
from attractor.base.secret_search import SecretSearch
from attractor.base.toml import printable
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.run_folder.open_run import OpenRun
from attractor.factory.history.records import UNSEARCHED, leaks_of
from attractor.factory.ledger.ledger import LineKind
from attractor.factory.open_project import OpenProject
from attractor.factory.project import find_directory
from attractor.factory.resources.versions import BURNED, Ending
from attractor.records.lookup import reference_of
from attractor.records.request import read_request
from attractor.scenarios.sealed_suite import SealedSuite
from attractor.workspaces.cleanup import stored_run

MOST_PLACES = 50

_PIECE = 1 << 20
# A wrapped canary in hexadecimal digits is shorter.
_OVERLAP = 4096
# Unpacked, these bytes are at most four megabytes, also in a file made to exhaust the memory.
_PACKED_PIECE = 4096
_MOST_PER_FILE = 256 * _PIECE
_MOST_UNPACKED = 4096 * _PIECE
_PACK = b"PACK"
_OFFSET_DELTA, _REFERENCE_DELTA = 6, 7


@dataclass(frozen=True)
class SearchedFolder:
    """A folder to search, and its name in reports."""

    name: str
    root: Path


def find_leaks(canary: str, folders: Collection[SearchedFolder]) -> list[str]:
    """Return the places with a canary, plain or encoded (base64, hexadecimal), or reversed."""
    search, unpacker = SecretSearch([canary, canary[::-1]]), _Unpacker()
    return [
        # Agents choose the names, also names that are not UTF-8.
        f"{folder.name}: {printable(path)}"
        for folder in folders
        for path in sorted(_leaks_below(folder.root, search, unpacker), key=_depth_and_name)
    ]


def find_leaks_of_run(opened: OpenProject, run: OpenRun, sealed: SealedSuite | None) -> list[str]:
    """Search for the canary of a suite in all texts that the agents read or wrote.

    The texts of a run that it continues, and of runs whose work it submits, are included.
    """
    if sealed is None:
        return []
    folders = [SearchedFolder("run", run.directory.root)]
    parent, runs_dir = run.manifest.parent, opened.project.runs_dir
    while root := parent and find_directory(opened.ledger.entries(parent), runs_dir):
        folders.append(SearchedFolder(f"run {parent}", root))
        parent = read_manifest(RunDirectory(root)).parent
    submission = read_request(run.manifest).submission
    for run_id in submission.runs if submission else ():
        if root := find_directory(opened.ledger.entries(run_id), runs_dir):
            folders.append(SearchedFolder(f"run {run_id}", root))
    # A run in place works where the holdouts lie, and is not isolated anyway.
    workspace = stored_run(opened.project.machine.state_dir, run.manifest.run_id).workspace
    if workspace and workspace.is_dir():
        folders.append(SearchedFolder("workspace", workspace))
    return find_leaks(sealed.canary, folders)


def record_leaks(opened: OpenProject, run: OpenRun, leaks: Sequence[str]) -> None:
    """Record leaks, if any, and end the version of the suite: its holdouts are known."""
    if not leaks:
        return
    run_id, pinned, now = run.manifest.run_id, run.manifest.suite, run.clock.now()
    data: JsonObject = {
        "suite": pinned,
        "places": [*leaks[:MOST_PLACES]],
        "count": len(leaks),
    }
    opened.ledger.append(LineKind.LEAKED, run_id, data, now=now, once=True)
    version = opened.suites.versions.of_pin(pinned)
    ending = Ending(BURNED, now, f"run {run_id}", "a holdout leaked")
    opened.suites.versions.end(version, ending)
    run.emit("HoldoutLeaked", {"suite": pinned, "places": len(leaks)}, sync=True)
    name = reference_of(run.directory.root, opened.project.runs_dir)
    opened.project.console.tell(
        f"A holdout leaked: the canary of {version} was found in "
        f"{'1 file' if len(leaks) == 1 else f'{len(leaks)} files'}, so this version is burned. "
        f"List the files: attractor gate {name} --operator"
    )


def search_at_end(opened: OpenProject, run: OpenRun) -> dict[str, str]:
    """Search a run that ends without an evaluation, and return members of its final record."""
    if leaks_of(opened.ledger.entries(run.manifest.run_id)):
        return {}
    try:
        sealed = opened.suite(run.manifest.suite)
    except AttractorError as fault:
        opened.project.console.tell(
            f"The files of {run.manifest.run_id} were not searched for holdouts: "
            f"{fault.message} ({fault.hint or 'restore it from a backup'})."
        )
        return {UNSEARCHED: fault.message}
    record_leaks(opened, run, find_leaks_of_run(opened, run, sealed))
    return {}


def _depth_and_name(path: str) -> tuple[int, str]:
    return path.count("/"), path


def _leaks_below(root: Path, search: SecretSearch, unpacker: "_Unpacker") -> Iterator[str]:
    """Yield files, folders and links with a canary; links are not followed."""

    def refuse(error: OSError) -> None:
        raise file_error("search", root / str(error.filename), error) from error

    # An agent may have removed permissions, or nested thousands of folders.
    with closing(walk_tree(root, unlock=True, onerror=refuse)) as entries:
        for entry in entries:
            try:
                if _has_leak(search, unpacker, entry):
                    yield entry.path
            except FileNotFoundError:
                """The lock of a process that ended meanwhile."""
            except OSError as cause:
                raise file_error("search", root / entry.path, cause) from cause


def _has_leak(search: SecretSearch, unpacker: "_Unpacker", entry: FoundEntry) -> bool:
    mode = entry.status().st_mode
    if search.may_find(entry.name):
        return True
    if stat.S_ISLNK(mode):
        return search.may_find(os.readlink(entry.name, dir_fd=entry.folder))
    if not stat.S_ISREG(mode):
        return False
    if not mode & stat.S_IRUSR:
        os.chmod(entry.name, stat.S_IMODE(mode) | stat.S_IRUSR, dir_fd=entry.folder)
    with open_regular(entry.name, dir_fd=entry.folder) as file:
        texts = chain(_texts(iter(partial(file.read, _PIECE), b"")), _texts(unpacker.unpack(file)))
        return any(map(search.may_find, texts))


def _texts(pieces: Iterable[bytes]) -> Iterator[str]:
    """Join pieces to overlapping texts."""
    text = bytearray()
    for piece in pieces:
        text += piece
        if len(text) >= _PIECE:
            # The canary is ASCII, so any encoding of the bytes will do.
            yield text.decode("latin-1")
            del text[:-_OVERLAP]
    yield text.decode("latin-1")


class _Unpacker:
    """Unpacks gzip, zlib (such as loose objects of git) and packs, up to a limit."""

    def __init__(self) -> None:
        self._left = _MOST_UNPACKED
        self._end = 0

    def unpack(self, file: BufferedReader) -> Iterator[bytes]:
        """Yield the content of a packed file; of any other file, and of corrupt data, nothing."""
        self._end = max(0, self._left - _MOST_PER_FILE)
        file.seek(0)
        with suppress(zlib.error):
            yield from (self._objects if file.peek().startswith(_PACK) else self._streams)(file)

    def _streams(self, file: BufferedReader) -> Iterator[bytes]:
        while self._left > self._end and file.peek():
            yield from self._stream(file)

    def _objects(self, file: BufferedReader) -> Iterator[bytes]:
        """Yield the objects of a pack, in order (see gitformat-pack)."""
        # After the signature, the version and the number of objects.
        file.seek(12)
        while self._left > self._end and (first := file.read(1)):
            kind = first[0] >> 4 & 7
            _skip_number(file, first)
            if kind == _OFFSET_DELTA:
                _skip_number(file, file.read(1))
            elif kind == _REFERENCE_DELTA:
                file.seek(20, os.SEEK_CUR)
            is_delta = kind in (_OFFSET_DELTA, _REFERENCE_DELTA)
            yield from _inserted(self._stream(file)) if is_delta else self._stream(file)

    def _stream(self, file: BufferedReader) -> Iterator[bytes]:
        """Yield the content of the stream at the position of a file, and move to its end."""
        decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)
        while self._left > self._end and not decoder.eof and (packed := file.read(_PACKED_PIECE)):
            piece = decoder.decompress(packed)
            self._left -= len(piece)
            yield piece
        file.seek(-len(decoder.unused_data), os.SEEK_CUR)


def _skip_number(file: BufferedReader, digit: bytes) -> None:
    while digit and digit[0] & 0x80:
        digit = file.read(1)


def _inserted(delta: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the texts that a delta inserts: git splits longer texts after 127 bytes."""
    data = chain.from_iterable(delta)
    for _ in ("size before", "size after"):
        while next(data, 0) & 0x80:
            pass
    for instruction in data:
        if instruction & 0x80:
            # A copy: each of its bits stands for one byte of offset or length.
            bytes(islice(data, (instruction & 0x7F).bit_count()))
        else:
            yield bytes(islice(data, instruction))
