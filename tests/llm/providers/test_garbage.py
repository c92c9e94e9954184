"""Anything that a provider sends is parsed, or is an error of ours."""

import json
from contextlib import suppress

from attractor.base.json import Json, NotCanonical, parse_json
from tests.llm.providers import (
    test_anthropic_response as anthropic,
    test_chat_response as chat,
    test_gemini_response as gemini,
    test_openai_response as openai,
)
from tests.llm.providers.answers import (
    read_anthropic,
    read_compatible,
    read_gemini,
    read_openai,
    require_read,
)
from tests.llm.providers.garbage import Garbage, every_number
from tests.llm.providers.streams import require_heard, sse, stream_of

ANSWERS = [
    (read_anthropic, anthropic.BODY),
    (read_compatible, chat.BODY),
    (read_gemini, gemini.WHOLE),
    (read_openai, openai.BODY),
]
STREAMS = {
    "anthropic": anthropic.STREAM,
    "gemini": gemini.STREAM,
    "openai": openai.STREAM,
    "openai_compatible": chat.STREAM,
}


def odd_choice(value: Json, body: dict[str, Json]) -> Json:
    return {"choices": [{"delta": {**body, "tool_calls": [value, {"function": value}]}}]}


@every_number
def test_corrupt_answers_are_parsed_or_refused(garbage: Garbage) -> None:
    for read, whole in ANSWERS:
        require_read(read, garbage.odd(whole))
        spoilt = garbage.spoilt_bytes(json.dumps(whole).encode())
        # Invalid JSON never reaches the parser of answers.
        with suppress(NotCanonical):
            require_read(read, parse_json(spoilt))


@every_number
async def test_corrupt_streams_are_parsed_or_refused(garbage: Garbage) -> None:
    makers = {"gemini": [gemini.chunk], "openai_compatible": [odd_choice]}
    for provider, events in STREAMS.items():
        odd = garbage.stream(events, *makers.get(provider, []))
        await require_heard(stream_of(provider, sse(odd)))


@every_number
async def test_corrupt_and_truncated_bytes_are_parsed_or_refused(garbage: Garbage) -> None:
    for provider, events in STREAMS.items():
        done = b"data: [DONE]\n\n" if provider == "openai_compatible" else b""
        await require_heard(stream_of(provider, garbage.spoilt_bytes(sse(events) + done)))
