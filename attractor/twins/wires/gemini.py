"""Google's generateContent, seen from the provider's side."""

from collections.abc import Iterator, Mapping, Sequence

from attractor.base.json import Json, JsonObject
from attractor.twins.errors import Rejection
from attractor.twins.exchange.answer import Answer
from attractor.twins.exchange.conversation import Conversation, join_turns
from attractor.twins.exchange.wire import ServerEvent, WireRequest
from attractor.twins.wires.gemini_request import (
    ContentBody,
    read_body,
    read_count,
    read_system,
    read_turns,
    sign,
    sign_thought,
    stream_chunks,
    stream_error,
    wants_stream,
)
from attractor.twins.wires.request_body import arguments_object, check_body, count_answer

_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_REASONS = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
}
_RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"
_METHOD = "generateContent"
_COUNT = "countTokens"


class GeminiWire:
    """Speaks as Google does at POST /v1beta/models/{model}:generateContent."""

    name = "gemini"
    path = f"/v1beta/models/{{model}}:{_METHOD}"
    other_paths = (
        "/v1beta/models/{model}:streamGenerateContent",
        "/v1/models/{model}:generateContent",
        "/v1/models/{model}:streamGenerateContent",
    )
    count_paths = (f"/v1beta/models/{{model}}:{_COUNT}", f"/v1/models/{{model}}:{_COUNT}")
    models_paths = ("/v1beta/models", "/v1/models")
    listed_wires = ("gemini",)
    base_path = ""
    # The second is where the provider's own clients look.
    variables = ("GEMINI_BASE_URL", "GOOGLE_GEMINI_BASE_URL", "GEMINI_API_KEY")

    def read(self, headers: Mapping[str, str], body: JsonObject) -> Conversation:
        """Understand a request, or raise the Rejection the provider would answer with."""
        _require_key(headers)
        return _conversation(read_body(body))

    def write(self, answer: Answer, asked: WireRequest) -> JsonObject:
        """Write an answer as the provider would."""
        candidate: dict[str, Json] = {
            "content": {"parts": list(_parts(answer, asked)), "role": "model"},
            "finishReason": _REASONS[answer.finished_by],
            "index": 0,
        }
        return {
            "candidates": [candidate],
            "usageMetadata": _usage(answer, asked.conversation),
            "modelVersion": asked.conversation.model,
            "responseId": f"response_{asked.seed}",
        }

    def wants_stream(self, body: JsonObject, target: str) -> bool:
        """Tell whether a request asks for a stream."""
        return wants_stream(target)

    def stream(self, written: JsonObject) -> Iterator[ServerEvent]:
        """Yield a written answer as the provider would stream it."""
        return stream_chunks(written)

    def break_off(self, rejection: Rejection, sent: Sequence[ServerEvent]) -> Sequence[ServerEvent]:
        """Return how the provider would end a stream with an error."""
        return [stream_error(self.write_error(rejection))]

    def write_error(self, rejection: Rejection) -> JsonObject:
        """Write an error as the provider would."""
        error: dict[str, Json] = {
            "code": rejection.status,
            "message": rejection.message,
            "status": rejection.code or _CODES.get(rejection.status, "UNKNOWN"),
        }
        if rejection.retry_after is not None:
            wait = f"{rejection.retry_after.total_seconds():f}s"
            error["details"] = [{"@type": _RETRY_INFO, "retryDelay": wait}]
        return {"error": error}

    def is_meant(self, headers: Mapping[str, str]) -> bool:
        """Tell whether who sends these headers wants this provider's list."""
        return "x-goog-api-key" in headers

    def write_models(self, headers: Mapping[str, str], models: Sequence[str]) -> JsonObject:
        """Write the list of models as the provider would."""
        _require_key(headers)
        listed: Json = [_model(one) for one in models]
        return {"models": listed}

    def write_model(
        self, headers: Mapping[str, str], model: str, models: Sequence[str]
    ) -> JsonObject:
        """Write one model as the provider would."""
        _require_key(headers)
        if model not in models:
            raise Rejection(
                404,
                f"models/{model} is not found. Call ListModels to see the list of available "
                "models and their supported methods.",
            )
        return _model(model)

    def read_count(self, headers: Mapping[str, str], body: JsonObject) -> Conversation:
        """Understand what is to be counted, or raise such a Rejection."""
        _require_key(headers)
        return _conversation(read_count(body))

    def write_count(self, conversation: Conversation) -> JsonObject:
        """Write the count as the provider would."""
        tokens = conversation.tokens
        details: Json = [{"modality": "TEXT", "tokenCount": tokens}]
        return {"totalTokens": tokens, "promptTokensDetails": details}


def _conversation(asked: ContentBody) -> Conversation:
    turns = join_turns(turn for one in asked.contents for turn in read_turns(one))
    return Conversation(GeminiWire.name, asked.model, read_system(asked), turns)


def _model(name: str) -> dict[str, Json]:
    methods: Json = [_METHOD, _COUNT]
    told: dict[str, Json] = {"name": f"models/{name}", "displayName": name}
    return told | {"supportedGenerationMethods": methods}


def _require_key(headers: Mapping[str, str]) -> None:
    if not headers.get("x-goog-api-key"):
        raise Rejection(
            403,
            "Method doesn't allow unregistered callers (callers without established identity). "
            "Please use API Key or other form of API consumer identity to call this API.",
        )


def _parts(answer: Answer, asked: WireRequest) -> Iterator[Json]:
    """Yield thoughts, words and calls; the first call is signed, or the words without one."""
    thinking = answer.thinking
    if thinking is not None and check_body(ContentBody, asked.body).wants_thoughts:
        yield {"text": thinking, "thought": True, "thoughtSignature": sign_thought(thinking)}
    signed: dict[str, Json] = {"thoughtSignature": sign(answer.redacted_thinking or thinking or "")}
    thought = thinking is not None or answer.redacted_thinking is not None
    if answer.text or not answer.tool_calls:
        last = thought and not answer.tool_calls
        yield {"text": answer.text, **(signed if last else {})}
    for number, call in enumerate(answer.tool_calls):
        made: Json = {"name": call.name, "args": arguments_object(call)}
        yield {"functionCall": made, **({} if number else signed)}


def _usage(answer: Answer, conversation: Conversation) -> Json:
    counted = count_answer(answer, conversation)
    # Of what was made, this provider counts thoughts apart.
    thought = min(counted.thought, counted.made)
    counts: dict[str, int] = {
        "promptTokenCount": counted.spent,
        "candidatesTokenCount": counted.made - thought,
        "totalTokenCount": counted.spent + counted.made,
        "cachedContentTokenCount": counted.cached,
        "thoughtsTokenCount": thought,
    }
    # It leaves out what there is none of.
    return {name: count for name, count in counts.items() if count}


part = GeminiWire()
