"""Writes an answer as JSON, and reads the very same answer back: every kind of content, every byte.

What JSON has no word for says what it `is`. A provider's own JSON stays as it came, in its order.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from attractor.llm.content import (
    AudioData,
    ContentKind,
    ContentPart,
    DocumentData,
    ImageData,
    ProviderData,
    ThinkingData,
    ToolCallData,
    ToolResultData,
)
from attractor.llm.message import Message, Role
from attractor.llm.response import FinishReason, RateLimitInfo, Response, Usage, Warning

_RECORDS: tuple[type[Any], ...] = (
    *(Response, FinishReason, Usage, Warning, RateLimitInfo, Message, ContentPart),
    *(ImageData, AudioData, DocumentData, ToolCallData, ToolResultData, ThinkingData),
    ProviderData,
)
_WORDS: tuple[type[StrEnum], ...] = (Role, ContentKind)
_KINDS: Mapping[str, type[Any]] = {one.__name__: one for one in (*_RECORDS, *_WORDS)}
_IS = "is"


def write_answer(response: Response) -> str:
    """Return an answer as one line of JSON; raises ValueError or TypeError for what has no form."""
    # Half characters pass as escapes, so that nothing a provider may say is lost.
    return json.dumps(_written(response), default=dict, separators=(",", ":"))


def read_answer(text: str) -> Response:
    """Read an answer back that `write_answer` wrote."""
    response = json.loads(text, object_hook=_read)
    if not isinstance(response, Response):
        raise ValueError("this is no answer")
    return response


def _written(value: object) -> object:
    match value:
        case StrEnum():
            return {_IS: type(value).__name__, "value": value.value}
        case bytes():
            return {_IS: "bytes", "value": base64.b64encode(value).decode("ascii")}
        case datetime():
            return {_IS: "datetime", "value": value.isoformat()}
        case Mapping():
            # As a text: what a provider wrote may look like one of ours.
            return {_IS: "json", "value": json.dumps(value, default=dict)}
        case tuple():
            items = cast(tuple[object, ...], value)
            return {_IS: "tuple", "value": [_written(one) for one in items]}
        case list():
            return [_written(one) for one in cast(list[object], value)]
        case _ if is_dataclass(value):
            members = {one.name: getattr(value, one.name) for one in fields(value)}
            told = {
                one.name: _written(members[one.name])
                for one in fields(value)
                if not _is_default(members[one.name], one)
            }
            return {_IS: type(value).__name__, **told}
        case _:
            return value


def _is_default(value: object, field: Field[Any]) -> bool:
    return (
        field.default is not MISSING
        and type(value) is type(field.default)
        and (value == field.default)
    )


def _read(record: dict[str, Any]) -> object:
    kind = record.pop(_IS)
    match kind:
        case "bytes":
            return base64.b64decode(record["value"], validate=True)
        case "datetime":
            return datetime.fromisoformat(record["value"])
        case "json":
            return json.loads(record["value"])
        case "tuple":
            return tuple(record["value"])
        case _:
            made = _KINDS[kind]
            return made(record["value"]) if issubclass(made, StrEnum) else made(**record)
