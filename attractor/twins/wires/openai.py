"""OpenAI's Responses API, implemented for twins."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from attractor.base.json import Json, JsonObject
from attractor.twins.errors import Rejection
from attractor.twins.exchange.answer import Answer
from attractor.twins.exchange.wire import (
    Conversation,
    ServerEvent,
    WireRequest,
    in_letters,
    in_words,
    join_turns,
    record_at,
    records_at,
    text_at,
)
from attractor.twins.wires.openai_request import (
    CREATED,
    IGNORED_PATHS,
    TOOL_SEARCH,
    ResponseBody,
    read_body,
    read_count_body,
    read_system,
    read_tools,
    read_turns,
    require_key,
    service_tier,
    write_error,
)
from attractor.twins.wires.request_body import (
    arguments_object,
    arguments_text,
    count_answer,
    custom_input,
    enclose,
)

_ENCRYPTED = "reasoning.encrypted_content"
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_NOTHING: Json = []
_NO_CODE = "server_error"


class OpenAIWire:
    """The wire of OpenAI's POST /v1/responses."""

    name = "openai"
    path = "/v1/responses"
    other_paths = ()
    models_paths = ("/v1/models",)
    count_paths = ("/v1/responses/input_tokens",)
    listed_wires = ("openai", "openai_chat")
    base_path = "/v1"
    variables = ("OPENAI_BASE_URL", "OPENAI_API_KEY")
    ignored_paths = (*IGNORED_PATHS, "$.client_metadata")
    request_id_header = "x-request-id"
    id_paths = ("$.input[*].id", "$.input[*].call_id")

    def read(self, headers: Mapping[str, str], body: JsonObject) -> Conversation:
        """Read a request, or raise the Rejection of the provider."""
        require_key(headers)
        return _conversation(read_body(body))

    def write(self, answer: Answer, request: WireRequest) -> JsonObject:
        """Return an answer in the provider's format."""
        reason = _INCOMPLETE.get(answer.finished_by)
        counts = count_answer(answer, request.conversation)
        return {
            "id": f"resp_{request.seed}",
            "object": "response",
            "created_at": CREATED,
            "status": "incomplete" if reason else "completed",
            "error": None,
            "incomplete_details": {"reason": reason} if reason else None,
            "instructions": request.body.get("instructions"),
            "metadata": request.body.get("metadata") or {},
            "model": request.conversation.model,
            "output": list(_output(answer, request)),
            "parallel_tool_calls": True,
            "service_tier": service_tier(request.body),
            "temperature": request.body.get("temperature"),
            "tool_choice": request.body.get("tool_choice") or "auto",
            "tools": request.body.get("tools") or [],
            "top_p": request.body.get("top_p"),
            "usage": {
                "input_tokens": counts.input,
                "input_tokens_details": {"cached_tokens": counts.cached},
                "output_tokens": counts.output,
                "output_tokens_details": {"reasoning_tokens": counts.reasoning},
                "total_tokens": counts.input + counts.output,
            },
        }

    def wants_stream(self, body: JsonObject, target: str) -> bool:
        """Return whether a request asks for a stream."""
        return body.get("stream") is True

    def stream(self, response: JsonObject) -> Iterator[ServerEvent]:
        """Yield the events of a streamed answer."""
        return _numbered(_events(response))

    def error_events(
        self, rejection: Rejection, sent: Sequence[ServerEvent]
    ) -> Sequence[ServerEvent]:
        """Return the events that end a stream with an error: `error`, then `response.failed`.

        In the provider's reference, an error event contains the fields of the error directly; the
        real provider nests these fields.
        """
        error = write_error(rejection)
        fields = record_at(error, "error")
        brief: Json = {"code": fields["code"] or _NO_CODE, "message": fields["message"]}
        failed: Json = {**record_at(sent[0].data, "response"), "status": "failed", "error": brief}
        ends: list[_Event] = [("error", error), ("response.failed", {"response": failed})]
        return list(_numbered(ends, start=len(sent)))

    def matches_headers(self, headers: Mapping[str, str]) -> bool:
        """Return whether the headers belong to a client of this provider."""
        # Anthropic's clients may also send this header, in addition to one of their own.
        return "authorization" in headers and "anthropic-version" not in headers

    def write_models(self, headers: Mapping[str, str], models: Sequence[str]) -> JsonObject:
        """Return the list of models in the provider's format."""
        require_key(headers)
        listed: Json = [_model(name) for name in models]
        return {"object": "list", "data": listed}

    def write_model(
        self, headers: Mapping[str, str], model: str, models: Sequence[str]
    ) -> JsonObject:
        """Return one model in the provider's format."""
        require_key(headers)
        if model not in models:
            message = f"unknown model {model!r}"
            raise Rejection(404, message, code="model_not_found", param="model")
        return _model(model)

    def read_count(self, headers: Mapping[str, str], body: JsonObject) -> Conversation:
        """Read a request to count tokens, or raise the Rejection of the provider."""
        require_key(headers)
        return _conversation(read_count_body(body))

    def write_count(self, conversation: Conversation) -> JsonObject:
        """Return the count in the provider's format."""
        return {"object": "response.input_tokens", "input_tokens": conversation.tokens}

    def write_error(self, rejection: Rejection) -> JsonObject:
        """Return an error in the provider's format."""
        return write_error(rejection)


def _conversation(request: ResponseBody) -> Conversation:
    turns = join_turns(turn for item in request.items for turn in read_turns(item))
    system = read_system(request)
    return Conversation(OpenAIWire.name, request.model, system, turns, None, *read_tools(request))


def _model(name: str) -> dict[str, Json]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "openai"}


def _output(answer: Answer, request: WireRequest) -> Iterator[Json]:
    if answer.thinking is not None:
        summary: Json = [{"type": "summary_text", "text": answer.thinking}]
        yield _reasoning(f"rs_{request.seed}", answer.thinking, summary, request)
    if answer.redacted_thinking is not None:
        yield _reasoning(f"rs_{request.seed}_hidden", answer.redacted_thinking, [], request)
    if answer.text or not answer.tool_calls:
        text: Json = {"type": "output_text", "text": answer.text, "annotations": []}
        yield {
            "type": "message",
            "id": f"msg_{request.seed}",
            "status": "completed",
            "role": "assistant",
            "content": [text],
        }
    kinds = [tool.get("type") for tool in records_at(request.body, "tools")]
    for number, call in enumerate(answer.tool_calls):
        if call.name == TOOL_SEARCH and TOOL_SEARCH in kinds:
            yield {
                "type": "tool_search_call",
                "id": f"tsc_{request.seed}_{number}",
                "call_id": f"call_{request.seed}_{number}",
                "execution": "client",
                "arguments": arguments_object(call),
                "status": "completed",
            }
            continue
        ids: dict[str, Json] = {"call_id": f"call_{request.seed}_{number}", "name": call.name}
        if namespace := request.conversation.namespaces.get(call.name):
            ids["namespace"] = namespace
        if call.name in request.conversation.custom_tools:
            item_id, given = f"ctc_{request.seed}_{number}", custom_input(call)
            yield {"type": "custom_tool_call", "id": item_id, **ids, "input": given}
            continue
        yield {
            "type": "function_call",
            "id": f"fc_{request.seed}_{number}",
            **ids,
            "arguments": arguments_text(call),
            "status": "completed",
        }


def _reasoning(item_id: str, thinking: str, summary: Json, request: WireRequest) -> Json:
    wanted = request.body.get("include")
    hidden = enclose(thinking) if isinstance(wanted, list) and _ENCRYPTED in wanted else None
    return {"type": "reasoning", "id": item_id, "summary": summary, "encrypted_content": hidden}


_Event: TypeAlias = tuple[str, Mapping[str, Json]]


def _numbered(events: Iterable[_Event], start: int = 0) -> Iterator[ServerEvent]:
    for number, (kind, more) in enumerate(events, start):
        yield ServerEvent({"type": kind, "sequence_number": number, **more}, kind)


def _events(response: JsonObject) -> Iterator[_Event]:
    first: Json = {
        **response,
        "status": "in_progress",
        "incomplete_details": None,
        "output": _NOTHING,
        "usage": None,
    }
    yield "response.created", {"response": first}
    yield "response.in_progress", {"response": first}
    for index, item in enumerate(records_at(response, "output")):
        yield "response.output_item.added", {"output_index": index, "item": _empty_item(item)}
        yield from _content_events(item, {"item_id": item["id"], "output_index": index})
        yield "response.output_item.done", {"output_index": index, "item": dict(item)}
    yield f"response.{response['status']}", {"response": dict(response)}


def _empty_item(item: JsonObject) -> Json:
    """Return an item without the content that later events add."""
    match item["type"]:
        case "reasoning":
            return {**item, "summary": _NOTHING, "encrypted_content": None}
        case "function_call":
            return {**item, "arguments": "", "status": "in_progress"}
        case "custom_tool_call":
            return {**item, "input": ""}
        case "tool_search_call":
            return {**item, "status": "in_progress"}
        case _:
            return {**item, "content": _NOTHING, "status": "in_progress"}


def _content_events(item: JsonObject, place: JsonObject) -> Iterator[_Event]:
    match item["type"]:
        case "reasoning":
            for index, part in enumerate(records_at(item, "summary")):
                yield from _summary_events(part, {**place, "summary_index": index})
        case "function_call":
            arguments = text_at(item, "arguments")
            for piece in in_letters(arguments):
                yield "response.function_call_arguments.delta", {**place, "delta": piece}
            yield "response.function_call_arguments.done", {**place, "arguments": arguments}
        case "custom_tool_call":
            given = text_at(item, "input")
            for piece in in_letters(given):
                yield "response.custom_tool_call_input.delta", {**place, "delta": piece}
            yield "response.custom_tool_call_input.done", {**place, "input": given}
        case _:
            for index, part in enumerate(records_at(item, "content")):
                yield from _text_events(part, {**place, "content_index": index})


def _summary_events(part: JsonObject, place: JsonObject) -> Iterator[_Event]:
    text = text_at(part, "text")
    yield "response.reasoning_summary_part.added", {**place, "part": {**part, "text": ""}}
    for piece in in_words(text):
        yield "response.reasoning_summary_text.delta", {**place, "delta": piece}
    yield "response.reasoning_summary_text.done", {**place, "text": text}
    yield "response.reasoning_summary_part.done", {**place, "part": dict(part)}


def _text_events(part: JsonObject, place: JsonObject) -> Iterator[_Event]:
    text = text_at(part, "text")
    no_logprobs: JsonObject = {"logprobs": _NOTHING}
    yield "response.content_part.added", {**place, "part": {**part, "text": ""}}
    for piece in in_words(text):
        yield "response.output_text.delta", {**place, "delta": piece, **no_logprobs}
    yield "response.output_text.done", {**place, "text": text, **no_logprobs}
    yield "response.content_part.done", {**place, "part": dict(part)}


part = OpenAIWire()
