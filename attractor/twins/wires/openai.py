"""OpenAI's Responses API, seen from the provider's side."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from attractor.base.canonical import Json, JsonObject
from attractor.twins.answer import Answer
from attractor.twins.conversation import Conversation, Speaker, Turn, count_tokens, join_turns
from attractor.twins.errors import Rejection
from attractor.twins.seals import enclose, is_intact
from attractor.twins.wire import Asked
from attractor.twins.wires.bodies import arguments_text, check_body, spoken

_ENCRYPTED = "reasoning.encrypted_content"
_TYPES = {429: "requests", 401: "invalid_request_error"}
_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
_UNFINISHED = {"length": "max_output_tokens", "content_filter": "content_filter"}


class _Loose(BaseModel):
    model_config = ConfigDict(extra="allow")


class _Content(_Loose):
    type: str
    text: str = ""


class _Item(_Loose):
    type: str = "message"
    role: str = ""
    content: str | list[_Content] | None = None
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    output: str | list[_Content] = ""
    encrypted_content: str | None = None

    @property
    def text(self) -> str:
        return spoken(self.content or "")


class _Body(_Loose):
    model: str
    input: str | list[_Item]
    instructions: str | None = None
    include: list[str] | None = None
    stream: bool | None = False


class OpenAIWire:
    """Speaks as OpenAI does at POST /v1/responses."""

    name = "openai"
    path = "/v1/responses"
    base_path = "/v1"
    variables = ("OPENAI_BASE_URL", "OPENAI_API_KEY")

    def read(self, headers: Mapping[str, str], body: JsonObject) -> Conversation:
        """Understand a request, or raise the Rejection the provider would answer with."""
        if not headers.get("authorization", "").removeprefix("Bearer").strip():
            raise Rejection(401, "You didn't provide an API key.", code="invalid_api_key")
        asked = check_body(_Body, body)
        if asked.stream:
            raise Rejection(400, "This twin does not stream yet.", code="unsupported_value")
        items = asked.input if isinstance(asked.input, list) else [_user(asked.input)]
        _check_calls(items)
        _check_reasoning(items)
        system = [asked.instructions or "", *(one.text for one in items if _instructs(one))]
        turns = join_turns(turn for one in items for turn in _turns(one))
        return Conversation(self.name, asked.model, "\n".join(filter(None, system)), turns)

    def write(self, answer: Answer, asked: Asked) -> JsonObject:
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

    def write_error(self, rejection: Rejection) -> JsonObject:
        """Write an error as the provider would."""
        fallback = "server_error" if rejection.status >= 500 else "invalid_request_error"
        return {
            "error": {
                "message": rejection.message,
                "type": _TYPES.get(rejection.status, fallback),
                "param": None,
                "code": rejection.code or _CODES.get(rejection.status),
            }
        }


def _user(text: str) -> _Item:
    return _Item(role="user", content=text)


def _instructs(item: _Item) -> bool:
    return item.role in {"system", "developer"}


def _turns(item: _Item) -> Iterator[Turn]:
    if item.type == "function_call_output":
        yield Turn(Speaker.TOOL, spoken(item.output))
    elif item.type == "function_call":
        yield Turn(Speaker.ASSISTANT, f"{item.name}({item.arguments})")
    elif item.role == "user":
        yield Turn(Speaker.USER, item.text)
    elif not _instructs(item):
        yield Turn(Speaker.ASSISTANT, item.text)


def _check_calls(items: Sequence[_Item]) -> None:
    """Every call has its result and every result its call, as the provider wants it."""
    called = {one.call_id for one in items if one.type == "function_call"}
    answered = {one.call_id for one in items if one.type == "function_call_output"}
    for call_id in sorted(called - answered):
        raise Rejection(400, f"No tool output found for function call {call_id}.")
    for call_id in sorted(answered - called):
        raise Rejection(400, f"No tool call found for function call output with call_id {call_id}.")


def _check_reasoning(items: Sequence[_Item]) -> None:
    for index, one in enumerate(items):
        if one.type == "reasoning" and not is_intact(one.encrypted_content or ""):
            raise Rejection(
                400,
                f"The encrypted content of input[{index}] could not be verified.",
                code="invalid_encrypted_content",
            )


def _output(answer: Answer, asked: Asked) -> Iterator[Json]:
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


def _reasoning(item_id: str, thinking: str, summary: Json, asked: Asked) -> Json:
    wanted = asked.body.get("include")
    hidden = enclose(thinking) if isinstance(wanted, list) and _ENCRYPTED in wanted else None
    return {"type": "reasoning", "id": item_id, "summary": summary, "encrypted_content": hidden}


def _usage(answer: Answer, conversation: Conversation) -> Json:
    given = answer.usage
    thought = count_tokens(answer.thinking or "") if given.reasoning is None else given.reasoning
    said = answer.text + "".join(map(arguments_text, answer.tool_calls))
    spent = conversation.tokens if given.input is None else given.input
    made = thought + count_tokens(said) if given.output is None else given.output
    return {
        "input_tokens": spent,
        "input_tokens_details": {"cached_tokens": given.cache_read},
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": spent + made,
    }


part = OpenAIWire()
