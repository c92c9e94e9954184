"""A provider in the test process that answers from a list."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Self

from attractor.base.json import JsonObject
from attractor.llm.client import AdapterTimeout, Client
from attractor.llm.errors import InvalidRequestError
from attractor.llm.messages import ContentKind, ContentPart, Message, Role, ToolCallData
from attractor.llm.middleware import replay
from attractor.llm.request import Request
from attractor.llm.response import FinishReason, Response, Usage
from attractor.llm.stream_events import StreamEvent

Step = Message | FinishReason | Exception | Callable[[Request], Awaitable[Message]]


def said(text: str) -> Message:
    return Message.assistant(text)


def called(name: str, arguments: JsonObject | str, *, id: str = "call_1") -> ContentPart:
    return ContentPart(ContentKind.TOOL_CALL, tool_call=ToolCallData(id, name, arguments))


def calls(*parts: ContentPart, text: str = "") -> Message:
    found = (ContentPart(ContentKind.TEXT, text=text),) if text else ()
    return Message(Role.ASSISTANT, (*found, *parts))


def call(name: str, **arguments: str | int | bool) -> Message:
    return calls(called(name, dict(arguments)))


class ScriptedProvider:
    """Gives its answers in order, and records the requests."""

    def __init__(self, *steps: Step, name: str = "openai") -> None:
        self._name = name
        self._steps = list(steps)
        self.requests: list[Request] = []

    @property
    def name(self) -> str:
        return self._name

    @classmethod
    def from_env(cls, environ: Mapping[str, str], *, timeout: AdapterTimeout) -> Self | None:
        return None

    async def complete(self, request: Request) -> Response:
        self.requests.append(request)
        if not self._steps:
            text = "nothing is scripted for this request"
            raise InvalidRequestError(text, provider=self._name, status_code=400)
        step = self._steps.pop(0)
        if isinstance(step, Exception):
            raise step
        if isinstance(step, FinishReason):
            message, reason = said(""), step
        else:
            message = step if isinstance(step, Message) else await step(request)
            is_call = any(part.tool_call for part in message.content)
            reason = FinishReason("tool_calls" if is_call else "stop")
        return Response(
            id=f"answer_{len(self.requests)}",
            model=request.model,
            provider=self._name,
            message=message,
            finish_reason=reason,
            usage=Usage(input_tokens=100, output_tokens=10),
        )

    async def stream(self, request: Request) -> AsyncGenerator[StreamEvent]:
        for event in replay(await self.complete(request)):
            yield event

    def supports_tool_choice(self, mode: str) -> bool:
        return mode in {"auto", "none", "required", "named"}

    async def close(self) -> None:
        pass

    def client(self) -> Client:
        return Client(providers={self._name: self}, default_provider=self._name)


async def never(request: Request) -> Message:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")
