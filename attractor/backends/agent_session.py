"""Sessions of the built-in agent, their environment, and single calls without tools."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

from attractor.agent.provider_profile import create_profile, profile_parts, read_prompt
from attractor.agent.session import Session
from attractor.agent.session_state import EventEmitter, EventKind, SessionEvent
from attractor.agent.turns import AssistantTurn, Turn, UserTurn, convert_history_to_messages
from attractor.backends.agent_conversations import Keeping, as_texts, keep, put_lost_before, recall
from attractor.backends.agent_records import Record
from attractor.backends.agent_report import VARIABLE, Reporting, StatusFile, hooks_of
from attractor.backends.models import AgentParts, Meter, ModelChoice, Pricing, choose_model
from attractor.base.dataclasses import dataclass
from attractor.base.process_output import OnOutput
from attractor.base.processes import ExecResult
from attractor.engine.outcome import FailureClass, Outcome, failure
from attractor.engine.seams import ModelAnswer, Stage, StageFiles
from attractor.engine.stage.folder import write_tail
from attractor.environments.environment import (
    DirEntry,
    ExecutionEnvironment,
    GrepOptions,
    Promises,
    Service,
)
from attractor.llm.errors import SDKError
from attractor.llm.request import Request
from attractor.llm.response import Response
from attractor.llm.retry_policy import retry


class AgentPlace:
    """An environment with additional variables for commands.

    The last lines of a command's output are in the stage's folder while it runs.
    """

    def __init__(
        self, environment: ExecutionEnvironment, variables: Mapping[str, str], files: StageFiles
    ) -> None:
        self._inner = environment
        self._variables = dict(variables)
        self._files = files

    async def initialize(self) -> None:
        """Prepare the environment."""
        await self._inner.initialize()

    async def cleanup(self) -> None:
        """End all processes in the environment."""
        await self._inner.cleanup()

    def working_directory(self) -> str:
        """Return the working directory."""
        return self._inner.working_directory()

    def platform(self) -> str:
        """Return the operating system."""
        return self._inner.platform()

    def os_version(self) -> str:
        """Return the version of the operating system."""
        return self._inner.os_version()

    def promises(self) -> Promises:
        """Return its proven restrictions."""
        return self._inner.promises()

    async def read_file(
        self, path: str, *, offset: int | None = None, limit: int | None = None
    ) -> str:
        """Return the text of a file, or some of its lines."""
        return await self._inner.read_file(path, offset=offset, limit=limit)

    async def write_file(self, path: str, content: str) -> None:
        """Write a whole file."""
        await self._inner.write_file(path, content)

    async def delete_file(self, path: str) -> None:
        """Remove a file."""
        await self._inner.delete_file(path)

    async def file_exists(self, path: str) -> bool:
        """Return whether a file or folder exists."""
        return await self._inner.file_exists(path)

    async def list_directory(self, path: str, *, depth: int = 1) -> Sequence[DirEntry]:
        """Return the names in a folder."""
        return await self._inner.list_directory(path, depth=depth)

    async def grep(self, pattern: str, path: str, options: GrepOptions) -> str:
        """Return the lines that match a regular expression."""
        return await self._inner.grep(pattern, path, options)

    async def glob(self, pattern: str, path: str = ".") -> Sequence[str]:
        """Return the files that match a pattern."""
        return await self._inner.glob(pattern, path)

    async def exec_command(
        self,
        command: str,
        *,
        timeout_ms: int,
        working_dir: str | None = None,
        env_vars: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        on_output: OnOutput | None = None,
    ) -> ExecResult:
        """Run a command and write its live output (default) or pass it to `on_output`."""
        async with write_tail(self._files) as add:
            return await self._inner.exec_command(
                command,
                timeout_ms=timeout_ms,
                working_dir=working_dir,
                env_vars={**self._variables, **(env_vars or {})},
                stdin=stdin,
                on_output=on_output or add,
            )

    async def start_service(
        self, command: str, *, env_vars: Mapping[str, str] | None = None
    ) -> Service:
        """Start a command in the background."""
        return await self._inner.start_service(
            command, env_vars={**self._variables, **(env_vars or {})}
        )

    def reach(self, port: int) -> AbstractAsyncContextManager[str]:
        """Forward a port of the environment to the host."""
        return self._inner.reach(port)

    def offer(self, port: int, address: str) -> AbstractAsyncContextManager[None]:
        """Forward an address of the host to the environment."""
        return self._inner.offer(port, address)


@dataclass(frozen=True)
class Work:
    """A stage with its session, report, stored turns and usage."""

    stage: Stage
    session: Session
    reporting: Reporting
    keeping: Keeping
    meter: Meter
    folders: Sequence[Path]

    def reminder(self) -> str:
        """Return the reminder to an agent with a missing or refused report."""
        refused = self.reporting.refusals[-1:]
        reasons = [f"Your report was refused: {words}" for words in refused]
        return "\n".join([*reasons, read_prompt("report_reminder", folders=self.folders)])


def open_work(stage: Stage, parts: AgentParts, file: StatusFile | None, pricing: Pricing) -> Work:
    """Open a session for a stage, with its tools, hooks and records."""
    choice = choose_model(stage, parts)
    folders = parts.prompt_folders
    profile = create_profile(choice.provider, model=choice.model, prompt_folders=folders)
    reporting = Reporting(stage, file)
    profile.tool_registry.register(reporting.tool())
    record = Record(stage, reporting)
    history = recall(stage, choice, window=profile.traits.context_window_size)
    keeping = Keeping(stage, choice, history)
    meter = Meter(pricing, choice, EventEmitter(stage.id, parts.clock, record.take))

    def on_event(event: SessionEvent) -> None:
        if event.kind is EventKind.ASSISTANT_TEXT_START:
            stage.spending.require_budget()
        record.take(event)
        if reporting.is_spoilt and event.kind is EventKind.TOOL_CALL_END:
            session.abort()

    def on_turn(turn: Turn) -> None:
        keeping.take(turn)
        if isinstance(turn, AssistantTurn):
            stage.spending.use(meter.take(turn.usage, turn.provider, turn.model))

    session = Session(
        profile,
        AgentPlace(stage.workspace.environment, _variables(file), stage.files),
        client=parts.client,
        clock=parts.clock,
        config=replace(parts.config, reasoning_effort=choice.reasoning_effort),
        instructions=_how_to_report(file, folders),
        hooks=hooks_of(stage),
        on_event=on_event,
        on_turn=on_turn,
        id=stage.id,
        history=history,
    )
    return Work(stage, session, reporting, keeping, meter, folders)


def window(choice: ModelChoice) -> int:
    """Return the context window of a model."""
    return profile_parts()[choice.provider].context_window_size


def model_failed(error: SDKError) -> Outcome:
    """Return the outcome of a stage whose model call failed."""
    kind = FailureClass.RETRYABLE if error.retryable else FailureClass.TERMINAL
    return failure(f"{type(error).__name__}: {error.message}", kind)


def _variables(file: StatusFile | None) -> dict[str, str]:
    return {VARIABLE: file.path} if file else {}


def _how_to_report(file: StatusFile | None, folders: Sequence[Path]) -> str:
    names = ["report_outcome", *(["report_file"] if file else [])]
    return "\n\n".join(read_prompt(name, folders=folders) for name in names)


async def answer_once(
    stage: Stage, prompt: str, parts: AgentParts, pricing: Pricing
) -> ModelAnswer | Outcome:
    """Answer a prompt, and emit the events of a session."""
    choice = choose_model(stage, parts)
    # Text only: models without tools reject tool calls.
    before = recall(stage, choice, window=window(choice)) if stage.inherited.thread else ()
    keeping = Keeping(stage, choice, before)
    asked = UserTurn(put_lost_before(stage, prompt), parts.clock.now())
    request = Request(
        model=choice.model,
        messages=convert_history_to_messages([*as_texts(before), asked]),
        provider=choice.provider,
        reasoning_effort=choice.reasoning_effort,
    )
    emit = EventEmitter(stage.id, parts.clock, Record(stage, Reporting(stage)).take)
    meter = Meter(pricing, choice, emit)
    stage.spending.require_budget()
    emit(EventKind.SESSION_START, provider=choice.provider, model=choice.model)
    emit(EventKind.USER_INPUT, content=asked.content)
    try:
        response = await _call(request, parts, emit, meter)
    except SDKError as error:
        emit(EventKind.ERROR, message=error.message, error=type(error).__name__)
        return model_failed(error)
    finally:
        emit(EventKind.SESSION_END, state="CLOSED", aborted=False)
    stage.spending.use(meter.total)
    answered = AssistantTurn.from_response(response, parts.clock.now())
    keeping.take(asked)
    keeping.take(answered)
    keeping.end()
    keep(stage, choice, [*before, asked, answered])
    return ModelAnswer(response.text, meter.total)


async def _call(request: Request, parts: AgentParts, emit: EventEmitter, meter: Meter) -> Response:
    def tell(error: SDKError, attempt: int, delay: float) -> None:
        words = f"attempt {attempt} failed ({error.message}); next attempt in {delay:g} s"
        emit(EventKind.WARNING, message=words)

    emit(EventKind.ASSISTANT_TEXT_START)
    response = await retry(
        lambda: parts.client.complete(request),
        policy=replace(parts.config.retry_policy, on_retry=tell),
        clock=parts.clock,
    )
    used = response.usage
    emit(
        EventKind.ASSISTANT_TEXT_END,
        text=response.text,
        reasoning=response.reasoning,
        usage={"input_tokens": used.input_tokens, "output_tokens": used.output_tokens},
    )
    meter.take(used, response.provider, response.model)
    for warning in response.warnings:
        emit(EventKind.WARNING, message=warning.message)
    if response.finish_reason.reason == "length":
        emit(EventKind.WARNING, message="the answer was truncated at its maximum length")
    return response
