"""What a session tells while it works (§2.9)."""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject


class EventKind(StrEnum):
    """What happened. Those of streaming (`..._DELTA`) come with streaming; `TOOL_HOOK` is ours."""

    SESSION_START = "SESSION_START"
    SESSION_END = "SESSION_END"
    USER_INPUT = "USER_INPUT"
    PROCESSING_END = "PROCESSING_END"
    ASSISTANT_TEXT_START = "ASSISTANT_TEXT_START"
    ASSISTANT_TEXT_END = "ASSISTANT_TEXT_END"
    TOOL_CALL_START = "TOOL_CALL_START"
    TOOL_CALL_END = "TOOL_CALL_END"
    TOOL_HOOK = "TOOL_HOOK"
    STEERING_INJECTED = "STEERING_INJECTED"
    TURN_LIMIT = "TURN_LIMIT"
    LOOP_DETECTION = "LOOP_DETECTION"
    WARNING = "WARNING"
    ERROR = "ERROR"


@dataclass(frozen=True)
class SessionEvent:
    """One thing that happened in a session."""

    kind: EventKind
    timestamp: datetime
    session_id: str
    data: JsonObject


OnEvent = Callable[[SessionEvent], None]


def ignore(event: SessionEvent) -> None:
    """Take an event and do nothing."""


@dataclass(frozen=True)
class EventEmitter:
    """Hands each event of one session to whoever listens, in order."""

    session_id: str
    clock: Clock
    on_event: OnEvent = ignore

    def __call__(self, kind: EventKind, **data: Json) -> None:
        """Tell that something happened."""
        self.on_event(SessionEvent(kind, self.clock.now(), self.session_id, data))
