"""The console of a process: its terminal, and its callbacks for messages and events."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import field
from typing import TYPE_CHECKING, TextIO

from attractor.base.broadcast import Missed, Subscription
from attractor.base.dataclasses import dataclass
from attractor.base.events import Event
from attractor.engine.journal.events import EventLog

if TYPE_CHECKING:
    from attractor.agent.tool_calls.tool import RegisteredTool
    from attractor.backends.team import Team
    from attractor.environments.terminal import PersonTerminal

PARK = "park"
"""The interviewer of a process without a terminal: questions wait for `attractor answer`."""

Observer = Callable[[Event], None]

CATCH_UP_S = 1.0
"""The maximum time in seconds that a question waits for the observer to see the earlier events."""


class ObserverSubscriptions:
    """The journals whose events an observer receives, a moment later, on another thread."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription[Event]] = []

    def subscribe(self, events: EventLog, observer: Observer) -> None:
        """Pass each event to the observer from now on."""

        def pass_on(event: Event | Missed) -> None:
            if isinstance(event, Event):
                observer(event)

        self._subscriptions.append(events.subscribe(pass_on))

    async def catch_up(self) -> None:
        """Wait until the observers have seen all events so far."""
        for one in tuple(self._subscriptions):
            await asyncio.to_thread(one.catch_up, CATCH_UP_S)


def report_nothing(sentence: str) -> None:
    """Drop a message for a person."""


@dataclass(frozen=True, kw_only=True)
class Console:
    """The terminal of a process, and its callbacks for messages and events.

    `tell` prints a message for a person. `progress` shows how far some work is, in place of what it
    showed before; "" removes it. During `quiet`, nothing else is printed to the terminal,
    so that a person can answer there. `interviewer` names the interviewer of runs that name none.
    In the `terminal`, a person works with the program of a run. The `team` are the other agents
    that the agent of a run may write to, and start. The `tools` are offered to the built-in agent.
    """

    input: TextIO
    output: TextIO
    tell: Callable[[str], None] = report_nothing
    progress: Callable[[str], None] = report_nothing
    quiet: Callable[[], AbstractContextManager[None]] = nullcontext
    interviewer: str = PARK
    observer: Observer | None = None
    terminal: "PersonTerminal | None" = None
    team: "Team | None" = None
    tools: "Sequence[RegisteredTool]" = ()
    subscriptions: ObserverSubscriptions = field(default_factory=ObserverSubscriptions)
