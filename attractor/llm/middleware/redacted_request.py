"""Takes the secrets out of a request: of all that a model reads as text."""

from collections.abc import Iterator
from dataclasses import replace

from attractor.base.json import JsonObject
from attractor.llm.content import ContentPart, ProviderData, ToolCallData
from attractor.llm.message import Message
from attractor.llm.middleware.placeholders import Replacing
from attractor.llm.request import Request
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
