"""What the loop of one session works on: its history, its queues, and what it may use."""

from collections import deque
from collections.abc import Sequence
from dataclasses import field

from attractor.agent.events import EventEmitter, EventKind
from attractor.agent.project_documents import discover_project_documents
from attractor.agent.provider_profile import ProviderProfile
from attractor.agent.session_config import SessionConfig
from attractor.agent.surroundings import Surroundings, survey
from attractor.agent.tool_hooks import NO_HOOKS, ToolHooks
from attractor.agent.turns import (
    AssistantTurn,
    OnTurn,
    SteeringTurn,
    Turn,
    keep_nothing,
    size_of,
)
from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.environments.environment import ExecutionEnvironment
from attractor.llm.client import Client
from attractor.llm.response import Usage

_CHARS_PER_TOKEN = 4
_WARN_AT = 0.8


@dataclass(frozen=True)
class Orientation:
    """What was found when the session began."""

    surroundings: Surroundings
    documents: str


@dataclass
class Conversation:
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
