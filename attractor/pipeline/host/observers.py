"""Hands the events of a run and its children to an observer, each on a thread of its own."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from attractor.base.broadcast import Missed, Subscription
from attractor.base.events import Event
from attractor.engine.journal.events import EventLog

if TYPE_CHECKING:
    pass


Observer = Callable[[Event], None]


CATCH_UP_S = 1.0
"""How long at most a question waits for those who watch."""


class ObserverSubscriptions:
    """Who watches hears of everything a moment later, on a thread of its own."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription[Event]] = []

    def hand_on(self, events: EventLog, watch: Observer) -> None:
        """Have somebody hear of each event from now on."""

        def hear(event: Event | Missed) -> None:
            if isinstance(event, Event):
                watch(event)

        self._subscriptions.append(events.subscribe(hear))

    async def heard(self) -> None:
        """Wait until everything that happened by now was heard of."""
        for one in tuple(self._subscriptions):
            await asyncio.to_thread(one.catch_up, CATCH_UP_S)
