"""Google's generateContent, implemented for twins."""

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import parse_qs, urlsplit

from attractor.base.json import Json, JsonObject
from attractor.twins.errors import Rejection
from attractor.twins.exchange.answer import Answer
from attractor.twins.exchange.wire import (
    Conversation,
    ServerEvent,
    WireRequest,
    in_words,
    join_turns,
    record_at,
    records_at,
    text_at,
)
from attractor.twins.wires.gemini_request import (
    ContentBody,
    read_body,
    read_count_body,
    read_system,
    read_turns,
    sign,
    sign_thought,
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
_STREAM = ":streamGenerateContent"
_LINE_END = "\r\n"
_SIGNATURE = "thoughtSignature"


class GeminiWire:
    """The wire of Google's POST /v1beta/models/{model}:generateContent."""

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
    # The provider's own clients read the second one.
    variables = ("GEMINI_BASE_URL", "GOOGLE_GEMINI_BASE_URL", "GEMINI_API_KEY")
    ignored_paths = ()
    request_id_header = ""
    id_paths = tuple(
        f"$.contents[*].parts[*].{name}.id"
        for name in ("functionCall", "functionResponse", "function_call", "function_response")
    )

    def read(self, headers: Mapping[str, str], body: JsonObject) -> Conversation:
        """Read a request, or raise the Rejection of the provider."""
        _require_key(headers)
        return _conversation(read_body(body))

    def write(self, answer: Answer, request: WireRequest) -> JsonObject:
        """Return an answer in the provider's format."""
        candidate: dict[str, Json] = {
            "content": {"parts": list(_parts(answer, request)), "role": "model"},
            "finishReason": _REASONS[answer.finished_by],
            "index": 0,
        }
        return {
            "candidates": [candidate],
            "usageMetadata": _usage(answer, request.conversation),
            "modelVersion": request.conversation.model,
            "responseId": f"response_{request.seed}",
        }

    def wants_stream(self, body: JsonObject, target: str) -> bool:
        """Return whether a request asks for a stream."""
        parts = urlsplit(target)
        if not parts.path.endswith(_STREAM):
            return False
        if parse_qs(parts.query).get("alt") != ["sse"]:
            raise Rejection(400, f"this twin streams only as {_STREAM[1:]}?alt=sse")
        return True

    def stream(self, response: JsonObject) -> Iterator[ServerEvent]:
        """Yield the events of a streamed answer."""
        return _chunks(response)

    def error_events(
        self, rejection: Rejection, sent: Sequence[ServerEvent]
    ) -> Sequence[ServerEvent]:
        """Return the events with which the provider ends a stream after an error."""
        return [ServerEvent(self.write_error(rejection), line_end=_LINE_END)]

    def write_error(self, rejection: Rejection) -> JsonObject:
        """Return an error in the provider's format."""
        error: dict[str, Json] = {
            "code": rejection.status,
            "message": rejection.message,
            "status": rejection.code or _CODES.get(rejection.status, "UNKNOWN"),
        }
        if rejection.retry_after is not None:
            wait = f"{rejection.retry_after.total_seconds():f}s"
            error["details"] = [{"@type": _RETRY_INFO, "retryDelay": wait}]
        return {"error": error}

    def matches_headers(self, headers: Mapping[str, str]) -> bool:
        """Return whether the headers belong to a client of this provider."""
        return "x-goog-api-key" in headers

    def write_models(self, headers: Mapping[str, str], models: Sequence[str]) -> JsonObject:
        """Return the list of models in the provider's format."""
        _require_key(headers)
        listed: Json = [_model(name) for name in models]
        return {"models": listed}

    def write_model(
        self, headers: Mapping[str, str], model: str, models: Sequence[str]
    ) -> JsonObject:
        """Return one model in the provider's format."""
        _require_key(headers)
        if model not in models:
            raise Rejection(404, f"unknown model {model!r}")
        return _model(model)

    def read_count(self, headers: Mapping[str, str], body: JsonObject) -> Conversation:
        """Read a request to count tokens, or raise the Rejection of the provider."""
        _require_key(headers)
        return _conversation(read_count_body(body))

    def write_count(self, conversation: Conversation) -> JsonObject:
        """Return the count in the provider's format."""
        tokens = conversation.tokens
        details: Json = [{"modality": "TEXT", "tokenCount": tokens}]
        return {"totalTokens": tokens, "promptTokensDetails": details}


def _conversation(request: ContentBody) -> Conversation:
    turns = join_turns(turn for content in request.contents for turn in read_turns(content))
    functions = (tool.function_declarations or () for tool in request.tools or ())
    tools = [function.name for group in functions for function in group]
    system = read_system(request)
    return Conversation(GeminiWire.name, request.model, system, turns, tools=tools)


def _model(name: str) -> dict[str, Json]:
    methods: Json = [_METHOD, _COUNT]
    names: dict[str, Json] = {"name": f"models/{name}", "displayName": name}
    return names | {"supportedGenerationMethods": methods}


def _require_key(headers: Mapping[str, str]) -> None:
    if not headers.get("x-goog-api-key"):
        raise Rejection(403, "the API key is missing")


def _parts(answer: Answer, request: WireRequest) -> Iterator[Json]:
    """Yield thoughts, text and tool calls.

    The first call is signed; without a call, the text is signed.
    """
    thinking = answer.thinking
    if thinking is not None and check_body(ContentBody, request.body).wants_thoughts:
        yield {"text": thinking, "thought": True, _SIGNATURE: sign_thought(thinking)}
    signature: dict[str, Json] = {_SIGNATURE: sign(answer.redacted_thinking or thinking or "")}
    has_thoughts = thinking is not None or answer.redacted_thinking is not None
    if answer.text or not answer.tool_calls:
        is_signed = has_thoughts and not answer.tool_calls
        yield {"text": answer.text, **(signature if is_signed else {})}
    for number, call in enumerate(answer.tool_calls):
        function: Json = {"name": call.name, "args": arguments_object(call)}
        yield {"functionCall": function, **({} if number else signature)}


def _usage(answer: Answer, conversation: Conversation) -> Json:
    tokens = count_answer(answer, conversation)
    # This provider counts thoughts apart from the rest of the output.
    thoughts = min(tokens.reasoning, tokens.output)
    counts: dict[str, int] = {
        "promptTokenCount": tokens.input,
        "candidatesTokenCount": tokens.output - thoughts,
        "totalTokenCount": tokens.input + tokens.output,
        "cachedContentTokenCount": tokens.cached,
        "thoughtsTokenCount": thoughts,
    }
    # The provider omits a count of 0.
    return {name: count for name, count in counts.items() if count}


def _chunks(response: JsonObject) -> Iterator[ServerEvent]:
    """Yield the chunks of an answer; the last chunk has the finish reason and the usage."""
    (candidate,) = records_at(response, "candidates")
    parts = records_at(record_at(candidate, "content"), "parts")
    pieces = [piece for part in parts for piece in _pieces(part)]
    last: JsonObject = {"text": ""}
    final = pieces[-1]
    if "text" in final and _SIGNATURE in final and not final.get("thought"):
        # The provider signs text after its last piece.
        last = {**final, "text": ""}
        pieces[-1] = {"text": final["text"]}
    usage = record_at(response, "usageMetadata")
    tokens = usage.get("promptTokenCount", 0)
    first_usage: JsonObject = {"promptTokenCount": tokens, "totalTokenCount": tokens}
    for piece in pieces:
        yield _chunk(response, piece, {"index": 0}, first_usage)
    yield _chunk(response, last, candidate, usage)


def _chunk(
    response: JsonObject, part: JsonObject, candidate: JsonObject, usage: JsonObject
) -> ServerEvent:
    parts: Json = [dict(part)]
    content: Json = {"parts": parts, "role": "model"}
    # The content is the first field, as the provider writes it.
    candidates: Json = [{"content": content} | dict(candidate) | {"content": content}]
    chunk = {**response, "candidates": candidates, "usageMetadata": dict(usage)}
    return ServerEvent(chunk, line_end=_LINE_END)


def _pieces(part: JsonObject) -> Iterator[JsonObject]:
    """Split the text of a part, with the signature in the last piece; a tool call is not split."""
    words = in_words(text_at(part, "text"))
    if not words:
        yield part
        return
    unsigned = {name: value for name, value in part.items() if name != _SIGNATURE}
    yield from ({**unsigned, "text": word} for word in words[:-1])
    yield {**part, "text": words[-1]}


part = GeminiWire()
