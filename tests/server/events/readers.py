"""Readers of streams, in the event loop of a test."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from attractor.base.errors import AttractorError
from attractor.base.json import Json, JsonObject, parse_json
from attractor.server.events.buffer import EventFilter, StreamEvent
from attractor.server.events.streams import EventSource, follow
from tests.patience import PATIENCE_S

ALL = EventFilter()


def run(scene: Callable[[], Awaitable[None]]) -> None:
    """Run a scene in an event loop of its own, with a time limit."""

    async def limited() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await scene()

    asyncio.run(limited())


def describe(error: AttractorError) -> JsonObject:
    return {"detail": error.message}


class Reader:
    """A reader of a stream."""

    def __init__(self, parts: AsyncGenerator[Sequence[StreamEvent]]) -> None:
        self.events: list[StreamEvent] = []
        self._parts = parts

    async def read(self) -> bool:
        """Read some events; return False at the end of the stream."""
        part = await anext(self._parts, None)
        self.events += part or ()
        return part is not None

    async def see(self, words: str) -> None:
        """Read until an event contains these words."""
        while not any(words.encode() in one.content for one in self.events):
            assert await self.read()

    async def finish(self) -> "Reader":
        """Read to the end."""
        while await self.read():
            pass
        return self

    @property
    def ids(self) -> list[int]:
        return [one.id for one in self.events if one.id]

    @property
    def notices(self) -> list[tuple[str, Json]]:
        return [(one.type, parse_json(one.content)) for one in self.events if not one.id]


async def open_reader(
    source: EventSource, after: int | None = None, wanted: EventFilter = ALL
) -> Reader:
    return Reader(follow(source, await source.begin(after), wanted, describe))
