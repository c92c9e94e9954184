"""Estimates the tokens of a request before it is sent."""

import json
from collections.abc import Iterator

from attractor.llm.content import ContentPart
from attractor.llm.request import Request

_LETTERS_OF_A_TOKEN = 4
_TOKENS_OF_MEDIA = 1000


def estimated_tokens(request: Request) -> int:
    """Return about how many tokens a request may use: what it says, and what may be answered."""
    letters = sum(
        size for message in request.messages for part in message.content for size in _sizes(part)
    )
    tools = sum(len(one.description) + len(json.dumps(one.parameters)) for one in request.tools)
    return (letters + tools) // _LETTERS_OF_A_TOKEN + (request.max_tokens or 0) + 1


def _sizes(part: ContentPart) -> Iterator[int]:
    """Yield the size of a part in letters."""
    if part.text is not None:
        yield len(part.text)
    if part.thinking is not None:
        yield len(part.thinking.text)
    for value in (
        part.tool_call and part.tool_call.arguments,
        part.tool_result and part.tool_result.content,
    ):
        if value is not None:
            yield len(value if isinstance(value, str) else json.dumps(value, default=dict))
    shown = part.image or part.audio or part.document
    if shown or (part.tool_result and part.tool_result.image_data):
        yield _TOKENS_OF_MEDIA * _LETTERS_OF_A_TOKEN
