"""A fleet as a process sees it: its rows, and the blobs of its universes."""

import os
import re
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError, VerificationError
from attractor.base.files import make_private_folder
from attractor.config.settings import Settings
from attractor.fleet.database.database import Database, open_database
from attractor.fleet.database.queue import Queue
from attractor.fleet.database.table import SqlTable
from attractor.fleet.database.tails import Tails
from attractor.fleet.decisions import HOLDER
from attractor.fleet.records import EVALUATE, HOME, area_of
from attractor.fleet.seams import Blobs
from attractor.fleet.store.blobs import ANY, FolderBlobs, open_folder
from attractor.fleet.store.heads import sweep_blobs

if TYPE_CHECKING:
    from attractor.fleet.store.bucket_blobs import BucketBlobs

FOLDER = "fleet"
"""The folder of the state folder with what belongs to a fleet of this machine."""

_UNIVERSE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

KEEP_BLOBS_S = 7 * 24 * 3600.0
"""Blobs that no head reaches are kept so long: a commit may be about to name them."""


@dataclass(frozen=True)
class Addresses:
    """Where the rows and the blobs of a fleet are.

    `sealed` is the store of sealed suites, for the server and for workers that evaluate.
    """

    database: str
    store: str
    sealed: str = ""

    @classmethod
    def of_settings(cls, settings: Settings) -> "Addresses":
        """Return the addresses that the settings of a machine name."""
        fleet = settings.fleet
        url = fleet.url.get_secret_value()
        return cls.of(settings.state_dir, url, fleet.store, fleet.sealed_store)

    @classmethod
    def of(cls, state: Path, database: str = "", store: str = "", sealed: str = "") -> "Addresses":
        """Return the addresses; without any, those of a fleet of this machine only."""
        folder = (state / FOLDER).absolute()
        file = folder / "fleet.sqlite"
        if not database or not store:
            make_private_folder(folder)
        if not database:
            # SQLite gives its other files the permissions of this one.
            file.touch(mode=0o600)
        store = store or str(folder / "store")
        if f"{sealed}/".startswith(f"{store.rstrip('/')}/"):
            hint = "name another one: all workers read the files in fleet.store"
            raise UsageError("fleet.sealed_store is in fleet.store", hint=hint)
        return cls(database or f"sqlite:///{file}", store, sealed)


async def open_blobs(
    url: str, environ: Mapping[str, str], *, universe: str = HOME, known: str = ""
) -> "FolderBlobs | BucketBlobs":
    """Open the area of a universe in a store: a folder, `file:///folder` or `s3://bucket/prefix`.

    A bucket is reached with the variables `AWS_*` of `environ`. An empty store gets a marker,
    unless the id of the store is `known`: then the store is not there, such as an unmounted disk.
    With `ANY`, it may have any id, but must be there.
    """
    if not _UNIVERSE.fullmatch(universe):
        raise UsageError(f"invalid name {universe!r} of a universe")
    scheme, colon, _ = url.partition("://")
    if not colon:
        return await open_folder(Path(url), universe, known)
    if scheme == "file":
        parts = urlsplit(url)
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise UsageError(f"invalid store {url!r}", hint="write file:///folder")
        return await open_folder(Path(unquote(parts.path)), universe, known)
    if scheme == "s3":
        # Loaded late: obstore belongs to an extra, and only a bucket needs it.
        from attractor.fleet.store.bucket_blobs import open_bucket

        return await open_bucket(url, environ, universe, known)
    hint = "use a folder, file:///folder or s3://bucket/prefix"
    raise UsageError(f"unknown kind {scheme!r} of store in {url!r}", hint=hint)


class Fleet:
    """The open rows and blobs of a fleet."""

    def __init__(
        self, addresses: Addresses, database: Database, environ: Mapping[str, str]
    ) -> None:
        self.addresses = addresses
        self.database = database
        self.table = SqlTable(database, Queue(database))
        self.tails = Tails(database)
        self._environ = environ
        self._blobs: dict[str, Blobs] = {}

    @property
    def holder(self) -> str:
        """The name by which this process owns runs that it changes."""
        return f"{HOLDER}{process_name()}"

    async def blobs_of(self, area: str) -> Blobs:
        """Return the blobs of an area: of a universe, or of the evaluations in one."""
        if area not in self._blobs:
            sealed, _, universe = area.rpartition("/")
            self._blobs[area] = await (self._sealed if sealed else self._stored)(universe)
        return self._blobs[area]

    async def _stored(self, universe: str) -> Blobs:
        known = await self.database.store_id()
        where = self.addresses.store, self._environ
        opened = await open_blobs(*where, universe=universe, known=known)
        if not known and opened.store_id != await self.database.store_id(opened.store_id):
            # Another process made another store at the same time.
            return await self._stored(universe)
        return opened

    async def _sealed(self, universe: str) -> Blobs:
        if not self.addresses.sealed:
            raise UsageError(
                "the store of sealed suites is not known here",
                hint="set fleet.sealed_store, as for the server",
            )
        # It is made with the first evaluation, by no worker. Later, an empty one is not the store:
        # perhaps a disk is not mounted.
        has_rows = await self.table.runs(pool=EVALUATE, limit=1)
        known = ANY if self.database.token or has_rows else ""
        where = self.addresses.sealed, self._environ
        return await open_blobs(*where, universe=universe, known=known)

    async def remove_old_blobs(self) -> None:
        """Remove from the store what none of the last heads of the runs reaches."""
        universes = {tenant.universe for tenant in await self.table.tenants()}
        pools = ("", EVALUATE) if self.addresses.sealed else ("",)
        heads = {area_of(name, pool): list[str]() for name in universes for pool in pools}
        for run in await self.table.runs():
            if run.area in heads:
                heads[run.area].append(run.head)
        earlier = await self.table.last_heads(KEEP_BLOBS_S)
        damage: VerificationError | None = None
        for area, reached in heads.items():
            before = [head for its_area, head in earlier if its_area == area]
            try:
                await sweep_blobs(await self.blobs_of(area), reached, KEEP_BLOBS_S, before)
            except VerificationError as error:
                # The blobs of other universes are removed.
                damage = damage or error
        if damage:
            raise damage


@asynccontextmanager
async def open_fleet(
    addresses: Addresses, environ: Mapping[str, str], token: str = ""
) -> AsyncGenerator[Fleet, None]:
    """Open a fleet during a block, as the worker that has a token."""
    database = await open_database(addresses.database, token)
    try:
        yield Fleet(addresses, database, environ)
    finally:
        database.close()


def process_name() -> str:
    """Return a name of this process for people."""
    return f"{socket.gethostname()}-{os.getpid()}"
