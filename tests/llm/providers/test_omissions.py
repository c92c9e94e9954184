"""Answers with a missing field; only the content is required."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from attractor.base.json import Json
from attractor.llm import Response, SDKError, StreamEvent, StreamEventType
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
    require_whole,
)
from tests.llm.providers.streams import fold, whole

ANSWERS: dict[str, tuple[Callable[[Any], Response], Json]] = {
    "anthropic": (read_anthropic, anthropic.BODY),
    "gemini": (read_gemini, gemini.WHOLE),
    "openai": (read_openai, openai.BODY),
    "openai_compatible": (read_compatible, chat.BODY),
}
STREAMS: dict[str, Sequence[Json]] = {
    # Without alternating blocks, whose events need an index.
    "anthropic": [
        one for one in anthropic.STREAM if isinstance(one, dict) and one.get("index") not in (4, 5)
    ],
    "gemini": gemini.STREAM,
    "openai": openai.STREAM,
    "openai_compatible": chat.STREAM,
}
# The fields with the texts and the tool calls.
CARRIERS = {
    "anthropic": "type content text name input content_block delta partial_json",
    "gemini": "candidates content parts text thought functionCall name args",
    "openai": "type output content text name arguments item delta",
    # The pieces of two calls alternate: they need an index.
    "openai_compatible": "choices message content tool_calls function name arguments delta index",
}
# Only this field shows that such a stream is complete.
ENDS = {"finishReason", "finish_reason"}
Path = tuple[str | int, ...]


def paths(value: Json, carriers: set[str], at: Path = ()) -> Iterator[Path]:
    """Yield the paths of all optional fields."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in carriers:
                yield (*at, key)
            # Arguments are written by the model.
            if key not in ("input", "args"):
                yield from paths(inner, carriers, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from paths(inner, carriers, (*at, index))


def variants(value: Json, path: Path) -> Iterator[Any]:
    """Yield a value without a field, and with null instead."""
    for is_null in (False, True):
        copy = json.loads(json.dumps(value))
        inner = copy
        for key in path[:-1]:
            inner = inner[key]
        del inner[path[-1]]
        if is_null:
            inner[path[-1]] = None
        yield copy


def brief(response: Response) -> object:
    require_whole(response)
    assert response.id
    assert response.model
    assert all(call.id for call in response.tool_calls)
    calls = [(call.name, call.arguments) for call in response.tool_calls]
    return response.text, calls, response.finish_reason.reason


def brief_of_stream(events: Sequence[StreamEvent]) -> object:
    """Return the answer, after a check that the pieces contain the same."""
    response = whole(events)
    start = events[0].start
    assert start is not None
    assert start.id
    assert start.model in (response.model, "asked", "gemini-3")
    assert "".join(one.delta or "" for one in events) == response.text
    for kind in (StreamEventType.TOOL_CALL_START, StreamEventType.TOOL_CALL_END):
        ids = [one.tool_call.id for one in events if one.type == kind and one.tool_call]
        assert ids == [call.id for call in response.tool_calls]
    return brief(response)


def test_answer_may_omit_all_but_its_content() -> None:
    for provider, (read, body) in ANSWERS.items():
        expected = brief(read(body))
        for path in paths(body, {*CARRIERS[provider].split()}):
            for left in variants(body, path):
                try:
                    assert brief(read(left)) == expected, (provider, path)
                except SDKError as error:
                    raise AssertionError((provider, path)) from error


def test_stream_may_omit_all_but_its_content() -> None:
    for provider, events in STREAMS.items():
        expected = brief_of_stream(fold(provider, *events))
        for path in paths(list(events), {*CARRIERS[provider].split(), *ENDS}):
            for left in variants(list(events), path):
                try:
                    assert brief_of_stream(fold(provider, *left)) == expected, (provider, path)
                except (SDKError, AssertionError) as error:
                    raise AssertionError((provider, path)) from error


def test_ids_and_models_have_fallbacks() -> None:
    for provider, (read, body) in ANSWERS.items():
        assert isinstance(body, dict)
        names = {"id", "model", "responseId", "modelVersion", "usage", "usageMetadata"}
        response = read({key: value for key, value in body.items() if key not in names})
        assert response.model in ("asked", "gemini-3")
        assert response.id.startswith("response_")
        assert "usage_missing" in [one.code for one in response.warnings], provider


def test_call_without_a_start_event_is_reported_at_its_end() -> None:
    bare = openai.item("added", 2, {"type": "function_call", "id": "fc"})
    piece = openai.delta("function_call_arguments", 2, '{"a":1}')
    done = openai.item("done", 2, {"type": "function_call", "id": "fc", "name": "n"})
    found = fold("openai", openai.CREATED, bare, piece, done)
    assert [str(one.type) for one in found[1:]] == ["tool_call_start", "tool_call_end"]
    call = found[-1].tool_call
    assert call is not None
    assert (call.id, call.name, call.arguments) == ("call_seed_2", "n", {"a": 1})
