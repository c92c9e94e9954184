"""The configuration and the events of a session (§2.2, §2.9)."""

from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.json import Json, JsonObject
from attractor.llm.response import Usage
from attractor.llm.retry_policy import RetryPolicy

_COUNTS = (
    "max_turns",
    "max_tool_rounds_per_input",
    "max_subagent_depth",
    "max_tokens",
    "max_cost_usd",
)
_MEASURES = ("default_command_timeout_ms", "max_command_timeout_ms", "loop_detection_window")


@dataclass(frozen=True, kw_only=True)
class SessionConfig:
    """The limits of a session; 0 turns, rounds, tokens or dollars are no limit.

    Unless `requires_read_before_edit` is set, the profile decides. With `compacts`, a summary
    replaces old turns when the context window is nearly full.
    """

    max_turns: int = 0
    max_tool_rounds_per_input: int = 0
    default_command_timeout_ms: int = 10_000
    max_command_timeout_ms: int = 600_000
    reasoning_effort: str | None = None
    tool_output_limits: Mapping[str, int] = field(default_factory=dict[str, int])
    tool_line_limits: Mapping[str, int] = field(default_factory=dict[str, int])
    enable_loop_detection: bool = True
    loop_detection_window: int = 10
    max_subagent_depth: int = 1
    max_tokens: int = 0
    max_cost_usd: float = 0.0
    compacts: bool = False
    requires_read_before_edit: bool | None = None
    retry_policy: RetryPolicy = RetryPolicy()

    def __post_init__(self) -> None:
        negative = [name for name in _COUNTS if getattr(self, name) < 0]
        too_small = [name for name in _MEASURES if getattr(self, name) < 1]
        for name in [*negative, *too_small]:
            raise UsageError(
                f"invalid {name}={getattr(self, name)} of a session",
                hint="use 0 for no limit" if name in negative else "use 1 or more",
            )
        for limits in (self.tool_output_limits, self.tool_line_limits):
            for tool, limit in limits.items():
                if limit < 1:
                    raise UsageError(
                        f"invalid limit {limit} for the output of {tool}",
                        hint="use 1 or more",
                    )


class EventKind(StrEnum):
    """The kind of an event. `TOOL_HOOK` and `COMPACTION` are not in the specification."""

    SESSION_START = "SESSION_START"
    SESSION_END = "SESSION_END"
    USER_INPUT = "USER_INPUT"
    PROCESSING_END = "PROCESSING_END"
    ASSISTANT_TEXT_START = "ASSISTANT_TEXT_START"
    ASSISTANT_TEXT_DELTA = "ASSISTANT_TEXT_DELTA"
    ASSISTANT_TEXT_END = "ASSISTANT_TEXT_END"
    TOOL_CALL_START = "TOOL_CALL_START"
    TOOL_CALL_OUTPUT_DELTA = "TOOL_CALL_OUTPUT_DELTA"
    TOOL_CALL_END = "TOOL_CALL_END"
    TOOL_HOOK = "TOOL_HOOK"
    STEERING_INJECTED = "STEERING_INJECTED"
    TURN_LIMIT = "TURN_LIMIT"
    LOOP_DETECTION = "LOOP_DETECTION"
    COMPACTION = "COMPACTION"
    WARNING = "WARNING"
    ERROR = "ERROR"


@dataclass(frozen=True)
class SessionEvent:
    """An event of a session."""

    kind: EventKind
    timestamp: datetime
    session_id: str
    data: JsonObject


OnEvent = Callable[[SessionEvent], None]
SpentBudget = Callable[[], str]
"""A function that returns which budget is used up; an empty text if none is."""


def no_budget() -> str:
    """Return that no budget is used up."""
    return ""


OnUsage = Callable[[Usage, str, str], None]
"""A function that gets the usage of each call, with the provider and the model that answered."""


def ignore(event: SessionEvent) -> None:
    """Ignore an event."""


DELTAS = frozenset({EventKind.ASSISTANT_TEXT_DELTA, EventKind.TOOL_CALL_OUTPUT_DELTA})
"""Kinds of events whose data the END event of the text or call contains again."""


@dataclass(frozen=True)
class EventEmitter:
    """Passes the events of a session to a callback and to subscribers, in order."""

    session_id: str
    clock: Clock
    on_event: OnEvent = ignore
    subscribers: list[OnEvent] = field(default_factory=list[OnEvent])

    def __call__(self, kind: EventKind, **data: Json) -> None:
        """Emit an event."""
        self.forward(SessionEvent(kind, self.clock.now(), self.session_id, data))

    def forward(self, event: SessionEvent) -> None:
        """Pass on an event, also one of a subagent."""
        self.on_event(event)
        for subscriber in tuple(self.subscribers):
            subscriber(event)
