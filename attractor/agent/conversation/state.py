"""The state of a session (§2.1, §2.4)."""

from collections import deque
from collections.abc import Sequence
from dataclasses import field

from attractor.agent.conversation.turns import (
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
from attractor.agent.events import (
    EventEmitter,
    EventKind,
    OnUsage,
    SessionConfig,
    SpentBudget,
    no_budget,
)
from attractor.agent.provider_profile import (
    EnvironmentInfo,
    ProviderProfile,
    discover_project_documents,
    survey,
)
from attractor.agent.tool_calls.hooks import NO_HOOKS, ToolHooks
from attractor.agent.tool_calls.seen_files import SeenFiles
from attractor.agent.tool_calls.tool import ToolState
from attractor.base.callables import do_nothing
from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.environments.environment import ExecutionEnvironment
from attractor.llm.client import Client
from attractor.llm.request import ToolCall
from attractor.llm.response import Usage, price_call, prompt_tokens

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
    # Follow-ups left after a limit.
    waiting: deque[str] = field(default_factory=deque[str])
    tool_state: ToolState = field(default_factory=ToolState)
    usage: Usage = Usage()
    tokens: int = 0
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
        provider = provider or self.profile.id
        price = price_call(usage, provider, (model, self.profile.model))
        self.usage += usage
        self.tokens += prompt_tokens(usage, provider) + usage.output_tokens
        self.cost_usd += price.cost_usd or 0.0
        # The owner prices an answer by the model that the catalogue knows.
        self.on_usage(usage, provider, price.model or model)
        if price.cost_usd is None and self.config.max_cost_usd:
            self.warn_once(price.why_not, price.why_not)

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

    def has_warned(self, about: str) -> bool:
        """Return whether a warning about a subject was emitted."""
        return about in self._warnings

    async def system_prompt(self) -> str:
        """Return the system prompt, with the current tools.

        The environment is only surveyed once.
        """
        if self._orientation is None:
            environment_info = await survey(
                self.environment, today=self.clock.now().date(), model=self.profile.model
            )
            depth = environment_info.git.depth if environment_info.git else 0
            names = self.profile.traits.project_documents
            documents = await discover_project_documents(self.environment, names, depth=depth)
            self._orientation = Orientation(environment_info, documents)
        return self.profile.build_system_prompt(
            self._orientation.environment_info,
            documents=self._orientation.documents,
            instructions=self.instructions,
        )
