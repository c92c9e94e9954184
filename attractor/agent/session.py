"""A session: one conversation of an agent with a model, from its start to its end (§2.1)."""

import asyncio
from collections.abc import Sequence
from enum import StrEnum
from uuid import uuid4

from attractor.agent.errors import SessionBusy, SessionClosed
from attractor.agent.loop import InputResult, Stop, last_text, process_input
from attractor.agent.provider_profile import ProviderProfile
from attractor.agent.session_state import (
    EventEmitter,
    EventKind,
    OnEvent,
    SessionConfig,
    SessionConversation,
    ignore,
)
from attractor.agent.tool_hooks import NO_HOOKS, ToolHooks
from attractor.agent.turns import OnTurn, Turn, ignore_turn
from attractor.base.clock import Clock, SystemClock
from attractor.base.errors import AttractorError
from attractor.environments.environment import ExecutionEnvironment
from attractor.llm.client import Client
from attractor.llm.errors import ContextLengthError
from attractor.llm.response import Usage

_CLOCK = SystemClock()
_DEFAULTS = SessionConfig()


class SessionState(StrEnum):
    """The state of a session (§2.3)."""

    IDLE = "IDLE"
    PROCESSING = "PROCESSING"
    CLOSED = "CLOSED"


class Session:
    """Processes inputs one by one; the caller owns the environment and the client.

    A session with a history continues an earlier session. `on_turn` is called for every later turn.
    """

    def __init__(
        self,
        profile: ProviderProfile,
        environment: ExecutionEnvironment,
        *,
        client: Client,
        config: SessionConfig = _DEFAULTS,
        clock: Clock = _CLOCK,
        instructions: str = "",
        hooks: ToolHooks = NO_HOOKS,
        on_event: OnEvent = ignore,
        on_turn: OnTurn = ignore_turn,
        id: str = "",
        history: Sequence[Turn] = (),
    ) -> None:
        self.id = id or str(uuid4())
        self._emit = EventEmitter(self.id, clock, on_event)
        self._conversation = SessionConversation(
            profile, environment, client, clock, config, self._emit, instructions, hooks, on_turn
        )
        self._conversation.continue_from(history)
        self._state = SessionState.IDLE
        self._work: asyncio.Task[InputResult] | None = None
        self._aborted = False
        self._emit(EventKind.SESSION_START, provider=profile.id, model=profile.model)

    @property
    def state(self) -> SessionState:
        """The state of the session."""
        return self._state

    @property
    def history(self) -> Sequence[Turn]:
        """All turns so far."""
        return tuple(self._conversation.history)

    @property
    def usage(self) -> Usage:
        """The usage of all calls to the model."""
        return self._conversation.usage

    @property
    def config(self) -> SessionConfig:
        """The limits of the session; a new value applies from the next call to the model."""
        return self._conversation.config

    @config.setter
    def config(self, config: SessionConfig) -> None:
        self._conversation.config = config

    @property
    def profile(self) -> ProviderProfile:
        """The profile of the provider."""
        return self._conversation.profile

    async def submit(self, user_input: str) -> InputResult:
        """Process an input until the model is done, a limit is reached, or the input is aborted."""
        self._require_open()
        if self._state is SessionState.PROCESSING:
            raise SessionBusy
        self._state = SessionState.PROCESSING
        self._work = asyncio.create_task(process_input(self._conversation, user_input))
        try:
            ending = await self._work
        except asyncio.CancelledError:
            if not self._was_aborted():
                raise
            return InputResult(Stop.ABORTED, last_text(self._conversation))
        except ContextLengthError as error:
            self._emit(EventKind.WARNING, message=error.message)
            self._rest("context_length")
            raise
        except AttractorError as error:
            self._emit(EventKind.ERROR, message=error.message, error=type(error).__name__)
            raise
        else:
            self._rest(ending.stop.value)
            return ending
        finally:
            self._work = None
            if self._aborted or self._state is SessionState.PROCESSING:
                self.close()

    def steer(self, message: str) -> None:
        """Send a message to the model after the current tool calls."""
        self._require_open()
        self._conversation.steering.append(message)

    def follow_up(self, message: str) -> None:
        """Queue an input to process after the current input."""
        self._require_open()
        self._conversation.followups.append(message)

    def abort(self) -> None:
        """Cancel the current input and the commands that run, and close the session."""
        self._aborted = True
        if self._work is None:
            self.close()
        else:
            self._work.cancel()

    def close(self) -> None:
        """Close the session; repeated calls have no effect."""
        if self._state is not SessionState.CLOSED:
            self._state = SessionState.CLOSED
            self._emit(EventKind.SESSION_END, state=self._state.value, aborted=self._aborted)

    def _rest(self, reason: str) -> None:
        self._state = SessionState.IDLE
        self._emit(EventKind.PROCESSING_END, reason=reason)

    def _require_open(self) -> None:
        if self._state is SessionState.CLOSED:
            raise SessionClosed

    def _was_aborted(self) -> bool:
        """Return whether abort() cancelled the work, rather than a cancellation of the caller's
        task.
        """
        task = asyncio.current_task()
        return self._aborted and not (task and task.cancelling())
