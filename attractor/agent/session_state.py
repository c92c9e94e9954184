"""The limits and switches of a session (§2.2).

What a session tells while it works (§2.9).

What the loop of one session works on: its history, its queues, and what it may use.
"""

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
from attractor.agent.turns import AssistantTurn, OnTurn, SteeringTurn, Turn, keep_nothing, size_of
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
    """What a session keeps to; 0 turns or rounds means without limit."""

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
                f"a session cannot have {name}={getattr(self, name)}",
                hint="0 means without limit" if name in negative else "it is 1 at least",
            )
        for limits in (self.tool_output_limits, self.tool_line_limits):
            for tool, limit in limits.items():
                if limit < 1:
                    raise UsageError(
                        f"the output of {tool} cannot be limited to {limit}",
                        hint="a limit is 1 at least",
                    )


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


_CHARS_PER_TOKEN = 4
_WARN_AT = 0.8


@dataclass(frozen=True)
class Orientation:
    """What was found when the session began."""

    surroundings: EnvironmentInfo
    documents: str


@dataclass
class SessionConversation:
    """A conversation in progress; only its loop and its session change it."""

    profile: ProviderProfile
    environment: ExecutionEnvironment
    client: Client
    clock: Clock
    config: SessionConfig
    emit: EventEmitter
    instructions: str = ""
    hooks: ToolHooks = NO_HOOKS
    on_turn: OnTurn = keep_nothing
    history: list[Turn] = field(default_factory=list[Turn])
    steering: deque[str] = field(default_factory=deque[str])
    followups: deque[str] = field(default_factory=deque[str])
    usage: Usage = Usage()
    turn_count: int = 0
    _orientation: Orientation | None = None
    _size: int = 0
    _warnings: set[str] = field(default_factory=set[str])

    def add(self, turn: Turn) -> None:
        """Put a turn at the end of the history."""
        self.history.append(turn)
        if isinstance(turn, AssistantTurn):
            self.turn_count += 1
            self.usage += turn.usage
        self._size += size_of(turn)
        self.on_turn(turn)
        self._check_context()

    def go_on_from(self, history: Sequence[Turn]) -> None:
        """Begin with turns of an earlier session; what they cost is not counted again."""
        self.history.extend(history)
        self._size += sum(map(size_of, history))

    def drain_steering(self) -> bool:
        """Let the model hear what was said meanwhile; tell whether anything was."""
        if not self.steering:
            return False
        while self.steering:
            content = self.steering.popleft()
            self.add(SteeringTurn(content, self.clock.now()))
            self.emit(EventKind.STEERING_INJECTED, content=content)
        return True

    def warn_once(self, about: str, message: str) -> None:
        """Warn, unless there was a warning about the same already."""
        if about not in self._warnings:
            self._warnings.add(about)
            self.emit(EventKind.WARNING, message=message)

    async def system_prompt(self) -> str:
        """Return the system prompt; the place is looked at once, the tools are today's."""
        if self._orientation is None:
            self._orientation = await self._look_around()
        return self.profile.build_system_prompt(
            self._orientation.surroundings,
            documents=self._orientation.documents,
            instructions=self.instructions,
        )

    async def _look_around(self) -> Orientation:
        surroundings = await survey(
            self.environment, today=self.clock.now().date(), model=self.profile.model
        )
        depth = surroundings.git.depth if surroundings.git else 0
        names = self.profile.traits.project_documents
        documents = await discover_project_documents(self.environment, names, depth=depth)
        return Orientation(surroundings, documents)

    def _check_context(self) -> None:
        share = self._size / _CHARS_PER_TOKEN / self.profile.traits.context_window_size
        if share > _WARN_AT:
            told = f"Context usage at ~{round(share * 100)}% of context window"
            self.warn_once("context", told)
