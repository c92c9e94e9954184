"""Shared by the wires: checks of a request's body, sealed thoughts and token counts."""

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.json import Json, JsonObject, parse_json
from attractor.twins.errors import Rejection
from attractor.twins.exchange.answer import Answer, ToolUse
from attractor.twins.exchange.conversation import Conversation, count_tokens

B = TypeVar("B", bound=BaseModel)


class _Spoken(Protocol):
    text: str


def unknown_fields(body: JsonObject, known: AbstractSet[str]) -> Sequence[str]:
    """Return the fields of a body that its interface does not have."""
    return [name for name in body if name not in known]


def check_body(model: type[B], body: JsonObject) -> B:
    """Return the body with its types, or refuse it and name the field that is wrong."""
    try:
        return model.model_validate(body, strict=True)
    except ValidationError as cause:
        fault = cause.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        # What our own types are called is nobody's business.
        told = re.sub(r" or instance of \w+", "", fault["msg"])
        raise Rejection(400, f"{place}: {told}") from cause


def spoken(content: str | Sequence[_Spoken]) -> str:
    """Return the text of some content, given as a text or as a list of parts."""
    return content if isinstance(content, str) else "\n".join(one.text for one in content)


def arguments_text(call: ToolUse) -> str:
    """Return a call's arguments as the text a provider sends."""
    if call.raw_arguments is not None:
        return call.raw_arguments
    return json.dumps(call.arguments, ensure_ascii=False)


def arguments_object(call: ToolUse) -> dict[str, Json]:
    """Return a call's arguments as the object a provider sends, or blame the script."""
    if call.raw_arguments is None:
        return dict(call.arguments)
    try:
        value = parse_json(call.raw_arguments)
    except NotCanonical:
        value = None
    if not isinstance(value, dict):
        raise Rejection(500, f"the script's raw_arguments of {call.name} cannot be said here")
    return value


IMAGES = ("image/gif", "image/jpeg", "image/png", "image/webp")


_DATA, _BASE64 = "data:", ";base64"


class DataUrl(NamedTuple):
    """What a `data:` address says it is, and whether its content is base64."""

    media_type: str
    is_base64: bool


def is_base64(data: str) -> bool:
    """Tell whether a text is something in base64."""
    try:
        return bool(base64.b64decode(data, validate=True))
    except ValueError:
        return False


def read_data_url(url: str) -> DataUrl | None:
    """Return what a `data:` address says, None when it is another one."""
    if not url.startswith(_DATA):
        return None
    head, _, body = url.removeprefix(_DATA).partition(",")
    media_type, _, _ = head.partition(";")
    return DataUrl(media_type, head.endswith(_BASE64) and is_base64(body))


def is_fetched(url: str) -> bool:
    """Tell whether a provider would fetch from an address."""
    return url.startswith(("http://", "https://"))


@dataclass(frozen=True)
class TokenCounts:
    """The whole prompt, what of it was cached, all that was made, and what of that was thought."""

    spent: int
    cached: int
    made: int
    thought: int


def count_answer(answer: Answer, conversation: Conversation) -> TokenCounts:
    """Count what the script does not say."""
    given = answer.usage
    thought = count_tokens(answer.thinking or "") if given.reasoning is None else given.reasoning
    said = answer.text + "".join(map(arguments_text, answer.tool_calls))
    spent = given.spent(conversation.tokens)
    made = thought + count_tokens(said) if given.output is None else given.output
    return TokenCounts(spent, given.cache_read, made, thought)


_SALT = b"attractor provider twin\0"


def seal(text: str) -> str:
    """Return the seal of a text: the same every time, and of no other text."""
    digest = hashlib.sha256(_SALT + text.encode("utf-8", "surrogatepass")).digest()
    return base64.b64encode(digest).decode("ascii")


def enclose(text: str) -> str:
    """Return a text that cannot be read at a glance, with its seal."""
    hidden = base64.b64encode(text.encode("utf-8", "surrogatepass")).decode("ascii")
    return f"{hidden}.{seal(text)}"


def is_intact(enclosed: str) -> bool:
    """Tell whether an enclosed text is just as it was made."""
    hidden, _, found = enclosed.partition(".")
    try:
        text = base64.b64decode(hidden, validate=True).decode("utf-8", "surrogatepass")
    except ValueError:
        return False
    return enclosed == enclose(text) and bool(found)
