"""Functions shared by the wires: checks of request bodies, sealed thoughts and token counts.

A twin rejects the same requests as the provider, with the provider's status, code and type. The
messages are the twin's own, because no client depends on them.
"""

import base64
import hashlib
import json
import re
from collections.abc import Collection, Sequence
from typing import NamedTuple, NoReturn, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject, parse_object
from attractor.twins.errors import Rejection
from attractor.twins.exchange.answer import Answer, ToolUse
from attractor.twins.exchange.wire import Conversation, count_tokens

B = TypeVar("B", bound=BaseModel)


class _TextPart(Protocol):
    text: str


def reject(place: str, problem: str, *, code: str | None = None) -> NoReturn:
    """Reject a request with status 400 and the place of the problem."""
    raise Rejection(400, f"{place}: {problem}", code=code)


def check_fields(body: JsonObject, known: Collection[str], *, code: str | None = None) -> None:
    """Reject a body with a field that the API does not have."""
    for name in body:
        if name not in known:
            raise Rejection(400, f"{name}: unknown field", code=code, param=name)


def check_body(model: type[B], body: JsonObject) -> B:
    """Return the typed body, or reject the body and name the invalid field."""
    try:
        return model.model_validate(body, strict=True)
    except ValidationError as cause:
        error = cause.errors()[0]
        # The names of our own classes mean nothing to a client.
        problem = re.sub(r" or instance of \w+", "", error["msg"])
        raise Rejection(400, f"{'.'.join(map(str, error['loc']))}: {problem}") from cause


def check_call_ids(calls: Collection[str], results: Collection[str]) -> None:
    """Reject a tool call without a result, and a tool result without a call."""
    for call_id in sorted({*calls} - {*results}):
        raise Rejection(400, f"the tool call {call_id!r} has no result")
    for call_id in sorted({*results} - {*calls}):
        raise Rejection(400, f"the tool result {call_id!r} has no call")


def joined_text(content: str | Sequence[_TextPart]) -> str:
    """Return the text of a content (a string or a list of parts)."""
    return content if isinstance(content, str) else "\n".join(part.text for part in content)


def arguments_text(call: ToolUse) -> str:
    """Return the arguments of a call as the text that a provider sends."""
    if call.raw_arguments is not None:
        return call.raw_arguments
    return json.dumps(call.arguments, ensure_ascii=False)


def custom_input(call: ToolUse) -> str:
    """Return the text that a custom tool gets: `raw_arguments`, or the only text in the arguments,
    so that one rule can call a custom tool and a function with one parameter.
    """
    values = list(call.arguments.values())
    if call.raw_arguments is None and len(values) == 1 and isinstance(values[0], str):
        return values[0]
    return arguments_text(call)


def arguments_object(call: ToolUse) -> dict[str, Json]:
    """Return the arguments of a call as the object that a provider sends, or raise an error about
    the script.
    """
    if call.raw_arguments is None:
        return dict(call.arguments)
    value = parse_object(call.raw_arguments)
    if value is None:
        raise Rejection(
            500, f"the raw_arguments of {call.name} in the script are not a JSON object"
        )
    return value


IMAGES = ("image/gif", "image/jpeg", "image/png", "image/webp")
_DATA, _BASE64 = "data:", ";base64"


class DataUrl(NamedTuple):
    """The media type of a `data:` URL, and whether the content of the URL is valid base64."""

    media_type: str
    is_base64: bool


def is_base64(data: str) -> bool:
    """Return whether a text is base64 and not empty."""
    try:
        return bool(base64.b64decode(data, validate=True))
    except ValueError:
        return False


def read_data_url(url: str) -> DataUrl | None:
    """Return the parts of a `data:` URL, None for any other URL."""
    if not url.startswith(_DATA):
        return None
    head, _, body = url.removeprefix(_DATA).partition(",")
    media_type, _, _ = head.partition(";")
    return DataUrl(media_type, head.endswith(_BASE64) and is_base64(body))


def is_web_url(url: str) -> bool:
    """Return whether a provider would fetch from a URL."""
    return url.startswith(("http://", "https://"))


@dataclass(frozen=True)
class TokenCounts:
    """The tokens of the prompt and of the output.

    The prompt includes the cached tokens, the output includes the tokens of thoughts.
    """

    input: int
    cached: int
    output: int
    reasoning: int


def count_answer(answer: Answer, conversation: Conversation) -> TokenCounts:
    """Return the usage that the script sets; missing numbers are counted."""
    usage = answer.usage
    thinking = count_tokens(answer.thinking or "") if usage.reasoning is None else usage.reasoning
    text = answer.text + "".join(map(arguments_text, answer.tool_calls))
    output = thinking + count_tokens(text) if usage.output is None else usage.output
    return TokenCounts(usage.whole_input(conversation.tokens), usage.cache_read, output, thinking)


_SALT = b"attractor provider twin\0"


def seal(text: str) -> str:
    """Return the digest of a thought, to detect a changed thought."""
    digest = hashlib.sha256(_SALT + text.encode("utf-8", "surrogatepass")).digest()
    return base64.b64encode(digest).decode("ascii")


def enclose(text: str) -> str:
    """Return a thought in base64, with its digest."""
    encoded = base64.b64encode(text.encode("utf-8", "surrogatepass")).decode("ascii")
    return f"{encoded}.{seal(text)}"


def is_intact(enclosed: str) -> bool:
    """Return whether an enclosed thought is unchanged."""
    encoded, _, digest = enclosed.partition(".")
    try:
        text = base64.b64decode(encoded, validate=True).decode("utf-8", "surrogatepass")
    except ValueError:
        return False
    return enclosed == enclose(text) and bool(digest)
