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
from attractor.agent.seen_files import SeenFiles
from attractor.agent.tool import ToolState
from attractor.agent.tool_hooks import NO_HOOKS, ToolHooks
from attractor.agent.turns import (
    AssistantTurn,
    OnTurn,
    SteeringTurn,
    SummaryTurn,
    ToolResultsTurn,
    Turn,
    ignore_turn,
    size_of,
    visible_turns,
)
from attractor.base.callables import do_nothing
from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.json import Json, JsonObject
from attractor.environments.environment import ExecutionEnvironment
from attractor.llm.catalogue import ModelInfo, get_model_info
from attractor.llm.client import Client
from attractor.llm.errors import ConfigurationError
from attractor.llm.request import ToolCall
from attractor.llm.response import Usage, cost_of
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


_CHARS_PER_TOKEN = 4
NEARLY_FULL = 0.8
"""The share of the context window at which a session warns, or compacts its history."""


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
    on_usage: OnUsage = do_nothing
    spent_budget: SpentBudget = no_budget
    history: list[Turn] = field(default_factory=list[Turn])
    steering: deque[str] = field(default_factory=deque[str])
    followups: deque[str] = field(default_factory=deque[str])
    tool_state: ToolState = field(default_factory=ToolState)
    usage: Usage = Usage()
    cost_usd: float = 0.0
    turn_count: int = 0
    _orientation: Orientation | None = None
    _size: int = 0
    _warnings: set[str] = field(default_factory=set[str])

    def add(self, turn: Turn) -> None:
        """Append a turn to the history."""
        self.history.append(turn)
        if isinstance(turn, AssistantTurn):
            self.turn_count += 1
            self.spend(turn.usage, turn.provider, turn.model)
        if isinstance(turn, SummaryTurn):
            self._size = sum(map(size_of, visible_turns(self.history)))
        else:
            self._size += size_of(turn)
        self.on_turn(turn)
        if self.context_share > NEARLY_FULL:
            share = round(self.context_share * 100)
            self.warn_once("context", f"Context usage at ~{share}% of context window")

    def spend(self, usage: Usage, provider: str, model: str) -> None:
        """Count the usage and the cost of a call to a model, also of a subagent's."""
        self.usage += usage
        known = _known_model(provider or self.profile.id, model, self.profile.model)
        # The owner prices an answer by the model that the catalogue knows.
        self.on_usage(usage, provider, known.id if known else model)
        price = cost_of(usage, known) if known else None
        self.cost_usd += price or 0.0
        if price is None and self.config.max_cost_usd:
            message = f"the price of {model} is unknown: its cost counts as 0"
            self.warn_once(message, message)

    @property
    def context_share(self) -> float:
        """The estimated share of the context window that the history fills."""
        return self._size / _CHARS_PER_TOKEN / self.profile.traits.context_window_size

    def continue_from(self, history: Sequence[Turn]) -> None:
        """Continue from turns of an earlier session; the usage of these turns is not counted."""
        self.history.extend(history)
        self._size = sum(map(size_of, visible_turns(self.history)))
        seen, calls = self.tool_state.of(SeenFiles), dict[str, ToolCall]()
        for turn in history:
            if isinstance(turn, AssistantTurn):
                calls = {call.id: call for call in turn.tool_calls}
            for result in turn.results if isinstance(turn, ToolResultsTurn) else ():
                call = calls.get(result.tool_call_id)
                if call and not result.is_error:
                    seen.learn(call.name, call.arguments, str(result.content))

    def change_profile(self, profile: ProviderProfile) -> None:
        """Use another profile from the next call to the model."""
        self.profile, self._orientation = profile, None

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


def _known_model(provider: str, *models: str) -> ModelInfo | None:
    """Return the first model that the catalogue knows."""
    try:
        known = (get_model_info(model, provider) for model in models if model)
        return next((model for model in known if model), None)
    except ConfigurationError:
        return None
