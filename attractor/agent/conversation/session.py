"""A session: one conversation of an agent with a model, from its start to its end (§2.1)."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from enum import StrEnum
from typing import Self, cast
from uuid import uuid4

from attractor.agent.conversation.loop import (
    InputResult,
    Stop,
    answer_open_calls,
    last_text,
    process_input,
    spent_budget,
)
from attractor.agent.conversation.state import SessionConversation
from attractor.agent.conversation.subagents import (
    SpawnRequest,
    Subagents,
    folder_below,
    tools_of_subagent,
    without_spawning,
)
from attractor.agent.conversation.turns import OnTurn, Turn, ignore_turn
from attractor.agent.errors import SessionBusy, SessionClosed
from attractor.agent.events import (
    EventEmitter,
    EventKind,
    OnEvent,
    OnUsage,
    SessionConfig,
    SessionEvent,
    SpentBudget,
    ignore,
    no_budget,
)
from attractor.agent.provider_profile import ProviderProfile
from attractor.agent.tool_calls.background_commands import BackgroundCommands
from attractor.agent.tool_calls.hooks import NO_HOOKS, ToolHooks
from attractor.base.callables import do_nothing
from attractor.base.clock import Clock, SystemClock
from attractor.base.errors import AttractorError
from attractor.environments.environment import ExecutionEnvironment
from attractor.llm.client import AGENT_TIMEOUT, Client
from attractor.llm.errors import ContextLengthError
from attractor.llm.response import Usage

_CLOCK = SystemClock()
_DEFAULTS = SessionConfig()


class SessionState(StrEnum):
    """The state of a session (§2.3)."""

    IDLE = "IDLE"
    PROCESSING = "PROCESSING"
    AWAITING_INPUT = "AWAITING_INPUT"
    CLOSED = "CLOSED"


class Session:
    """Processes inputs one by one; the caller owns the environment and the client.

    Without a client, the session makes one from the environment variables, and closes it.

    A session with a history continues an earlier session. `on_turn` is called for every later turn
    of this session, `on_usage` also for the answers of subagents.
    """

    def __init__(
        self,
        profile: ProviderProfile,
        environment: ExecutionEnvironment,
        *,
        client: Client | None = None,
        config: SessionConfig = _DEFAULTS,
        clock: Clock = _CLOCK,
        instructions: str = "",
        hooks: ToolHooks = NO_HOOKS,
        on_event: OnEvent = ignore,
        on_turn: OnTurn = ignore_turn,
        on_usage: OnUsage = do_nothing,
        spent_budget: SpentBudget = no_budget,
        id: str = "",
        history: Sequence[Turn] = (),
    ) -> None:
        self.id = id or str(uuid4())
        self._emit = EventEmitter(self.id, clock, on_event)
        self._own_client = None if client else Client.from_env(timeout=AGENT_TIMEOUT)
        if not config.max_subagent_depth:
            tools = without_spawning(profile.tool_registry)
            profile = replace(profile, tool_registry=tools)
        self._conversation = SessionConversation(
            profile,
            environment,
            client or cast(Client, self._own_client),
            clock,
            config,
            self._emit,
            instructions,
            hooks,
            on_turn,
            on_usage,
            spent_budget,
        )
        self._conversation.continue_from(history)
        self._subagents = Subagents(self._open_child)
        self._conversation.tool_state.put(self._subagents)
        self._state = SessionState.IDLE
        self._work: asyncio.Task[InputResult] | None = None
        self._aborted = self._is_interrupted = False
        self._emit(EventKind.SESSION_START, provider=profile.id, model=profile.model)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

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
    def tokens(self) -> int:
        """The tokens of all prompts, also the cached ones, and of all answers."""
        return self._conversation.tokens

    @property
    def cost_usd(self) -> float:
        """The cost of all calls to the model, by the prices of the catalogue."""
        return self._conversation.cost_usd

    @property
    def turn_count(self) -> int:
        """The number of the model's answers."""
        return self._conversation.turn_count

    @property
    def config(self) -> SessionConfig:
        """The limits of the session; a new value applies from the next call to the model."""
        return self._conversation.config

    @config.setter
    def config(self, config: SessionConfig) -> None:
        self._conversation.config = config

    @property
    def profile(self) -> ProviderProfile:
        """The profile of the provider; a new value applies from the next call to the model."""
        return self._conversation.profile

    @profile.setter
    def profile(self, profile: ProviderProfile) -> None:
        self._conversation.change_profile(profile)

    async def events(self) -> AsyncGenerator[SessionEvent]:
        """Yield all events from now on, until the session ends."""
        with self._subscribed() as queue:
            while self._state is not SessionState.CLOSED or not queue.empty():
                if (event := await queue.get()) is None:
                    return
                yield event
                if event.kind is EventKind.SESSION_END and event.session_id == self.id:
                    return

    async def stream(self, user_input: str) -> AsyncGenerator[SessionEvent]:
        """Process an input and yield its events; an error of `submit` is raised at the end.

        Closing the generator aborts the input.
        """
        with self._subscribed() as queue:
            work = asyncio.create_task(self.submit(user_input))
            work.add_done_callback(lambda _: queue.put_nowait(None))
            try:
                while (event := await queue.get()) is not None:
                    yield event
                await work
            finally:
                if not work.done():
                    self.abort()
                    await work

    async def submit(self, user_input: str) -> InputResult:
        """Process an input until the model is done, a limit is reached, or the input is aborted.

        Errors other than a full context window close the session.
        """
        self._require_open()
        if self._state is SessionState.PROCESSING:
            raise SessionBusy
        self._state, self._is_interrupted = SessionState.PROCESSING, False
        self._work = asyncio.create_task(process_input(self._conversation, user_input))
        try:
            ending = await self._work
        except asyncio.CancelledError:
            task = asyncio.current_task()
            is_asked = self._aborted or self._is_interrupted
            # The caller's task may be cancelled too, which is no abort.
            if not is_asked or (task and task.cancelling()):
                raise
            return self._cancelled()
        except ContextLengthError as error:
            self._emit(EventKind.WARNING, message=error.message)
            self._rest("context_length")
            raise
        except AttractorError as error:
            self._emit(EventKind.ERROR, message=error.message, error=type(error).__name__)
            raise
        else:
            # A question to the user (§2.3).
            is_question = ending.stop is Stop.COMPLETED and ending.text.rstrip().endswith("?")
            self._rest(ending.stop.value, is_question=is_question)
            return ending
        finally:
            self._work = None
            if self._aborted or self._state is SessionState.PROCESSING:
                await self.close()

    def steer(self, message: str) -> None:
        """Send a message to the model after the current tool calls."""
        self._require_open()
        self._conversation.steering.append(message)

    def follow_up(self, message: str) -> None:
        """Queue an input to process after the current input."""
        self._require_open()
        self._conversation.followups.append(message)

    def _cancelled(self) -> InputResult:
        if not self._aborted:
            answer_open_calls(self._conversation)
            self._rest(Stop.ABORTED.value)
        return InputResult(Stop.ABORTED, last_text(self._conversation))

    def interrupt(self) -> None:
        """Cancel the current input and the subagents; the session stays open."""
        if self._work is not None:
            self._is_interrupted = True
            self._subagents.cancel_all()
            self._work.cancel()

    def abort(self) -> None:
        """Cancel the current input and the commands that run, and close the session."""
        self._aborted = True
        if self._work is None:
            self._subagents.cancel_all()
            self._end()
        else:
            self._work.cancel()

    async def close(self) -> None:
        """Abort a current input, close subagents and background commands, and end the session.

        Repeated calls have no effect.
        """
        if self._work is not None:
            self.abort()
            await asyncio.wait([self._work])
        async with AsyncExitStack() as stack:
            stack.callback(self._end)
            if self._own_client:
                stack.push_async_callback(self._own_client.close)
            stack.push_async_callback(self._conversation.tool_state.of(BackgroundCommands).stop_all)
            stack.push_async_callback(self._subagents.close_all)

    def _end(self) -> None:
        if self._state is not SessionState.CLOSED:
            self._state = SessionState.CLOSED
            self._emit(EventKind.SESSION_END, state=self._state.value, aborted=self._aborted)

    def _rest(self, reason: str, *, is_question: bool = False) -> None:
        if self._state is SessionState.CLOSED:
            return
        self._state = SessionState.AWAITING_INPUT if is_question else SessionState.IDLE
        self._emit(EventKind.PROCESSING_END, reason=reason, state=self._state.value)

    @contextmanager
    def _subscribed(self) -> Generator["asyncio.Queue[SessionEvent | None]"]:
        queue = asyncio.Queue[SessionEvent | None]()
        self._emit.subscribers.append(queue.put_nowait)
        try:
            yield queue
        finally:
            self._emit.subscribers.remove(queue.put_nowait)

    def _open_child(
        self, id: str, wanted: SpawnRequest, environment: ExecutionEnvironment
    ) -> "Session":
        """Open the session of a subagent; its events and its usage are also this session's."""
        parent = self._conversation
        return Session(
            replace(
                parent.profile,
                model=wanted.model or parent.profile.model,
                tool_registry=tools_of_subagent(parent.profile.tool_registry),
            ),
            folder_below(environment, wanted.working_dir),
            client=parent.client,
            config=replace(
                parent.config,
                max_turns=wanted.max_turns,
                max_subagent_depth=parent.config.max_subagent_depth - 1,
                # The parent's budget is for all.
                max_tokens=0,
                max_cost_usd=0.0,
            ),
            spent_budget=lambda: spent_budget(parent),
            clock=parent.clock,
            hooks=parent.hooks,
            on_event=self._emit.forward,
            on_usage=parent.spend,
            id=f"{self.id}/{id}",
        )

    def _require_open(self) -> None:
        if self._state is SessionState.CLOSED:
            raise SessionClosed
