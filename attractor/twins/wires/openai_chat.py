"""OpenAI's Chat Completions, as local servers and gateways speak it too, seen from their side."""

from collections.abc import Iterator, Mapping, Sequence

from attractor.base.json import Json, JsonObject
from attractor.twins.errors import Rejection
from attractor.twins.exchange.answer import Answer
from attractor.twins.exchange.conversation import Conversation, join_turns
from attractor.twins.exchange.wire import ServerEvent, WireRequest
from attractor.twins.wires.openai_chat_request import (
    read_body,
    read_system,
    read_turns,
    stream_completion,
    wants_usage,
)
from attractor.twins.wires.openai_request import require_key, write_error
from attractor.twins.wires.request_body import arguments_text, count_answer


class OpenAIChatWire:
    """Speaks as OpenAI and many others do at POST /v1/chat/completions."""

    name = "openai_chat"
    path = "/v1/chat/completions"
    other_paths = ()
    base_path = "/v1"
    variables = ("OPENAI_COMPATIBLE_BASE_URL", "OPENAI_COMPATIBLE_API_KEY")

    def read(self, headers: Mapping[str, str], body: JsonObject) -> Conversation:
        """Understand a request, or raise the Rejection the provider would answer with."""
        require_key(headers)
        asked = read_body(body)
        turns = join_turns(turn for one in asked.messages for turn in read_turns(one))
        return Conversation(self.name, asked.model, read_system(asked), turns)

    def write(self, answer: Answer, asked: WireRequest) -> JsonObject:
        """Write an answer as the provider would."""
        choice: Json = {
            "index": 0,
            "message": _message(answer, asked),
            "logprobs": None,
            "finish_reason": answer.finished_by,
        }
        completion: dict[str, Json] = {
            "id": f"chatcmpl-{asked.seed}",
            "object": "chat.completion",
            "created": 0,
            "model": asked.conversation.model,
            "choices": [choice],
            "system_fingerprint": None,
        }
        if self.wants_stream(asked.body, self.path) and not wants_usage(asked.body):
            return completion
        return {**completion, "usage": _usage(answer, asked.conversation)}

    def wants_stream(self, body: JsonObject, target: str) -> bool:
        """Tell whether a request asks for a stream."""
        return body.get("stream") is True

    def stream(self, written: JsonObject) -> Iterator[ServerEvent]:
        """Yield a written answer as the provider would stream it."""
        return stream_completion(written)

    def break_off(self, rejection: Rejection, sent: Sequence[ServerEvent]) -> Sequence[ServerEvent]:
        """Return how the provider would end a stream with an error."""
        return [ServerEvent(write_error(rejection))]

    def write_error(self, rejection: Rejection) -> JsonObject:
        """Write an error as the provider would."""
        return write_error(rejection)


def _message(answer: Answer, asked: WireRequest) -> Json:
    calls: list[Json] = [
        {
            "id": f"call_{asked.seed}_{number}",
            "type": "function",
            "function": {"name": call.name, "arguments": arguments_text(call)},
        }
        for number, call in enumerate(answer.tool_calls)
    ]
    # OpenAI tells no thoughts here; this is the field in which other servers do.
    thought = {} if answer.thinking is None else {"reasoning_content": answer.thinking}
    return {
        "role": "assistant",
        "content": None if calls and not answer.text else answer.text,
        "refusal": None,
        **thought,
        **({"tool_calls": calls} if calls else {}),
    }


def _usage(answer: Answer, conversation: Conversation) -> Json:
    counts = count_answer(answer, conversation)
    return {
        "prompt_tokens": counts.spent,
        "completion_tokens": counts.made,
        "total_tokens": counts.spent + counts.made,
        "prompt_tokens_details": {"cached_tokens": counts.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": counts.thought, "audio_tokens": 0},
    }


part = OpenAIChatWire()
