"""The scripts, log and memory of a running provider twin."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from attractor.base.clock import Clock
from attractor.base.json import Json
from attractor.base.registry import Registry
from attractor.twins.errors import Rejection
from attractor.twins.exchange.reply import Reply
from attractor.twins.exchange.wire import Wire
from attractor.twins.script.match import rule_entries
from attractor.twins.script.script import Script
from attractor.twins.server.replies import (
    IncomingRequest,
    ModelEndpoint,
    TwinMemory,
    error_reply,
    model_reply,
    read_request,
    reply_to,
)
from attractor.twins.server.request_log import LoggedRequest, RequestLog

OnRequest = Callable[[LoggedRequest], None]


class ProviderState:
    """Answers and logs requests."""

    def __init__(
        self,
        scripts: Sequence[Script],
        wires: Registry[Wire],
        *,
        log: RequestLog,
        memory: TwinMemory,
        clock: Clock,
        on_request: OnRequest | None = None,
    ) -> None:
        self.scripts = tuple(scripts)
        self.wires = wires
        self.log = log
        self.memory = memory
        self.clock = clock
        self._on_request = on_request
        self._start = clock.monotonic()

    def answer(self, incoming: IncomingRequest) -> Reply:
        """Answer a request."""
        return self.log_request(incoming, reply_to(incoming, self.scripts, self.memory))

    def answer_about_models(self, incoming: IncomingRequest, endpoint: ModelEndpoint) -> Reply:
        """Answer a request about models or the length of a prompt."""
        reply = model_reply(incoming, endpoint, self.scripts, self.memory)
        return self.log_request(incoming, reply)

    def reject(
        self,
        incoming: IncomingRequest,
        rejection: Rejection,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Answer a request with an error in its provider's format."""
        return self.log_request(incoming, error_reply(incoming.wire, rejection, headers=headers))

    def log_request(self, incoming: IncomingRequest, reply: Reply) -> Reply:
        """Log a request and its reply, and return the reply."""
        entry = self.log.add(incoming, reply, self.clock.monotonic() - self._start)
        if self._on_request:
            self._on_request(entry)
        return reply

    def reset(self) -> None:
        """Forget every request; the scripts stay."""
        self.memory.clear()
        self.log.clear()
        self._start = self.clock.monotonic()

    def replace_script(self, script: Script) -> None:
        """Replace all scripts."""
        self.scripts = (script,)
        self.memory.clear_uses()

    def usage(self) -> list[dict[str, Json]]:
        """Return every rule in its order, with the number of its uses."""
        return [
            {
                "number": entry.number,
                "name": entry.name,
                "script": entry.script.source,
                "when": entry.rule.when.model_dump(exclude_none=True) if entry.rule else {},
                "used": self.memory.uses(entry.number),
            }
            for entry in rule_entries(self.scripts)
        ]


def with_conversation(incoming: IncomingRequest, reply: Reply) -> Reply:
    """Return a reply with the model and the step of its request, if it can be read."""
    try:
        conversation = read_request(incoming).conversation
    except Rejection:
        return reply
    return replace(reply, model=conversation.model, step=conversation.step)
