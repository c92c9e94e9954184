"""The network between the machines of a fleet and its table and blobs, with faults."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from random import Random
from typing import Any, TypeVar

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.fleet.errors import DatabaseAway, StoreAway
from tests.fleet.memory_blobs import MemoryBlobs
from tests.fleet.simulation.model import ModelTable
from tests.fleet.simulation.virtual import Machine

T = TypeVar("T")

DATABASE, STORE = "database", "store"

_AWAY = {DATABASE: DatabaseAway, STORE: StoreAway}
_SHARE = 0.3
"""The share of calls that a fault meets while it lasts."""
_LATE_S = 6.0
_PATIENCE_S = (0.01, 1.0, 12.0)
"""A call that is refused fails at once, one without an answer after long."""
_LOST = ("partition", "database_away", "store_away", "lost", "torn")


@dataclass(frozen=True)
class Disturbance:
    """What happens to calls for a time: of one machine, or of all, to one place or to both."""

    kind: str
    place: str
    machine: str
    is_total: bool
    random: Random

    def meets(self, machine: Machine, place: str) -> bool:
        is_there = self.place in ("", place) and self.machine in ("", machine.name)
        return is_there and (self.is_total or self.random.random() < _SHARE)


class Network:
    """Carries calls; `met` gets the kind of each fault that met one."""

    def __init__(self, random: Random, met: Callable[[str], object]) -> None:
        self._random = random
        self._met = met
        self.disturbances: list[Disturbance] = []
        self._under_way: dict[asyncio.Task[Any], None] = {}

    async def call(self, machine: Machine, place: str, work: Callable[[], Awaitable[T]]) -> T:
        """Do something at a place, for a machine."""
        await machine.go_on()
        kind = self._fault(machine, place)
        if kind in _LOST:
            await self._give_up(machine, place)
        if kind == "late":
            self._deliver(self._random.uniform(0.0, _LATE_S), work)
            await self._give_up(machine, place)
        delay = self._random.uniform(0.1, 3.0) if kind == "slow" else self._latency()
        # A call under way arrives, even if its machine dies meanwhile.
        reply = await asyncio.shield(self._deliver(delay, work))
        if kind == "doubled":
            self._deliver(self._random.uniform(0.0, _LATE_S), work)
        if kind == "reply_lost":
            await self._give_up(machine, place)
        await machine.wait(self._latency())
        if isinstance(reply, AttractorError):
            raise reply
        return reply

    async def _give_up(self, machine: Machine, place: str) -> None:
        await machine.wait(self._random.choice(_PATIENCE_S))
        raise _AWAY[place](f"the {place} did not answer")

    def _latency(self) -> float:
        return self._random.uniform(0.001, 0.02)

    def _fault(self, machine: Machine, place: str) -> str:
        for one in self.disturbances:
            if one.meets(machine, place):
                self._met(one.kind)
                return one.kind
        return ""

    def _deliver(
        self, delay: float, work: Callable[[], Awaitable[T]]
    ) -> "asyncio.Task[T | AttractorError]":
        async def deliver() -> T | AttractorError:
            await asyncio.sleep(delay)
            try:
                return await work()
            except AttractorError as error:
                return error

        task = asyncio.get_running_loop().create_task(deliver())
        self._under_way[task] = None
        task.add_done_callback(lambda done: self._under_way.pop(done, None) and None)
        return task


class RemoteTable:
    """The table as a machine sees it; each method is a call through the network."""

    def __init__(self, network: Network, machine: Machine, table: ModelTable) -> None:
        self._network, self._machine, self._table = network, machine, table

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._table, name)

        async def call(*arguments: Any, **options: Any) -> Any:
            work = lambda: method(*arguments, **options)  # noqa: E731
            return await self._network.call(self._machine, DATABASE, work)

        return call


class RemoteBlobs:
    """The store as a machine sees it."""

    def __init__(self, network: Network, machine: Machine, blobs: MemoryBlobs) -> None:
        self._network, self._machine, self._blobs = network, machine, blobs

    async def put(self, content: bytes) -> str:
        return await self._call(lambda: self._blobs.put(content))

    async def get(self, digest: str) -> bytes:
        return await self._call(lambda: self._blobs.get(digest))

    async def digests(self) -> AsyncIterator[tuple[str, float]]:
        async def listed() -> list[tuple[str, float]]:
            return [one async for one in self._blobs.digests()]

        for one in await self._call(listed):
            yield one

    async def size(self) -> int:
        return await self._call(self._blobs.size)

    async def remove(self, digests: Collection[str], older_s: float) -> None:
        await self._call(lambda: self._blobs.remove(digests, older_s))

    async def _call(self, work: Callable[[], Awaitable[T]]) -> T:
        return await self._network.call(self._machine, STORE, work)
