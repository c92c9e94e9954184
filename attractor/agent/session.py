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
from attractor.agent.turns import OnTurn, Turn, keep_nothing
from attractor.base.clock import Clock, SystemClock
from attractor.base.errors import AttractorError
from attractor.environments.environment import ExecutionEnvironment
from attractor.llm.client import Client
from attractor.llm.errors import ContextLengthError
from attractor.llm.response import Usage

_CLOCK = SystemClock()
_DEFAULTS = SessionConfig()


class SessionState(StrEnum):
    """Where a session is (§2.3)."""

    IDLE = "IDLE"
    PROCESSING = "PROCESSING"
    CLOSED = "CLOSED"


class Session:
    """Works on one input after the other; its host owns the environment and the client.

    With a history, it goes on where an earlier session ended. `on_turn` hears of every turn after
    that.
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
        on_turn: OnTurn = keep_nothing,
        id: str = "",
        history: Sequence[Turn] = (),
    ) -> None:
        self.id = id or str(uuid4())
        self._emit = EventEmitter(self.id, clock, on_event)
        self._conversation = SessionConversation(
            profile, environment, client, clock, config, self._emit, instructions, hooks, on_turn
        )
        self._conversation.go_on_from(history)
        self._state = SessionState.IDLE
        self._work: asyncio.Task[InputResult] | None = None
        self._aborted = False
        self._emit(EventKind.SESSION_START, provider=profile.id, model=profile.model)

    @property
    def state(self) -> SessionState:
        """Where the session is."""
        return self._state

    @property
    def history(self) -> Sequence[Turn]:
        """Every turn so far."""
        return tuple(self._conversation.history)

    @property
    def usage(self) -> Usage:
        """What all calls to the model used together."""
        return self._conversation.usage

    @property
    def config(self) -> SessionConfig:
        """What the session keeps to; a new value counts from the next call to the model."""
        return self._conversation.config

    @config.setter
    def config(self, config: SessionConfig) -> None:
        self._conversation.config = config

    @property
    def profile(self) -> ProviderProfile:
        """What the model is given."""
        return self._conversation.profile

    async def submit(self, user_input: str) -> InputResult:
        """Work on an input until the model is done, a limit is reached or the work is aborted."""
        self._refuse_when_closed()
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
        """Say something to the model, to be heard after the tools it is using now."""
        self._refuse_when_closed()
        self._conversation.steering.append(message)

    def follow_up(self, message: str) -> None:
        """Hand over an input for when the present one is done."""
        self._refuse_when_closed()
        self._conversation.followups.append(message)

    def abort(self) -> None:
        """Stop whatever is being done, commands included, and close."""
        self._aborted = True
        if self._work is None:
            self.close()
        else:
            self._work.cancel()

    def close(self) -> None:
        """End the session; harmless when repeated."""
        if self._state is not SessionState.CLOSED:
            self._state = SessionState.CLOSED
            self._emit(EventKind.SESSION_END, state=self._state.value, aborted=self._aborted)

    def _rest(self, reason: str) -> None:
        self._state = SessionState.IDLE
        self._emit(EventKind.PROCESSING_END, reason=reason)

    def _refuse_when_closed(self) -> None:
        if self._state is SessionState.CLOSED:
            raise SessionClosed

    def _was_aborted(self) -> bool:
        """Whether it was abort() that cancelled the work, and nobody cancelled us besides."""
        task = asyncio.current_task()
        return self._aborted and not (task and task.cancelling())
