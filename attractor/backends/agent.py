"""The backend `agent`: runs the built-in coding agent until it reports the outcome of a stage."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Iterable, Sequence
from contextlib import AbstractContextManager, aclosing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from attractor.agent.conversation.loop import (
    InputResult,
    Stop,
    call_model,
    report_answer,
    require_answer,
)
from attractor.agent.conversation.session import Session, SessionState
from attractor.agent.conversation.turns import AssistantTurn, UserTurn, convert_history_to_messages
from attractor.agent.definitions import AgentDefinition
from attractor.agent.events import EventEmitter, EventKind, SessionEvent
from attractor.agent.prompts import render_prompt
from attractor.agent.provider_profile import (
    ProviderProfile,
    choose_profile,
    context_window_of,
    create_profile,
    profile_parts,
)
from attractor.agent.tool_calls.mcp_servers import mcp_tools
from attractor.agent.tool_calls.tool import Permissions, RegisteredTool
from attractor.backends.accounts import Accounts
from attractor.backends.agent_conversations import (
    ConversationFile,
    StoredConversation,
    add_summary_if_lost,
    as_texts,
    keep,
    rebuild,
    recall,
)
from attractor.backends.agent_records import Record
from attractor.backends.agent_report import (
    VARIABLE,
    Reporting,
    StatusFile,
    hooks_of,
    status_file_in,
)
from attractor.backends.approvals import continue_after_wait
from attractor.backends.cut_answers import CutAnswers
from attractor.backends.lessons import lesson_tools
from attractor.backends.limit_texts import Limit, limit_of_error
from attractor.backends.models import AgentParts, account_of, choose_agent, choose_model
from attractor.backends.pricing import Meter, Pricing
from attractor.backends.registry import CLOSED, BackendParts
from attractor.backends.team import team_tools
from attractor.base.dataclasses import dataclass
from attractor.base.durations import format_duration
from attractor.base.errors import Unavailable, UsageError
from attractor.base.processes import OnOutput
from attractor.engine.journal.events import AGENT_CHOSEN
from attractor.engine.outcome import FailureClass, Outcome, failure
from attractor.engine.seams import Exhausted, ModelAnswer, Stage
from attractor.engine.stage.folder import write_tail
from attractor.engine.truncation import response_updates
from attractor.engine.walk.saved_conversations import ReadSaved
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.read_only import ReadOnlyExecutionEnvironment
from attractor.environments.wrappers import EnvironmentWrapper
from attractor.llm.client import Client, Complete, Stream
from attractor.llm.errors import SDKError, StreamError
from attractor.llm.messages import Message
from attractor.llm.request import Request
from attractor.llm.response import Response, Usage as Used
from attractor.llm.stream_events import StreamEvent

if TYPE_CHECKING:
    from attractor.environments.terminal import PersonTerminal


@dataclass(frozen=True)
class StageSession:
    """The work on a stage: agent, session, report, stored turns and usage."""

    stage: Stage
    agent: AgentDefinition
    session: Session
    reporting: Reporting
    conversation: ConversationFile
    meter: Meter
    folders: Sequence[Path]

    def reminder(self) -> str:
        """Return the reminder to an agent with a missing or refused report."""
        refused = self.reporting.refusals[-1:]
        reasons = [f"Your report was refused: {words}" for words in refused]
        return "\n".join([*reasons, render_prompt("report_reminder", folders=self.folders)])


def open_session(
    stage: Stage,
    parts: AgentParts,
    file: StatusFile | None,
    pricing: Pricing,
    live: OnOutput,
    more_tools: Sequence[RegisteredTool] = (),
) -> StageSession:
    """Open a session for a stage, with its tools, hooks and records."""
    choice = choose_model(stage, parts)
    folders = parts.prompt_folders
    agent = choose_agent(stage, parts)
    profile = create_profile(
        choice.provider,
        model=choice.model,
        profile=choose_profile(choice.provider, choice.model, agent.settings.profile),
        prompt_folders=folders,
        tool_names=agent.settings.tools,
        permissions=agent.settings.permissions,
        more_tools=more_tools,
    )
    _record_agent(stage, agent, profile.tool_registry)
    reporting = Reporting(stage, file)
    role = agent.prompt.render(**profile.prompt_values)
    how_to_report = _how_to_report(profile, file, folders) if reporting.must_remind else ""
    profile.tool_registry.register(reporting.tool())
    record = Record(stage, reporting, live)
    history = recall(stage, choice, window=profile.traits.context_window_size)
    conversation = ConversationFile(stage, choice, history)
    meter = Meter(pricing, choice, EventEmitter(stage.id, parts.clock, record.take))

    def on_event(event: SessionEvent) -> None:
        if event.kind is EventKind.ASSISTANT_TEXT_START:
            stage.spending.require_budget()
        record.take(event)
        if reporting.is_rejected and event.kind is EventKind.TOOL_CALL_END:
            session.abort()

    def on_usage(used: Used, provider: str, model: str) -> None:
        stage.spending.use(meter.take(used, provider, model))

    session = Session(
        profile,
        EnvironmentWrapper(_environment(stage, profile.permissions), variables=_variables(file)),
        client=client_of(stage, parts, meter),
        clock=parts.clock,
        config=replace(
            agent.limit(parts.config),
            reasoning_effort=choice.reasoning_effort or None,
            compacts=stage.inherited.thread is not None,
        ),
        instructions="\n\n".join(filter(None, [role, how_to_report])),
        hooks=hooks_of(stage),
        on_event=on_event,
        on_turn=conversation.take,
        on_usage=on_usage,
        id=stage.id,
        history=history,
    )
    return StageSession(stage, agent, session, reporting, conversation, meter, folders)


def client_of(stage: Stage, parts: AgentParts, meter: Meter) -> Client:
    """Return the client of a stage: while an account has reached a limit, its calls wait, and
    answers that were cut are counted.
    """

    def count(used: Used, request: Request) -> None:
        provider = request.provider or ""
        stage.spending.use(meter.take(used, provider, request.model, is_estimated=True))

    def call(asked: Used, request: Request) -> AbstractContextManager[None]:
        return stage.spending.call(meter.estimate(asked, request.provider or "", request.model))

    client, accounts = parts.client.wrapped(CutAnswers(count, call)), parts.accounts
    return client.wrapped(WaitForLimits(accounts, stage)) if accounts else client


@dataclass(frozen=True)
class WaitForLimits:
    """Middleware that waits while an account has reached a limit, and then repeats the call."""

    accounts: Accounts
    stage: Stage

    async def __call__(self, request: Request, next: Complete) -> Response:
        """Call the model, again after each wait."""
        account = account_of(request.provider or "", self.accounts)
        while True:
            async with account.use(self.stage.waits) as use:
                try:
                    response = await next(request)
                except SDKError as error:
                    use.record_limit(self._limit_of(error))
                else:
                    use.record_answer(request.model)
                    return response

    async def stream(self, request: Request, next: Stream) -> AsyncGenerator[StreamEvent]:
        """Stream the answer; a limit in the middle of an answer becomes a broken stream."""
        account = account_of(request.provider or "", self.accounts)
        has_begun = False
        while True:
            async with account.use(self.stage.waits) as use:
                if has_begun:
                    raise StreamError("a limit of the account interrupted the answer")
                try:
                    async with aclosing(next(request)) as events:
                        async for event in events:
                            has_begun = True
                            use.lift_limit()
                            yield event
                except SDKError as error:
                    use.record_limit(self._limit_of(error))
                else:
                    use.record_answer(request.model)
                    return

    def _limit_of(self, error: SDKError) -> Limit:
        """Return the limit that an error reports; raise any other error."""
        if limit := limit_of_error(error, self.stage.clock.now()):
            return limit
        raise error


def _record_agent(stage: Stage, agent: AgentDefinition, tools: Iterable[str]) -> None:
    if agent.name:
        permissions = agent.settings.permissions.value
        stage.emit(AGENT_CHOSEN, agent=agent.name, permissions=permissions, tools=[*tools])


def _environment(stage: Stage, permissions: Permissions) -> ExecutionEnvironment:
    """Return the environment of a stage; that of a read-only agent refuses changes by any tool."""
    environment = stage.workspace.environment
    is_read_only = permissions is Permissions.READ_ONLY
    return ReadOnlyExecutionEnvironment(environment) if is_read_only else environment


def model_failed(error: SDKError) -> Outcome:
    """Return the outcome of a stage whose model call failed.

    If the provider is unreachable or overloaded, raise the error, because the run stops.
    """
    if isinstance(error, Unavailable):
        raise error
    kind = FailureClass.RETRYABLE if error.retryable else FailureClass.TERMINAL
    return failure(f"{type(error).__name__}: {error}", kind)


def _variables(file: StatusFile | None) -> dict[str, str]:
    return {VARIABLE: file.path} if file else {}


def _how_to_report(
    profile: ProviderProfile, file: StatusFile | None, folders: Sequence[Path]
) -> str:
    # Without a shell, the agent starts no programs that could write the file.
    has_file = file is not None and "shell" in profile.tool_registry
    names = ["report_outcome", *(["report_file"] if has_file else [])]
    return "\n\n".join(render_prompt(name, folders=folders) for name in names)


async def answer_once(
    stage: Stage, prompt: str, parts: AgentParts, pricing: Pricing
) -> ModelAnswer | Outcome:
    """Answer a prompt, and emit the same events as a session."""
    choice = choose_model(stage, parts)
    # Text only: models without tools reject tool calls.
    profile = choose_profile(choice.provider, choice.model)
    window = context_window_of(choice.provider, choice.model, profile)
    before = recall(stage, choice, window=window) if stage.inherited.thread else ()
    conversation = ConversationFile(stage, choice, before)
    prompt = add_summary_if_lost(stage, prompt, StoredConversation)
    asked = UserTurn(prompt, parts.clock.now())
    agent = choose_agent(stage, parts)
    permissions = agent.settings.permissions.value
    role = agent.prompt.render(model=choice.model, tools=(), permissions=permissions)
    _record_agent(stage, agent, ())
    messages = convert_history_to_messages([*as_texts(before), asked])
    request = Request(
        model=choice.model,
        messages=[Message.system(role), *messages] if role else messages,
        provider=choice.provider,
        reasoning_effort=choice.reasoning_effort or None,
    )
    emit = EventEmitter(stage.id, parts.clock, Record(stage, Reporting(stage)).take)
    meter = Meter(pricing, choice, emit)
    stage.spending.require_budget()
    emit(EventKind.SESSION_START, provider=choice.provider, model=choice.model)
    emit(EventKind.USER_INPUT, content=asked.content)
    try:
        response = await call_model(
            client_of(stage, parts, meter),
            request,
            policy=parts.config.retry_policy,
            clock=parts.clock,
            emit=emit,
            streams=profile_parts()[profile].supports_streaming,
        )
        report_answer(response, emit)
        for warning in response.warnings:
            emit(EventKind.WARNING, message=warning.message)
        stage.spending.use(meter.take(response.usage, response.provider, response.model))
        require_answer(response)
    except SDKError as error:
        emit(EventKind.ERROR, message=error.message, error=type(error).__name__)
        return replace(model_failed(error), usage=meter.total)
    finally:
        emit(EventKind.SESSION_END, state="CLOSED", aborted=False)
    answered = AssistantTurn.from_response(response, parts.clock.now())
    conversation.take(asked)
    conversation.take(answered)
    conversation.end()
    keep(stage, choice, [*before, asked, answered])
    return ModelAnswer(response.text, meter.total)


_LIMITS = (Stop.ROUND_LIMIT, Stop.TURN_LIMIT, Stop.BUDGET)


class Agent:
    """Runs a session for each stage and returns the reported outcome (attractor-spec 4.5)."""

    has_terminal = True
    """Whether a person can work with the agent in a terminal."""

    def __init__(self, parts: BackendParts) -> None:
        self._parts = parts
        self._pricing = Pricing()
        self._at_work: dict[str, Session] = {}

    async def run(self, stage: Stage, prompt: str) -> Outcome | str:
        """Run an agent with a prompt, and return the reported outcome with the usage of the run."""

        def warn(words: str) -> None:
            stage.emit(EventKind.WARNING, message=words)

        parts, place, outside = (
            self._agent_parts(),
            stage.workspace.environment,
            self._parts.outside,
        )
        has_person = bool(outside and outside.has_person)
        person = outside.terminal if outside and has_person else None
        if has_person and person is None:
            return failure(f"the agent {CLOSED}")
        servers = choose_agent(stage, parts).mcp_servers(parts.mcp)
        async with (
            status_file_in(place, warn=warn) as file,
            write_tail(stage.files) as live,
            mcp_tools(servers, place) as more_tools,
        ):
            more_tools = [
                *more_tools,
                *team_tools(stage, self._parts.team),
                *lesson_tools(stage, self._parts.memory),
                *self._parts.tools,
            ]
            work = open_session(stage, parts, file, self._pricing, live, more_tools)
            self._at_work[stage.id] = work.session
            async with work.session:
                try:
                    prompt = add_summary_if_lost(stage, prompt, StoredConversation)
                    prompt = continue_after_wait(stage.approvals, prompt)
                    outcome = await _do_in_time(work, prompt, person)
                finally:
                    self._at_work.pop(stage.id, None)
                    work.conversation.end()
                    keep(stage, choose_model(stage, parts), work.session.history)
        return replace(outcome, usage=work.meter.total)

    async def answer(self, stage: Stage, prompt: str) -> ModelAnswer | Outcome:
        """Answer a prompt by one call to the stage's model, without tools."""
        return await answer_once(stage, prompt, self._agent_parts(), self._pricing)

    async def steer(self, stage_id: str, text: str) -> bool:
        """Send a message to the running session of a stage; return whether a session is running."""
        session = self._at_work.get(stage_id)
        if session is None or session.state is SessionState.CLOSED:
            return False
        session.steer(text)
        return True

    def rebuild(self, last: str, read: ReadSaved) -> object:
        """Return the conversation of a stage from its files."""
        return rebuild(last, read)

    def _agent_parts(self) -> AgentParts:
        parts = self._parts.agent
        if parts is None:
            raise UsageError(
                "missing client of the backend 'agent'",
                hint="set ANTHROPIC_API_KEY, GEMINI_API_KEY or OPENAI_API_KEY",
            )
        return parts


async def _do_in_time(work: StageSession, prompt: str, person: "PersonTerminal | None") -> Outcome:
    if person:
        return await _do(work, _talk(work, prompt, person))
    limit = work.agent.settings.limits.time
    timer = asyncio.timeout(limit.total_seconds() if limit else None)
    try:
        async with timer:
            return await _do(work, _converse(work, prompt))
    except TimeoutError:
        if limit is None or not timer.expired():
            raise
        reached = failure(f"the agent reached its time limit of {format_duration(limit)}")
        return await work.reporting.reported() or reached


async def _do(work: StageSession, conversation: Awaitable[InputResult]) -> Outcome:
    try:
        ending = await conversation
    except SDKError as error:
        # An accepted report counts, even if a later call fails.
        return await work.reporting.reported() or model_failed(error)
    except Exhausted:
        if (outcome := await work.reporting.reported()) is None:
            raise
        return outcome
    work.stage.files.write("response.md", ending.text)
    outcome = work.reporting.outcome
    if outcome is None:
        limit = f"reached the {ending.stop.value} before its report"
        fault = f"the agent {limit}" if ending.stop in _LIMITS else ending.fault
        return work.reporting.without_report(ending.text, fault)
    updates = response_updates(work.stage.node.id, ending.text) | dict(outcome.context_updates)
    return replace(outcome, context_updates=updates)


async def _talk(work: StageSession, prompt: str, person: "PersonTerminal") -> InputResult:
    """Let a person talk to the agent; each text is an input, the first one after the prompt."""
    ending = InputResult(Stop.COMPLETED, "")
    person.say(
        "Type what the agent should do. Ctrl-C ends its turn; /exit or Ctrl-D ends the work."
    )
    with person.typing(work.session.interrupt) as next_text:
        while work.session.state is not SessionState.CLOSED and (text := await next_text()):
            ending = await work.session.submit(f"{prompt}\n\n{text}".strip())
            prompt = ""
    await work.reporting.reported()
    return ending


async def _converse(work: StageSession, prompt: str) -> InputResult:
    """Run the agent, and ask once for a missing or invalid report (R4, R8)."""
    ending = await work.session.submit(prompt)
    if await work.reporting.reported() or work.session.state is SessionState.CLOSED:
        return ending
    if ending.stop in _LIMITS or not work.reporting.must_remind:
        return ending
    reminded = await work.session.submit(work.reminder())
    await work.reporting.reported()
    return replace(reminded, text=ending.text or reminded.text)


part = Agent
