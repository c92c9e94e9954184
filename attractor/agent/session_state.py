"""Configuration, events and state of a session (§2.2, §2.9)."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from attractor.agent.provider_profile import (
    EnvironmentInfo,
    ProviderProfile,
    discover_project_documents,
    survey,
)
from attractor.agent.tool_hooks import NO_HOOKS, ToolHooks
from attractor.agent.turns import AssistantTurn, OnTurn, SteeringTurn, Turn, ignore_turn, size_of
from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.json import Json, JsonObject
from attractor.environments.environment import ExecutionEnvironment
from attractor.llm.client import Client
from attractor.llm.response import Usage
from attractor.llm.retry_policy import RetryPolicy

_COUNTS = ("max_turns", "max_tool_rounds_per_input")
_MEASURES = ("default_command_timeout_ms", "max_command_timeout_ms", "loop_detection_window")


@dataclass(frozen=True, kw_only=True)
class SessionConfig:
    """The limits of a session; 0 turns or rounds is no limit."""

    max_turns: int = 0
    max_tool_rounds_per_input: int = 0
    default_command_timeout_ms: int = 10_000
    max_command_timeout_ms: int = 600_000
    reasoning_effort: str | None = None
    tool_output_limits: Mapping[str, int] = field(default_factory=dict[str, int])
    tool_line_limits: Mapping[str, int] = field(default_factory=dict[str, int])
    enable_loop_detection: bool = True
    loop_detection_window: int = 10
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
    """The kind of an event. `TOOL_HOOK` is not in the specification; delta events are never
    emitted.
    """

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
    """An event of a session."""

    kind: EventKind
    timestamp: datetime
    session_id: str
    data: JsonObject


OnEvent = Callable[[SessionEvent], None]


def ignore(event: SessionEvent) -> None:
    """Ignore an event."""


@dataclass(frozen=True)
class EventEmitter:
    """Passes the events of a session to a callback, in order."""

    session_id: str
    clock: Clock
    on_event: OnEvent = ignore

    def __call__(self, kind: EventKind, **data: Json) -> None:
        """Emit an event."""
        self.on_event(SessionEvent(kind, self.clock.now(), self.session_id, data))


_CHARS_PER_TOKEN = 4
_WARN_AT = 0.8


@dataclass(frozen=True)
class Orientation:
    """The environment and project documents at the start of a session."""

    environment_info: EnvironmentInfo
    documents: str


@dataclass
class SessionConversation:
    """The state of a session; only the session and its loop change this state."""

    profile: ProviderProfile
    environment: ExecutionEnvironment
    client: Client
    clock: Clock
    config: SessionConfig
    emit: EventEmitter
    instructions: str = ""
    hooks: ToolHooks = NO_HOOKS
    on_turn: OnTurn = ignore_turn
    history: list[Turn] = field(default_factory=list[Turn])
    steering: deque[str] = field(default_factory=deque[str])
    followups: deque[str] = field(default_factory=deque[str])
    usage: Usage = Usage()
    turn_count: int = 0
    _orientation: Orientation | None = None
    _size: int = 0
    _warnings: set[str] = field(default_factory=set[str])

    def add(self, turn: Turn) -> None:
        """Append a turn to the history."""
        self.history.append(turn)
        if isinstance(turn, AssistantTurn):
            self.turn_count += 1
            self.usage += turn.usage
        self._size += size_of(turn)
        self.on_turn(turn)
        self._check_context()

    def continue_from(self, history: Sequence[Turn]) -> None:
        """Continue from turns of an earlier session; the usage of these turns is not counted."""
        self.history.extend(history)
        self._size += sum(map(size_of, history))

    def drain_steering(self) -> bool:
        """Append steering messages as turns; return whether there were any."""
        if not self.steering:
            return False
        while self.steering:
            content = self.steering.popleft()
            self.add(SteeringTurn(content, self.clock.now()))
            self.emit(EventKind.STEERING_INJECTED, content=content)
        return True

    def warn_once(self, about: str, message: str) -> None:
        """Emit a warning, once per subject."""
        if about not in self._warnings:
            self._warnings.add(about)
            self.emit(EventKind.WARNING, message=message)

    async def system_prompt(self) -> str:
        """Return the system prompt, with the current tools.

        The environment is only surveyed once.
        """
        if self._orientation is None:
            self._orientation = await self._survey()
        return self.profile.build_system_prompt(
            self._orientation.environment_info,
            documents=self._orientation.documents,
            instructions=self.instructions,
        )

    async def _survey(self) -> Orientation:
        environment_info = await survey(
            self.environment, today=self.clock.now().date(), model=self.profile.model
        )
        depth = environment_info.git.depth if environment_info.git else 0
        names = self.profile.traits.project_documents
        documents = await discover_project_documents(self.environment, names, depth=depth)
        return Orientation(environment_info, documents)

    def _check_context(self) -> None:
        share = self._size / _CHARS_PER_TOKEN / self.profile.traits.context_window_size
        if share > _WARN_AT:
            message = f"Context usage at ~{round(share * 100)}% of context window"
            self.warn_once("context", message)
