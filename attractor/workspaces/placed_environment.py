"""The environment of a workspace whose commands run in a place, such as another machine over SSH.

The folder here stays the workspace: snapshots, diffs and results are made of it. At the start of a
stage the place gets the files that changed here, at its end the folder here gets those that changed
there. No Git runs there, and no Git here reads a configuration of there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, TypeVar

from attractor.base.errors import AttractorError
from attractor.environments.errors import FileMissing, FileUnusable, PlaceRefused, RemoteLost
from attractor.environments.remote import RemoteExecutionEnvironment
from attractor.environments.wrappers import EnvironmentWrapper
from attractor.workspaces.git.files import in_thread, remove_files, write_files
from attractor.workspaces.place_files import (
    MOST_LISTED,
    Brought,
    Exchange,
    Exchanged,
    ExchangeRecord,
    Files,
    ReceivedArchive,
    folders_above,
    in_batches,
    list_folder,
    pack_files,
    parse_listing,
    state_of,
    to_bring,
    to_send,
)
from attractor.workspaces.snapshot import SnapshotRules

_PATIENCE_S = 1800
_PAUSES_S = (1.0, 4.0)
_ATTEMPTS = 3
# With fewer files, sending some of them again is faster than waiting until their times are past.
_MANY = 100
_UNTIL_PAST_S = 4
_NAMES = 5000
_BATCH_BYTES = 256 << 20


class PlacedFolder:
    """A folder here and its copy in a place; `record` is the file that knows both.

    With `keeps`, what an interrupted stage changed in the place is brought back before the next
    one; otherwise the files here replace it.
    """

    def __init__(self, folder: Path, record: Path) -> None:
        self._folder = folder
        self._file = record
        self._lock = asyncio.Lock()
        self._users = 0
        self.rules: SnapshotRules | None = None
        self.keeps = False

    async def open(self, place: RemoteExecutionEnvironment) -> None:
        """Make the files in the place equal to those here, for the first of its users."""
        async with self._lock:
            if self._users == 0:
                await place.end_earlier()
                await _explained(self._send(place))
            self._users += 1

    async def close(self, place: RemoteExecutionEnvironment) -> None:
        """Bring the changes back for a user that ends."""
        async with self._lock:
            self._users -= 1
            await _explained(self._bring(place, is_open=self._users > 0))

    async def bring_back(self, place: RemoteExecutionEnvironment) -> None:
        """Bring the changes back while a stage works."""
        async with self._lock:
            await _explained(self._bring(place, is_open=True))

    @property
    def _rules(self) -> SnapshotRules:
        assert self.rules, "a workspace says which files are its own"
        return self.rules

    async def _send(self, place: RemoteExecutionEnvironment) -> None:
        record = await in_thread(partial(ExchangeRecord.read, self._file, place.copy_id))
        if record.is_open and self.keeps:
            await self._bring(place, is_open=True)
            record = await in_thread(partial(ExchangeRecord.read, self._file, place.copy_id))
        here = await in_thread(partial(list_folder, self._folder))
        there = await _list(place)
        difference = to_send(here, there, record, self._rules)
        difference.require_small(here, "here")
        await _remove(place, difference)
        for batch in in_batches(difference.write, here):
            packed = await in_thread(partial(pack_files, self._folder, batch, here))
            await _call(place, "unpack", packed)
        if difference.write:
            if len(difference.write) > _MANY:
                await asyncio.sleep(_UNTIL_PAST_S)
            there = await _list(place)
        for path in difference.write:
            if path not in there:
                raise FileMissing(f"{path!r} was sent and is not there")
        files = {path: Exchanged(here[path], there[path]) for path in here if path in there}
        await in_thread(partial(ExchangeRecord(files, True, place.copy_id).write, self._file))

    async def _bring(self, place: RemoteExecutionEnvironment, *, is_open: bool) -> None:
        record = await in_thread(partial(ExchangeRecord.read, self._file, place.copy_id))
        files = await _retried(lambda: self._bring_once(place, record))
        await in_thread(partial(ExchangeRecord(files, is_open, place.copy_id).write, self._file))

    async def _bring_once(
        self, place: RemoteExecutionEnvironment, record: ExchangeRecord
    ) -> Mapping[bytes, Exchanged]:
        there = await _list(place)
        difference = to_bring(there, record, self._rules)
        difference.require_small(there, "in the place")
        brought: dict[bytes, Brought] = {}
        with ExitStack() as stack:
            for batch in in_batches(difference.write, there, most_bytes=_BATCH_BYTES):
                file = stack.enter_context(TemporaryFile(dir=self._file.parent))
                await _receive(place, batch, there, file)
                archive = ReceivedArchive(file, frozenset(batch))
                brought.update(await in_thread(lambda archive=archive: archive.files))
            # Nothing here was changed until now.
            await in_thread(partial(remove_files, self._folder, difference.remove))
            states = await in_thread(
                partial(
                    write_files,
                    self._folder,
                    [(path, one.entry) for path, one in brought.items()],
                    {},
                    _contents(brought),
                )
            )
        kept = {
            path: known
            for path, known in record.files.items()
            if path not in difference.remove and path not in brought
        }
        new = {path: Exchanged(state_of(here), there[path]) for path, here in states.items()}
        return {**kept, **new}


def _contents(brought: Mapping[bytes, Brought]) -> Iterator[bytes]:
    return (one.read() for one in brought.values())


def _names(paths: Sequence[bytes]) -> bytes:
    return b"".join(b"./%s\0" % path for path in paths)


async def _call(
    place: RemoteExecutionEnvironment,
    function: str,
    stdin: bytes,
    take: Callable[[bytes], object] | None = None,
) -> None:
    words = (function, str(len(stdin)))
    await place.call(*words, stdin=stdin, take=take, seconds=_PATIENCE_S)


async def _remove(place: RemoteExecutionEnvironment, difference: Exchange) -> None:
    """Remove files, and the folders that are empty then, which a repeated stage must not find."""
    for at in range(0, len(difference.remove), _NAMES):
        await _call(place, "remove_paths", _names(difference.remove[at : at + _NAMES]))
    gone = {*difference.remove} - {*difference.write}
    if above := {folder for path in gone for folder in folders_above(path)}:
        await _call(place, "remove_empty", _names(sorted(above, reverse=True)))


async def _list(place: RemoteExecutionEnvironment) -> Files:
    said = bytearray()

    def take(piece: bytes) -> None:
        said.extend(piece)
        if len(said) > MOST_LISTED:
            raise PlaceRefused("the list of files of the place is too long")

    async def ask() -> None:
        said.clear()
        await place.call("list_tree", take=take, seconds=_PATIENCE_S)

    await _retried(ask)
    return await in_thread(partial(parse_listing, bytes(said)))


async def _receive(
    place: RemoteExecutionEnvironment, paths: Sequence[bytes], there: Files, file: BinaryIO
) -> None:
    """Write archives of files of the place into a file here."""
    # Files may grow meanwhile, and each has some headers.
    left = 2 * sum(there[path].size for path in paths) + (len(paths) + 100) * 16_384

    def take(piece: bytes) -> None:
        nonlocal left
        left -= len(piece)
        if left < 0:
            raise PlaceRefused("the place sends more than it listed")
        file.write(piece)

    await _call(place, "pack", _names(paths), take)


_Result = TypeVar("_Result")


async def _retried(work: Callable[[], Awaitable[_Result]]) -> _Result:
    """Return the result of work that fails if files change or vanish meanwhile."""
    for _ in range(_ATTEMPTS - 1):
        with suppress(FileUnusable):
            return await work()
    return await work()


async def _explained(work: Awaitable[None]) -> None:
    """Await an exchange; an impossible one fails the stage, with the reason of the place."""
    try:
        await work
    except FileUnusable as cause:
        hint = "free disk space there" if "No space" in cause.message else cause.hint
        raise PlaceRefused(f"files were not exchanged: {cause.message}", hint=hint) from cause


class PlacedEnvironment(EnvironmentWrapper):
    """The environment of a folder whose stages work in a place.

    `title` is its working directory before it is connected.
    """

    def __init__(self, inner: RemoteExecutionEnvironment, folder: PlacedFolder, title: str) -> None:
        super().__init__(inner)
        self._place = inner
        self._folder = folder
        self._title = title
        self._is_open = False

    def follow(self, rules: SnapshotRules, *, keeps: bool) -> None:
        """Exchange the files that these rules name."""
        self._folder.rules, self._folder.keeps = rules, keeps

    def add_variables(self, variables: Mapping[str, str]) -> None:
        """Give commands these variables."""
        self._variables.update(variables)

    async def initialize(self) -> None:
        """Connect, and send the files."""
        if self._is_open:
            return
        try:
            await self._connect()
            try:
                await self._folder.open(self._place)
            except BaseException:
                with suppress(AttractorError):
                    await self._place.cleanup()
                raise
        except RemoteLost as cause:
            name = self._title.partition(":")[0]
            raise RemoteLost(f"the place {name}: {cause.message}", hint=cause.hint) from cause
        self._is_open = True

    async def cleanup(self) -> None:
        """End all processes in the place, bring the files back, and disconnect."""
        if not self._is_open:
            return
        self._is_open = False
        task = asyncio.current_task()
        try:
            try:
                await self._place.end_processes()
            finally:
                await self._folder.close(self._place)
        except AttractorError:
            # A stage that is canceled stays canceled.
            if task is None or not task.cancelling():
                raise
        finally:
            with suppress(RemoteLost):
                await self._place.cleanup()

    async def release(self) -> None:
        """Remove what the place keeps for later stages."""
        await self._place.release()

    async def bring_back(self) -> None:
        """Bring the files back while a stage works, for a snapshot."""
        if self._is_open:
            await self._folder.bring_back(self._place)

    def working_directory(self) -> str:
        """Return the folder in the place."""
        return self._place.working_directory() if self._is_open else self._title

    def platform(self) -> str:
        """Return the operating system of the place."""
        return self._place.platform() if self._is_open else "linux"

    def os_version(self) -> str:
        """Return the release of the operating system of the place."""
        return self._place.os_version() if self._is_open else ""

    async def _connect(self) -> None:
        """Connect, and try again if the network is gone for a moment."""
        for pause in (*_PAUSES_S, None):
            try:
                await self._place.initialize()
                return
            except RemoteLost:
                if pause is None:
                    raise
                await asyncio.sleep(pause)
