"""OpenAI's Responses API, seen from the provider's side."""

from collections.abc import Iterator, Mapping, Sequence

from attractor.base.json import Json, JsonObject
from attractor.twins.errors import Rejection
from attractor.twins.exchange.answer import Answer
from attractor.twins.exchange.conversation import Conversation, join_turns
from attractor.twins.exchange.wire import ServerEvent, WireRequest
from attractor.twins.wires.openai_request import (
    read_body,
    read_system,
    read_turns,
    require_key,
    write_error,
)
from attractor.twins.wires.openai_stream import stream_error, stream_response
from attractor.twins.wires.request_body import arguments_text, count_answer, enclose

_ENCRYPTED = "reasoning.encrypted_content"
_UNFINISHED = {"length": "max_output_tokens", "content_filter": "content_filter"}


class OpenAIWire:
    """Speaks as OpenAI does at POST /v1/responses."""

    name = "openai"
    path = "/v1/responses"
    other_paths = ()
    models_paths = ("/v1/models",)
    listed_wires = ("openai", "openai_chat")
    base_path = "/v1"
    variables = ("OPENAI_BASE_URL", "OPENAI_API_KEY")

    def read(self, headers: Mapping[str, str], body: JsonObject) -> Conversation:
        """Understand a request, or raise the Rejection the provider would answer with."""
        require_key(headers)
        asked = read_body(body)
        turns = join_turns(turn for one in asked.items for turn in read_turns(one))
        return Conversation(self.name, asked.model, read_system(asked), turns)

    def write(self, answer: Answer, asked: WireRequest) -> JsonObject:
        """Write an answer as the provider would."""
        reason = _UNFINISHED.get(answer.finished_by)
        return {
            "id": f"resp_{asked.seed}",
            "object": "response",
            "created_at": 0,
            "status": "incomplete" if reason else "completed",
            "error": None,
            "incomplete_details": {"reason": reason} if reason else None,
            "instructions": asked.body.get("instructions"),
            "metadata": asked.body.get("metadata") or {},
            "model": asked.conversation.model,
            "output": list(_output(answer, asked)),
            "parallel_tool_calls": True,
            "temperature": asked.body.get("temperature"),
            "tool_choice": asked.body.get("tool_choice") or "auto",
            "tools": asked.body.get("tools") or [],
            "top_p": asked.body.get("top_p"),
            "usage": _usage(answer, asked.conversation),
        }

    def wants_stream(self, body: JsonObject, target: str) -> bool:
        """Tell whether a request asks for a stream."""
        return body.get("stream") is True

    def stream(self, written: JsonObject) -> Iterator[ServerEvent]:
        """Yield a written answer as the provider would stream it."""
        return stream_response(written)

    def break_off(self, rejection: Rejection, sent: Sequence[ServerEvent]) -> Sequence[ServerEvent]:
        """Return how the provider would end a stream with an error."""
        return stream_error(write_error(rejection), sent)

    def is_meant(self, headers: Mapping[str, str]) -> bool:
        """Tell whether who sends these headers wants this provider's list."""
        # A key of this sort goes to others too, but they want more.
        return "authorization" in headers and "anthropic-version" not in headers

    def write_models(self, headers: Mapping[str, str], models: Sequence[str]) -> JsonObject:
        """Write the list of models as the provider would."""
        require_key(headers)
        listed: Json = [_model(one) for one in models]
        return {"object": "list", "data": listed}

    def write_model(
        self, headers: Mapping[str, str], model: str, models: Sequence[str]
    ) -> JsonObject:
        """Write one model as the provider would."""
        require_key(headers)
        if model not in models:
            told = f"The model '{model}' does not exist"
            raise Rejection(404, told, code="model_not_found", param="model")
        return _model(model)

    def write_error(self, rejection: Rejection) -> JsonObject:
        """Write an error as the provider would."""
        return write_error(rejection)


def _model(name: str) -> dict[str, Json]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "openai"}


def _output(answer: Answer, asked: WireRequest) -> Iterator[Json]:
    if answer.thinking is not None:
        summary: Json = [{"type": "summary_text", "text": answer.thinking}]
        yield _reasoning(f"rs_{asked.seed}", answer.thinking, summary, asked)
    if answer.redacted_thinking is not None:
        yield _reasoning(f"rs_{asked.seed}_hidden", answer.redacted_thinking, [], asked)
    if answer.text or not answer.tool_calls:
        said: Json = {"type": "output_text", "text": answer.text, "annotations": []}
        yield {
            "type": "message",
            "id": f"msg_{asked.seed}",
            "status": "completed",
            "role": "assistant",
            "content": [said],
        }
    for number, call in enumerate(answer.tool_calls):
        yield {
            "type": "function_call",
            "id": f"fc_{asked.seed}_{number}",
            "call_id": f"call_{asked.seed}_{number}",
            "name": call.name,
            "arguments": arguments_text(call),
            "status": "completed",
        }


def _reasoning(item_id: str, thinking: str, summary: Json, asked: WireRequest) -> Json:
    wanted = asked.body.get("include")
    hidden = enclose(thinking) if isinstance(wanted, list) and _ENCRYPTED in wanted else None
    return {"type": "reasoning", "id": item_id, "summary": summary, "encrypted_content": hidden}


def _usage(answer: Answer, conversation: Conversation) -> Json:
    counts = count_answer(answer, conversation)
    return {
        "input_tokens": counts.spent,
        "input_tokens_details": {"cached_tokens": counts.cached},
        "output_tokens": counts.made,
        "output_tokens_details": {"reasoning_tokens": counts.thought},
        "total_tokens": counts.spent + counts.made,
    }


part = OpenAIWire()
