"""Anthropic's Messages API, seen from the provider's side."""

from collections.abc import Iterator, Mapping

from attractor.base.canonical import Json, JsonObject
from attractor.twins.answer import Answer
from attractor.twins.conversation import Conversation, count_tokens, join_turns
from attractor.twins.errors import Rejection
from attractor.twins.seals import enclose, seal
from attractor.twins.wire import Asked
from attractor.twins.wires.anthropic_request import read_body, read_turns
from attractor.twins.wires.bodies import arguments_object, arguments_text, spoken

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


class AnthropicWire:
    """Speaks as Anthropic does at POST /v1/messages."""

    name = "anthropic"
    path = "/v1/messages"
    base_path = ""
    variables = ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY")

    def read(self, headers: Mapping[str, str], body: JsonObject) -> Conversation:
        """Understand a request, or raise the Rejection the provider would answer with."""
        if not (headers.get("x-api-key") or headers.get("authorization")):
            raise Rejection(401, "x-api-key header is required")
        if not headers.get("anthropic-version"):
            raise Rejection(400, "anthropic-version: header is required")
        asked = read_body(body)
        turns = join_turns(turn for one in asked.messages for turn in read_turns(one))
        return Conversation(self.name, asked.model, spoken(asked.system), turns)

    def write(self, answer: Answer, asked: Asked) -> JsonObject:
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

    def write_error(self, rejection: Rejection) -> JsonObject:
        """Write an error as the provider would."""
        fallback = "api_error" if rejection.status >= 500 else "invalid_request_error"
        kind = rejection.code or _TYPES.get(rejection.status, fallback)
        return {"type": "error", "error": {"type": kind, "message": rejection.message}}


def _content(answer: Answer, asked: Asked) -> Iterator[Json]:
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
    spent = conversation.tokens if given.input is None else given.input
    said = answer.text + (answer.thinking or "") + "".join(map(arguments_text, answer.tool_calls))
    return {
        # What came from the cache or went there is not counted again.
        "input_tokens": max(0, spent - given.cache_read - given.cache_write),
        "cache_read_input_tokens": given.cache_read,
        "cache_creation_input_tokens": given.cache_write,
        "output_tokens": count_tokens(said) if given.output is None else given.output,
    }


part = AnthropicWire()
