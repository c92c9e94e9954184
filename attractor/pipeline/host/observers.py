"""Passes the events of a run and its children to an observer."""

import asyncio
from collections.abc import Callable

from attractor.base.broadcast import Missed, Subscription
from attractor.base.events import Event
from attractor.engine.journal.events import EventLog

Observer = Callable[[Event], None]

CATCH_UP_S = 1.0
"""How long a question waits at most for the observer to see the events before it."""


class ObserverSubscriptions:
    """The journals whose events an observer gets, a moment later and on another thread."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription[Event]] = []

    def subscribe(self, events: EventLog, observer: Observer) -> None:
        """Pass each event to the observer from now on."""

        def pass_on(event: Event | Missed) -> None:
            if isinstance(event, Event):
                observer(event)

        self._subscriptions.append(events.subscribe(pass_on))

    async def catch_up(self) -> None:
        """Wait until the observers have seen every event so far."""
        for one in tuple(self._subscriptions):
            await asyncio.to_thread(one.catch_up, CATCH_UP_S)
