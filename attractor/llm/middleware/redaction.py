"""Keeps secrets from models: they are replaced in what is sent, and put back if that is wished.

Takes the secrets out of a request: of all that a model reads as text.
"""

import re
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from dataclasses import replace

from attractor.base.json import JsonObject
from attractor.llm.client import Complete, Stream
from attractor.llm.errors import ConfigurationError
from attractor.llm.messages import ContentPart, Message, ProviderData, ToolCallData
from attractor.llm.middleware.fallback import warned, warned_event
from attractor.llm.middleware.secret_placeholders import (
    WELL_KNOWN,
    Replacing,
    RestoredStream,
    Restoring,
    finder_of,
    restored,
)
from attractor.llm.request import Request
from attractor.llm.response import Response, Warning
from attractor.llm.stream_events import StreamEvent
from attractor.llm.tools import ToolDefinition


def redacted_request(request: Request, replacing: Replacing) -> Request:
    """Return a request without secrets; images and what is for one provider stay as they are."""
    wanted = request.response_format
    if wanted is not None and wanted.json_schema is not None:
        wanted = replace(wanted, json_schema=replacing.object(wanted.json_schema))
    return replace(
        request,
        messages=[_message(one, replacing) for one in request.messages],
        tools=[_tool(one, replacing) for one in request.tools],
        response_format=wanted,
        metadata={key: replacing.text(value) for key, value in request.metadata.items()},
    )


def _message(message: Message, replacing: Replacing) -> Message:
    parts = [redacted for part in message.content for redacted in _part(part, replacing)]
    return replace(message, content=parts)


def _tool(tool: ToolDefinition, replacing: Replacing) -> ToolDefinition:
    return replace(
        tool,
        description=replacing.text(tool.description),
        parameters=replacing.object(tool.parameters),
    )


def _part(part: ContentPart, replacing: Replacing) -> Iterator[ContentPart]:
    if part.thinking is not None and replacing.finds(part.thinking.text):
        # It is signed: changed, its provider would refuse it.
        replacing.unrestored(part.thinking.text)
        return
    if part.text is not None:
        part = replace(part, text=replacing.text(part.text))
    if call := part.tool_call:
        part = replace(part, tool_call=replace(call, arguments=_arguments(call, replacing)))
    if result := part.tool_result:
        content = replacing.structured(result.content)
        part = replace(part, tool_result=replace(result, content=content))
    if own := part.provider_data:
        part = replace(part, provider_data=_own(own, replacing))
    yield part


def _own(own: ProviderData, replacing: Replacing) -> ProviderData:
    item = replacing.item(dict(own.item))
    return replace(own, item=item) if isinstance(item, dict) else own


def _arguments(call: ToolCallData, replacing: Replacing) -> JsonObject | str:
    if isinstance(call.arguments, str):
        return replacing.written(call.arguments)
    return replacing.object(call.arguments)


_SHORTEST = 6


class Redaction:
    """Sends `[secret-1]` for a secret: one of `values`, or what looks like one of `patterns`.

    With `restore` a placeholder that the model repeats is the secret again in what it answers, also
    in its tool calls. Every answer has a warning that says how many secrets were replaced.
    """

    def __init__(
        self,
        values: Iterable[str] = (),
        *,
        patterns: Iterable[str] = WELL_KNOWN,
        restore: bool = False,
    ) -> None:
        known = tuple(dict.fromkeys(values))
        self._finder = finder_of(known, [_compiled(one) for one in patterns])
        self._restore = restore
        if any(len(value) < _SHORTEST for value in known):
            raise ConfigurationError(
                f"a secret of fewer than {_SHORTEST} characters would be found in any text",
                hint="leave it out, or take a longer one",
            )

    async def __call__(self, request: Request, next: Complete) -> Response:
        """Ask without the secrets."""
        sent, replacing = self._redacted(request)
        response = await next(sent)
        if self._restore and replacing.secrets:
            response = restored(response, _restoring(request, replacing))
        return warned(response, _warnings(replacing))

    async def stream(self, request: Request, next: Stream) -> AsyncGenerator[StreamEvent]:
        """Ask without the secrets, and put them back piece by piece."""
        sent, replacing = self._redacted(request)
        told = _warnings(replacing)
        is_restored = self._restore and bool(replacing.secrets)
        whole = RestoredStream(_restoring(request, replacing))
        async for event in next(sent):
            for one in whole.events(event) if is_restored else (event,):
                yield warned_event(one, told)

    def _redacted(self, request: Request) -> tuple[Request, Replacing]:
        replacing = Replacing(self._finder)
        sent = redacted_request(request, replacing)
        if self._restore and replacing.is_mistakable:
            # The same mark for the same texts: caches, ours and the providers', go by the words.
            replacing = Replacing(self._finder, replacing.free_mark)
            sent = redacted_request(request, replacing)
        return sent if replacing.places else request, replacing


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        found = re.compile(pattern)
    except re.error as cause:
        raise ConfigurationError(f"the pattern {pattern!r} is none: {cause}") from cause
    if found.match(""):
        raise ConfigurationError(f"the pattern {pattern!r} is found in every text")
    return found


def _restoring(request: Request, replacing: Replacing) -> Restoring:
    wanted = request.response_format
    return Restoring(replacing.secrets, is_json=wanted is not None and wanted.type != "text")


def _warnings(replacing: Replacing) -> Sequence[Warning]:
    secrets, places = len(replacing.secrets), replacing.places
    if not places:
        return ()
    what = "1 secret was" if secrets == 1 else f"{secrets} secrets were"
    where = "1 place" if places == 1 else f"{places} places"
    told = f"{what} replaced in {where} of what was sent to the model"
    return [Warning(told, "secrets_replaced")]
