"""Options of a generation, checked and turned into requests (4.3)."""

from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Protocol, TypedDict, cast

import anyio

from attractor.base.dataclasses import dataclass
from attractor.base.errors import suggest
from attractor.base.json import JsonObject
from attractor.llm.abort import AbortSignal, Handover
from attractor.llm.client import Client
from attractor.llm.errors import (
    ConfigurationError,
    InvalidToolCallError,
    RequestTimeoutError,
    SDKError,
)
from attractor.llm.json_schema import check_schema
from attractor.llm.messages import Message
from attractor.llm.request import Request, ResponseFormat
from attractor.llm.response import Response, StepResult
from attractor.llm.stream_events import StreamAccumulator, StreamEvent, StreamEventType
from attractor.llm.tools import Tool, ToolCall, ToolChoice, ToolDefinition


@dataclass(frozen=True)
class TimeoutConfig:
    """Seconds: for everything with its tools and waits, and for every single call to the model."""

    total: float | None = None
    per_step: float | None = None

    def __post_init__(self) -> None:
        for name in ("total", "per_step"):
            seconds = getattr(self, name)
            if seconds is not None and not seconds > 0:
                raise ConfigurationError(
                    f"a time limit of {seconds} s ({name}) leaves no time",
                    hint="give more than 0, or nothing for no limit",
                )


@asynccontextmanager
async def limited(seconds: float | None, noun: str) -> AsyncGenerator[None]:
    """Cancel what is within when its time is up, and raise a RequestTimeoutError instead."""
    # Not by asyncio: its time-out would break off the closing of connections, too.
    with anyio.move_on_after(seconds) as scope:
        yield
    if scope.cancelled_caught:
        raise RequestTimeoutError(f"{noun} took longer than {seconds:g} s")


AnyTool = Tool | ToolDefinition
# What is easily mistaken, and what is to be given.
_KINDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "max_tool_rounds": ((int,), "a whole number"),
    "max_retries": ((int,), "a whole number"),
    "timeout": ((int, float, TimeoutConfig), "seconds as a number, or a TimeoutConfig"),
    "abort_signal": ((AbortSignal,), "the `signal` of an AbortController"),
}
Mended = JsonObject | None


class StopCondition(Protocol):
    """Says after a step whether that was the last one; may be async or not."""

    def __call__(self, steps: Sequence[StepResult], /) -> bool | Awaitable[bool]:
        """Look at the steps so far."""
        ...


class RepairToolCall(Protocol):
    """Mends the arguments of a call that are not what its tool takes; may be async or not."""

    def __call__(
        self, call: ToolCall, tool: Tool, error: InvalidToolCallError, /
    ) -> Mended | Awaitable[Mended]:
        """Return better arguments, None when there are none."""
        ...


class GenerateOptions(TypedDict, total=False):
    """What may be given besides the model and a prompt; what is None is left to the provider.

    Either a prompt is given or `messages`; `system` stands before either. `max_tool_rounds` is how
    often tools are executed and their results handed back: 0 is never, 1 unless it is said.
    `stop_when` is asked after every such step. `repair_tool_call` may return better arguments for a
    call whose own are not what the tool takes. `max_retries` counts for each call to the model,
    2 unless it is said. `timeout` is seconds for everything, or a TimeoutConfig. Without a `client`
    the default one is asked.
    """

    messages: Sequence[Message] | None
    system: str | None
    tools: Sequence[AnyTool] | None
    tool_choice: ToolChoice | None
    max_tool_rounds: int
    stop_when: StopCondition | None
    repair_tool_call: RepairToolCall | None
    response_format: ResponseFormat | None
    temperature: float | None
    top_p: float | None
    max_tokens: int | None
    stop_sequences: Sequence[str] | None
    reasoning_effort: str | None
    provider: str | None
    provider_options: Mapping[str, JsonObject] | None
    max_retries: int
    timeout: float | TimeoutConfig | None
    abort_signal: AbortSignal | None
    client: Client | None


@dataclass(frozen=True)
class Generation:
    """Everything that was given, checked."""

    model: str
    prompt: str | None = None
    messages: Sequence[Message] | None = None
    system: str | None = None
    tools: Sequence[AnyTool] | None = None
    tool_choice: ToolChoice | None = None
    max_tool_rounds: int = 1
    stop_when: StopCondition | None = None
    repair_tool_call: RepairToolCall | None = None
    response_format: ResponseFormat | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop_sequences: Sequence[str] | None = None
    reasoning_effort: str | None = None
    provider: str | None = None
    provider_options: Mapping[str, JsonObject] | None = None
    max_retries: int = 2
    timeout: float | TimeoutConfig | None = None
    abort_signal: AbortSignal | None = None
    client: Client | None = None

    def __post_init__(self) -> None:
        if (self.prompt is None) == (self.messages is None):
            given = "neither prompt nor" if self.prompt is None else "both prompt and"
            raise ConfigurationError(
                f"{given} messages are given",
                hint="give the prompt, which is one message of the user, or all the messages",
            )
        self._check_kinds()
        for name in ("max_tool_rounds", "max_retries"):
            count = getattr(self, name)
            if count < 0:
                raise ConfigurationError(f"{name} is {count}", hint="write 0 for none")
        for tool in self.active_tools.values():
            check_schema(tool.parameters, f"what the tool {tool.name!r} takes")

    def _check_kinds(self) -> None:
        """Refuse what is of another kind than it says, as programs without types may give it."""
        for name, (kinds, wanted) in _KINDS.items():
            value = getattr(self, name)
            if value is not None and not isinstance(value, kinds):
                raise _of_another_kind(name, value, wanted)
        for one in cast("Sequence[object]", self.tools or ()):
            if not isinstance(one, AnyTool):
                raise _of_another_kind("one of the tools", one, "a Tool or a ToolDefinition")

    @property
    def active_tools(self) -> Mapping[str, Tool]:
        """The tools that are executed here, by name."""
        given = self.tools or ()
        return {one.name: one for one in given if isinstance(one, Tool) and one.execute}

    @property
    def passive_tools(self) -> frozenset[str]:
        """The tools that the caller executes, by name."""
        return frozenset(one.name for one in self.tools or ()) - self.active_tools.keys()

    @property
    def limits(self) -> TimeoutConfig:
        """How long it may take."""
        given = self.timeout
        return given if isinstance(given, TimeoutConfig) else TimeoutConfig(total=given)

    def conversation(self) -> Sequence[Message]:
        """Return the messages to begin with."""
        said = [Message.user(self.prompt)] if self.prompt is not None else self.messages or ()
        return [*([Message.system(self.system)] if self.system else []), *said]

    def request(self, messages: Sequence[Message]) -> Request:
        """Return the request for one step, the conversation being where it is."""
        return Request(
            model=self.model,
            messages=messages,
            provider=self.provider,
            tools=[one.definition if isinstance(one, Tool) else one for one in self.tools or ()],
            tool_choice=self.tool_choice,
            response_format=self.response_format,
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            stop_sequences=self.stop_sequences or (),
            reasoning_effort=self.reasoning_effort,
            provider_options=self.provider_options or {},
        )


def read_generation(model: str, prompt: str | None, options: GenerateOptions) -> Generation:
    """Check what was given; a word that is no option is refused."""
    known = GenerateOptions.__annotations__
    for name in options:
        if name not in known:
            near = suggest(name, known)
            hint = f"did you mean {near}?" if near else f"there are {', '.join(sorted(known))}"
            raise ConfigurationError(f"nothing is done with {name}", hint=hint)
    return Generation(model, prompt, **options)


def _of_another_kind(name: str, value: object, wanted: str) -> ConfigurationError:
    kind = type(value).__name__
    return ConfigurationError(f"{name} is of the kind {kind}", hint=f"give {wanted}")


class Telling:
    """What was told so far; an answer is put together of what was told of it and nothing else."""

    def __init__(self) -> None:
        self.handover: Handover[StreamEvent] = Handover()
        self.has_begun = False
        self._answer = StreamAccumulator()
        self._is_new = False

    @property
    def partial_response(self) -> Response | None:
        """The answer of the newest step that something was told of."""
        return self._answer.partial_response

    def begin_answer(self) -> None:
        """Let the next event be the first one of another answer."""
        self._is_new = True

    async def tell(self, event: StreamEvent) -> None:
        """Tell an event, and wait until the next one is asked for."""
        self._add(event)
        await self.handover.give(event)

    def finish(self, event: StreamEvent) -> Response:
        """Tell the last event of an answer without waiting, and return the answer."""
        self._add(event)
        self.handover.leave(event)
        return self._answer.response()

    def fail(self, error: SDKError) -> None:
        """Tell what went wrong, if anything was told before; else it is only raised."""
        if self.has_begun:
            self.handover.leave(StreamEvent(StreamEventType.ERROR, error=error))

    def _add(self, event: StreamEvent) -> None:
        self.has_begun = True
        if self._is_new:
            self._answer, self._is_new = StreamAccumulator(), False
        self._answer.process(event)
