"""Anthropic's Messages API, seen from the provider's side."""

from collections.abc import Iterator, Mapping, Sequence

from attractor.base.json import Json, JsonObject
from attractor.twins.errors import Rejection
from attractor.twins.exchange.answer import Answer
from attractor.twins.exchange.conversation import Conversation, count_tokens
from attractor.twins.exchange.wire import ServerEvent, WireRequest
from attractor.twins.wires.anthropic_content import CountBody, read_blocks
from attractor.twins.wires.anthropic_request import (
    read_body,
    read_count,
    read_said,
    stream_error,
    stream_message,
)
from attractor.twins.wires.request_body import (
    arguments_object,
    arguments_text,
    enclose,
    seal,
    spoken,
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

_UNKNOWN_DAY = "1970-01-01T00:00:00Z"


class AnthropicWire:
    """Speaks as Anthropic does at POST /v1/messages."""

    name = "anthropic"
    path = "/v1/messages"
    other_paths = ()
    models_paths = ("/v1/models",)
    count_paths = ("/v1/messages/count_tokens",)
    listed_wires = ("anthropic",)
    base_path = ""
    variables = ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY")

    def read(self, headers: Mapping[str, str], body: JsonObject) -> Conversation:
        """Understand a request, or raise the Rejection the provider would answer with."""
        _require_key(headers)
        asked = read_body(body)
        return _conversation(asked)

    def write(self, answer: Answer, asked: WireRequest) -> JsonObject:
        """Write an answer as the provider would."""
        return {
            "id": f"msg_{asked.seed}",
            "type": "message",
            "role": "assistant",
            "model": asked.conversation.model,
            "content": list(_content(answer, asked)),
            "stop_reason": _REASONS[answer.finished_by],
            "stop_sequence": None,
            "usage": _usage(answer, asked.conversation),
        }

    def wants_stream(self, body: JsonObject, target: str) -> bool:
        """Tell whether a request asks for a stream."""
        return body.get("stream") is True

    def stream(self, written: JsonObject) -> Iterator[ServerEvent]:
        """Yield a written answer as the provider would stream it."""
        return stream_message(written)

    def break_off(self, rejection: Rejection, sent: Sequence[ServerEvent]) -> Sequence[ServerEvent]:
        """Return how the provider would end a stream with an error."""
        return [stream_error(self.write_error(rejection))]

    def is_meant(self, headers: Mapping[str, str]) -> bool:
        """Tell whether who sends these headers wants this provider's list."""
        return "x-api-key" in headers or "anthropic-version" in headers

    def write_models(self, headers: Mapping[str, str], models: Sequence[str]) -> JsonObject:
        """Write the list of models as the provider would, on one page."""
        _require_key(headers)
        listed: Json = [_model(one) for one in models]
        ends = [models[0], models[-1]] if models else [None, None]
        return {"data": listed, "has_more": False, "first_id": ends[0], "last_id": ends[1]}

    def write_model(
        self, headers: Mapping[str, str], model: str, models: Sequence[str]
    ) -> JsonObject:
        """Write one model as the provider would."""
        _require_key(headers)
        if model not in models:
            raise Rejection(404, f"model: {model}")
        return _model(model)

    def read_count(self, headers: Mapping[str, str], body: JsonObject) -> Conversation:
        """Understand what is to be counted, or raise such a Rejection."""
        _require_key(headers)
        return _conversation(read_count(body))

    def write_count(self, conversation: Conversation) -> JsonObject:
        """Write the count as the provider would."""
        return {"input_tokens": conversation.tokens}

    def write_error(self, rejection: Rejection) -> JsonObject:
        """Write an error as the provider would."""
        fallback = "api_error" if rejection.status >= 500 else "invalid_request_error"
        kind = rejection.code or _TYPES.get(rejection.status, fallback)
        return {"type": "error", "error": {"type": kind, "message": rejection.message}}


def _conversation(asked: CountBody) -> Conversation:
    system, turns = spoken(asked.system), read_said(asked)
    return Conversation(AnthropicWire.name, asked.model, system, turns, read_blocks(asked))


def _require_key(headers: Mapping[str, str]) -> None:
    if not (headers.get("x-api-key") or headers.get("authorization")):
        raise Rejection(401, "x-api-key header is required")
    if not headers.get("anthropic-version"):
        raise Rejection(400, "anthropic-version: header is required")


def _model(name: str) -> dict[str, Json]:
    return {"type": "model", "id": name, "display_name": name, "created_at": _UNKNOWN_DAY}


def _content(answer: Answer, asked: WireRequest) -> Iterator[Json]:
    if answer.thinking is not None:
        yield {
            "type": "thinking",
            "thinking": answer.thinking,
            "signature": seal(answer.thinking),
        }
    if answer.redacted_thinking is not None:
        yield {"type": "redacted_thinking", "data": enclose(answer.redacted_thinking)}
    if answer.text:
        yield {"type": "text", "text": answer.text}
    for number, call in enumerate(answer.tool_calls):
        yield {
            "type": "tool_use",
            "id": f"toolu_{asked.seed}_{number}",
            "name": call.name,
            "input": arguments_object(call),
        }


def _usage(answer: Answer, conversation: Conversation) -> Json:
    given = answer.usage
    spent = given.spent(conversation.tokens)
    said = answer.text + (answer.thinking or "") + "".join(map(arguments_text, answer.tool_calls))
    return {
        # What came from the cache or went there is not counted again.
        "input_tokens": spent - given.cache_read - given.cache_write,
        "cache_read_input_tokens": given.cache_read,
        "cache_creation_input_tokens": given.cache_write,
        "output_tokens": count_tokens(said) if given.output is None else given.output,
    }


part = AnthropicWire()
