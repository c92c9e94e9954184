"""A fleet as a process sees it: its rows, and the blobs of its universes."""

import os
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import VerificationError
from attractor.base.files import make_private_folder
from attractor.fleet.database.database import Database, open_database
from attractor.fleet.database.queue import Queue
from attractor.fleet.database.table import SqlTable
from attractor.fleet.database.tails import Tails
from attractor.fleet.seams import Blobs
from attractor.fleet.store.blobs import open_blobs
from attractor.fleet.store.heads import sweep_blobs

FOLDER = "fleet"
"""The folder of the state folder with what belongs to a fleet of this machine."""

KEEP_BLOBS_S = 7 * 24 * 3600.0
"""Blobs that no head reaches are kept so long: a commit may be about to name them."""


@dataclass(frozen=True)
class Addresses:
    """Where the rows and the blobs of a fleet are."""

    database: str
    store: str

    @classmethod
    def of(cls, state: Path, database: str = "", store: str = "") -> "Addresses":
        """Return the addresses; without any, those of a fleet of this machine only."""
        folder = (state / FOLDER).absolute()
        file = folder / "fleet.sqlite"
        if not database or not store:
            make_private_folder(folder)
        if not database:
            # SQLite gives its other files the permissions of this one.
            file.touch(mode=0o600)
        return cls(database or f"sqlite:///{file}", store or str(folder / "store"))


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

    async def blobs_of(self, universe: str) -> Blobs:
        """Return the blobs of a universe."""
        if universe not in self._blobs:
            known = await self.database.store_id()
            where = self.addresses.store, self._environ
            opened = await open_blobs(*where, universe=universe, known=known)
            if not known and opened.store_id != await self.database.store_id(opened.store_id):
                # Another process made another store at the same time.
                return await self.blobs_of(universe)
            self._blobs[universe] = opened
        return self._blobs[universe]

    async def remove_old_blobs(self) -> None:
        """Remove from the store what none of the last heads of the runs reaches."""
        heads = {one.universe: list[str]() for one in await self.table.tenants()}
        for run in await self.table.runs():
            heads.setdefault(run.universe, []).append(run.head)
        earlier = await self.table.last_heads(KEEP_BLOBS_S)
        for universe, reached in heads.items():
            blobs = await self.blobs_of(universe)
            try:
                before = [head for of, head in earlier if of == universe]
                await sweep_blobs(blobs, [*reached, *before], KEEP_BLOBS_S)
            except VerificationError:
                # Perhaps only an earlier head is damaged, which nobody can continue from.
                await sweep_blobs(blobs, reached, KEEP_BLOBS_S)


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
