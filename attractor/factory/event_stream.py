"""An observer of a run that is an async iterator over its events."""

import asyncio

from attractor.base.events import Event


class EventStream:
    """Hands on each event of a run, in order; ends when the run rests or has ended.

    Made within the event loop that reads it, and handed to a run as its `observer`.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._events = asyncio.Queue[Event | None]()
        self._is_over = False

    def __call__(self, event: Event) -> None:
        """Take an event, on whichever thread."""
        self._put(event)

    def end(self) -> None:
        """Take no more; what was taken can still be read."""
        self._put(None)

    def __aiter__(self) -> "EventStream":
        return self

    async def __anext__(self) -> Event:
        event = None if self._is_over else await self._events.get()
        if event is None:
            self._is_over = True
            raise StopAsyncIteration
        return event

    def _put(self, event: Event | None) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)
