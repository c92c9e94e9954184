"""Anthropic's Messages API, implemented for twins."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from attractor.base.json import Json, JsonObject
from attractor.twins.errors import Rejection
from attractor.twins.exchange.answer import Answer
from attractor.twins.exchange.wire import (
    Conversation,
    ServerEvent,
    WireRequest,
    count_tokens,
    in_letters,
    in_words,
    json_text,
    record_at,
    records_at,
    text_at,
)
from attractor.twins.wires.anthropic_request import (
    NO_THREADS,
    CountBody,
    read_blocks,
    read_body,
    read_count_body,
    read_turns,
)
from attractor.twins.wires.request_body import (
    arguments_object,
    arguments_text,
    enclose,
    joined_text,
    seal,
)

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}
_REASONS = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "content_filter": "refusal",
}

_ANY_THOUGHT = "..."
_DAY = "2026-01-01T00:00:00Z"


class AnthropicWire:
    """The wire of Anthropic's POST /v1/messages."""

    name = "anthropic"
    path = "/v1/messages"
    other_paths = ()
    models_paths = ("/v1/models",)
    count_paths = ("/v1/messages/count_tokens",)
    listed_wires = ("anthropic",)
    base_path = ""
    variables = ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY")
    ignored_paths = ("$.metadata",)
    request_id_header = "request-id"
    id_paths = ("$.messages[*].content[*].id", "$.messages[*].content[*].tool_use_id")

    def read(self, headers: Mapping[str, str], body: JsonObject) -> Conversation:
        """Read a request, or raise the Rejection of the provider."""
        _require_key(headers)
        return _conversation(read_body(body))

    def write(self, answer: Answer, request: WireRequest) -> JsonObject:
        """Return an answer in the provider's format."""
        return {
            "id": f"msg_{request.seed}",
            "type": "message",
            "role": "assistant",
            "model": request.conversation.model,
            "content": list(_content(answer, request)),
            "stop_reason": _REASONS[answer.finished_by],
            "stop_sequence": None,
            "usage": _usage(answer, request.conversation),
        }

    def wants_stream(self, body: JsonObject, target: str) -> bool:
        """Return whether a request asks for a stream."""
        return body.get("stream") is True

    def stream(self, response: JsonObject) -> Iterator[ServerEvent]:
        """Yield the events of a streamed answer."""
        return (ServerEvent({"type": kind, **more}, kind) for kind, more in _events(response))

    def error_events(
        self, rejection: Rejection, sent: Sequence[ServerEvent]
    ) -> Sequence[ServerEvent]:
        """Return the events with which the provider ends a stream after an error."""
        return [ServerEvent(self.write_error(rejection), "error")]

    def matches_headers(self, headers: Mapping[str, str]) -> bool:
        """Return whether the headers belong to a client of this provider."""
        return "x-api-key" in headers or "anthropic-version" in headers

    def write_models(self, headers: Mapping[str, str], models: Sequence[str]) -> JsonObject:
        """Return the list of models in the provider's format, on one page."""
        _require_key(headers)
        listed: Json = [_model(name) for name in models]
        ends = [models[0], models[-1]] if models else [None, None]
        return {"data": listed, "has_more": False, "first_id": ends[0], "last_id": ends[1]}

    def write_model(
        self, headers: Mapping[str, str], model: str, models: Sequence[str]
    ) -> JsonObject:
        """Return one model in the provider's format."""
        _require_key(headers)
        if model not in models:
            raise Rejection(404, f"model: {model}")
        return _model(model)

    def read_count(self, headers: Mapping[str, str], body: JsonObject) -> Conversation:
        """Read a request to count tokens, or raise the Rejection of the provider."""
        _require_key(headers)
        return _conversation(read_count_body(body))

    def write_count(self, conversation: Conversation) -> JsonObject:
        """Return the count in the provider's format."""
        return {"input_tokens": conversation.tokens}

    def write_error(self, rejection: Rejection) -> JsonObject:
        """Return an error in the provider's format."""
        fallback = "api_error" if rejection.status >= 500 else "invalid_request_error"
        kind = _TYPES.get(rejection.status, fallback)
        if rejection.code == NO_THREADS:
            details: Json = {"error_code": rejection.code}
            error: Json = {"type": kind, "message": rejection.message, "details": details}
            return {"type": "error", "error": error}
        error = {"type": rejection.code or kind, "message": rejection.message}
        return {"type": "error", "error": error}


def _conversation(body: CountBody) -> Conversation:
    system, turns = joined_text(body.system), read_turns(body)
    tools = [tool.name for tool in body.tools if tool.name]
    return Conversation(AnthropicWire.name, body.model, system, turns, read_blocks(body), tools)


def _require_key(headers: Mapping[str, str]) -> None:
    if not (headers.get("x-api-key") or headers.get("authorization")):
        raise Rejection(401, "x-api-key header is required")
    if not headers.get("anthropic-version"):
        raise Rejection(400, "anthropic-version: header is required")


def _model(name: str) -> dict[str, Json]:
    return {"type": "model", "id": name, "display_name": name, "created_at": _DAY}


def _content(answer: Answer, request: WireRequest) -> Iterator[Json]:
    thought = answer.thinking
    if thought is None and answer.tool_calls and answer.redacted_thinking is None:
        # A model that must think begins with a thought, and the next request must contain it.
        is_thinking = record_at(request.body, "thinking").get("type") == "enabled"
        thought = _ANY_THOUGHT if is_thinking else None
    if thought is not None:
        yield {"type": "thinking", "thinking": thought, "signature": seal(thought)}
    if answer.redacted_thinking is not None:
        yield {"type": "redacted_thinking", "data": enclose(answer.redacted_thinking)}
    if answer.text:
        yield {"type": "text", "text": answer.text}
    for number, call in enumerate(answer.tool_calls):
        yield {
            "type": "tool_use",
            "id": f"toolu_{request.seed}_{number}",
            "name": call.name,
            "input": arguments_object(call),
        }


def _usage(answer: Answer, conversation: Conversation) -> Json:
    usage = answer.usage
    tokens = usage.whole_input(conversation.tokens)
    text = answer.text + (answer.thinking or "") + "".join(map(arguments_text, answer.tool_calls))
    return {
        # CacheUsage tokens are not counted again.
        "input_tokens": tokens - usage.cache_read - usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation_input_tokens": usage.cache_write,
        "output_tokens": count_tokens(text) if usage.output is None else usage.output,
    }


_Event: TypeAlias = tuple[str, Mapping[str, Json]]


def _events(message: JsonObject) -> Iterator[_Event]:
    """Yield the type and the content of each event of a streamed message."""
    usage = dict(record_at(message, "usage"))
    no_content: Json = []
    first_usage: Json = {**usage, "output_tokens": 1}
    start: Json = {**message, "content": no_content, "stop_reason": None, "usage": first_usage}
    yield "message_start", {"message": start}
    for index, block in enumerate(records_at(message, "content")):
        yield "content_block_start", {"index": index, "content_block": _empty_block(block)}
        if not index:
            yield "ping", {}
        for delta in _deltas(block):
            yield "content_block_delta", {"index": index, "delta": delta}
        yield "content_block_stop", {"index": index}
    end = {name: message[name] for name in ("stop_reason", "stop_sequence")}
    yield "message_delta", {"delta": end, "usage": usage}
    yield "message_stop", {}


def _empty_block(block: JsonObject) -> Json:
    """Return a block without the content that deltas add."""
    empty: dict[str, Json] = {}
    match block["type"]:
        case "text":
            return {**block, "text": ""}
        case "thinking":
            return {**block, "thinking": "", "signature": ""}
        case "tool_use":
            return {**block, "input": empty}
        case _:
            return dict(block)


def _deltas(block: JsonObject) -> Iterator[Json]:
    match block["type"]:
        case "text":
            for piece in in_words(text_at(block, "text")):
                yield {"type": "text_delta", "text": piece}
        case "thinking":
            for piece in in_words(text_at(block, "thinking")):
                yield {"type": "thinking_delta", "thinking": piece}
            yield {"type": "signature_delta", "signature": text_at(block, "signature")}
        case "tool_use":
            arguments = record_at(block, "input")
            text = json_text(arguments) if arguments else ""
            # The provider sends an empty piece first, and no other for an empty input.
            for piece in ["", *in_letters(text)]:
                yield {"type": "input_json_delta", "partial_json": piece}
        case _:
            return


part = AnthropicWire()
