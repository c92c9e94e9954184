"""Checks a request's body and reads what is spoken in it, on any wire."""

import json
import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from attractor.base.errors import NotCanonical
from attractor.base.json import Json, JsonObject, parse_json
from attractor.twins.answer import ToolUse
from attractor.twins.errors import Rejection

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
