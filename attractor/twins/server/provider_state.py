"""The scripts, log and memory of a running provider twin."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from attractor.base.clock import Clock
from attractor.base.json import Json
from attractor.base.registry import Registry
from attractor.twins.errors import Rejection
from attractor.twins.exchange.reply import Reply
from attractor.twins.exchange.wire import Wire
from attractor.twins.script.match import entries_of
from attractor.twins.script.script import Script
from attractor.twins.server.replies import (
    Arrival,
    Memory,
    Telling,
    refusal,
    reply_to,
    tell,
    understand,
)
from attractor.twins.server.request_log import LoggedRequest, RequestLog

Hears = Callable[[LoggedRequest], None]


class State:
    """Answers requests, and can be looked at and changed meanwhile."""

    def __init__(
        self,
        scripts: Sequence[Script],
        wires: Registry[Wire],
        *,
        log: RequestLog,
        memory: Memory,
        clock: Clock,
        hears: Hears | None = None,
    ) -> None:
        self.scripts = tuple(scripts)
        self.wires = wires
        self.log = log
        self.memory = memory
        self.clock = clock
        self._hears = hears
        self._began = clock.monotonic()

    def answer(self, arrival: Arrival) -> Reply:
        """Answer a request, and remember it."""
        reply = reply_to(arrival, self.scripts, self.memory)
        self.remember(arrival, reply)
        return reply

    def tell(self, arrival: Arrival, telling: Telling) -> Reply:
        """Tell what a client asks beside answers, and remember who asked."""
        reply = tell(arrival, telling, self.scripts, self.memory)
        self.remember(arrival, reply)
        return reply

    def refuse(
        self, arrival: Arrival, rejection: Rejection, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Refuse a request as its provider would, and remember it."""
        reply = refusal(arrival.wire, rejection, headers=headers)
        self.remember(arrival, reply)
        return reply

    def remember(self, arrival: Arrival, reply: Reply) -> None:
        """Remember a request and what became of it, and tell whoever wants to hear."""
        at = self.clock.monotonic() - self._began
        entry = self.log.add(arrival, reply, at)
        if self._hears:
            self._hears(entry)

    def reset(self) -> None:
        """Forget every request; the scripts stay."""
        self.memory.forget()
        self.log.forget()
        self._began = self.clock.monotonic()

    def replace_script(self, script: Script) -> None:
        """Follow another script from now on."""
        self.scripts = (script,)
        self.memory.forget_uses()

    def usage(self) -> list[dict[str, Json]]:
        """Return every rule, in the order in which they are tried, and how often it was used."""
        return [
            {
                "number": entry.number,
                "name": entry.name,
                "script": entry.script.source,
                "when": entry.rule.when.model_dump(exclude_none=True) if entry.rule else {},
                "used": self.memory.uses(entry.number),
            }
            for entry in entries_of(self.scripts)
        ]


def described(arrival: Arrival, reply: Reply) -> Reply:
    """Say in a reply which model was asked in which step, where that can be told."""
    try:
        conversation = understand(arrival).conversation
    except Rejection:
        return reply
    return replace(reply, model=conversation.model, step=conversation.step)
