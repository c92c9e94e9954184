"""Options of a generation, checked and turned into requests (4.3)."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypedDict, cast

import anyio

from attractor.base.dataclasses import dataclass
from attractor.base.errors import suggest
from attractor.base.json import JsonObject
from attractor.llm.abort import AbortSignal
from attractor.llm.client import Client
from attractor.llm.errors import (
    ConfigurationError,
    InvalidToolCallError,
    RequestTimeoutError,
    invalid_value,
)
from attractor.llm.json_schema import check_schema
from attractor.llm.messages import Message, read_messages
from attractor.llm.request import (
    Request,
    ResponseFormat,
    Tool,
    ToolCall,
    ToolChoice,
    ToolDefinition,
)
from attractor.llm.response import StepResult


@dataclass(frozen=True)
class TimeoutConfig:
    """Time limits in seconds: `total` with tools and waits, `per_step` for each model call."""

    total: float | None = None
    per_step: float | None = None

    def __post_init__(self) -> None:
        for name in ("total", "per_step"):
            seconds = getattr(self, name)
            if seconds is not None and not seconds > 0:
                raise ConfigurationError(
                    f"invalid time limit {name}={seconds}",
                    hint="use a number above 0, or None for no limit",
                )


@asynccontextmanager
async def limited(seconds: float | None, noun: str) -> AsyncGenerator[None]:
    """Cancel the block after some seconds, and raise a RequestTimeoutError instead."""
    # An asyncio timeout would interrupt the closing of connections too.
    with anyio.move_on_after(seconds) as scope:
        yield
    if scope.cancelled_caught:
        raise RequestTimeoutError(f"{noun} took longer than {seconds:g} s")


AnyTool = Tool | ToolDefinition
# The types of options that are not part of a request, and the types in words.
_OPTION_TYPES: Mapping[str, tuple[tuple[Any, ...], str]] = {
    "prompt": ((str,), "a text; pass a conversation as messages=[...]"),
    "system": ((str,), "a text"),
    "max_tool_rounds": ((int,), "an integer"),
    "max_retries": ((int,), "an integer"),
    "timeout": ((int, float, TimeoutConfig), "a number of seconds or a TimeoutConfig"),
    "abort_signal": ((AbortSignal,), "the `signal` of an AbortController"),
    "stop_when": ((Callable,), "a function of the steps"),
    "repair_tool_call": ((Callable,), "a function of call, tool and error"),
    "client": ((Client,), "a Client, such as Client.from_env()"),
}
RepairedArguments = JsonObject | None


class StopCondition(Protocol):
    """Decides after a step whether to stop; async or not."""

    def __call__(self, steps: Sequence[StepResult], /) -> bool | Awaitable[bool]:
        """Return whether the steps so far are enough."""
        ...


class RepairToolCall(Protocol):
    """Repairs invalid arguments of a tool call; async or not."""

    def __call__(
        self, call: ToolCall, tool: Tool, error: InvalidToolCallError, /
    ) -> RepairedArguments | Awaitable[RepairedArguments]:
        """Return valid arguments, or None."""
        ...


class GenerateOptions(TypedDict, total=False):
    """Options besides the model and the prompt; None leaves a setting to the provider.

    Give a prompt or `messages`; `system` precedes either. `max_tool_rounds` limits how often tools
    are executed and their results are sent back (default: 1; 0 is never). `stop_when` is called
    after each such step. `repair_tool_call` can return valid arguments for a tool call with invalid
    arguments. `max_retries` applies to each call to the model (default: 2). `timeout` is a number
    of seconds for the whole generation, or a TimeoutConfig. Without a `client` the default client
    is used.
    """

    messages: Sequence[Message | JsonObject] | None
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
    """All options of a generation, checked."""

    model: str
    prompt: str | None = None
    messages: Sequence[Message | JsonObject] | None = None
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
            fault = "missing prompt" if self.prompt is None else "both prompt and messages are set"
            raise ConfigurationError(
                fault, hint="pass either a prompt, which is one user message, or messages"
            )
        self._check_types()
        for name in ("max_tool_rounds", "max_retries"):
            count = getattr(self, name)
            if count < 0:
                raise ConfigurationError(f"invalid {name}: {count}", hint="use 0 or more")
        # Checks the limits and the request before the first await.
        _ = self.limits, self.request(self.conversation())
        for tool in self.active_tools.values():
            check_schema(tool.parameters, f"parameters of the tool {tool.name!r}")

    def _check_types(self) -> None:
        """Reject values of a wrong type, because programs without type checks can pass them."""
        for name, (types, expected) in _OPTION_TYPES.items():
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, types)):
                raise invalid_value(name, value, expected)
        tools = cast("object", self.tools or ())
        if not isinstance(tools, Sequence):
            raise invalid_value("tools", tools, "a list of Tool or ToolDefinition objects")
        for tool in cast("Sequence[object]", tools):
            if not isinstance(tool, AnyTool):
                raise invalid_value("tool", tool, "Tool or ToolDefinition objects")

    @property
    def active_tools(self) -> Mapping[str, Tool]:
        """The tools executed by the generation, by name."""
        tools = self.tools or ()
        return {tool.name: tool for tool in tools if isinstance(tool, Tool) and tool.execute}

    @property
    def passive_tools(self) -> frozenset[str]:
        """The names of the tools executed by the caller."""
        return frozenset(tool.name for tool in self.tools or ()) - self.active_tools.keys()

    @property
    def limits(self) -> TimeoutConfig:
        """The time limits."""
        timeout = self.timeout
        return timeout if isinstance(timeout, TimeoutConfig) else TimeoutConfig(total=timeout)

    def conversation(self) -> Sequence[Message]:
        """Return the messages of the first request."""
        instructions = [Message.system(self.system)] if self.system else []
        if self.prompt is not None:
            return [*instructions, Message.user(self.prompt)]
        return [*instructions, *read_messages(self.messages)]

    def request(self, messages: Sequence[Message]) -> Request:
        """Return the request of a step with the conversation so far."""
        return Request(
            model=self.model,
            messages=messages,
            provider=self.provider,
            tools=[
                tool.definition if isinstance(tool, Tool) else tool for tool in self.tools or ()
            ],
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
    """Check the options and return the generation; raises a ConfigurationError."""
    known = GenerateOptions.__annotations__
    for name in options:
        if name not in known:
            near = suggest(name, known)
            hint = f"did you mean {near}?" if near else f"known options: {', '.join(sorted(known))}"
            raise ConfigurationError(f"unknown option {name}", hint=hint)
    return Generation(model, prompt, **options)
