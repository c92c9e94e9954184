"""Writes an answer as JSON, and reads the very same answer back: every kind of content, every byte.

What JSON has no word for says what it `is`. A provider's own JSON stays as it came, in its order.

Tells two requests apart by a hash of all they hold: what is asked, of whom, and with what.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.json import Json, canonical_json, content_hash
from attractor.llm.errors import ConfigurationError, InvalidRequestError
from attractor.llm.media import inline
from attractor.llm.messages import (
    AudioData,
    ContentKind,
    ContentPart,
    DocumentData,
    ImageData,
    Message,
    ProviderData,
    Role,
    ThinkingData,
    ToolCallData,
    ToolResultData,
)
from attractor.llm.request import Request
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


_IN_CLEAR = ("provider", "model")


@dataclass(frozen=True)
class Digest:
    """A request as a hash, with one for each field and each message, to say what differs."""

    key: str
    fields: Mapping[str, Json]


def digest_of(request: Request) -> Digest:
    """Return the digest of a request; equal requests have equal ones, in whatever process."""
    try:
        plain = {one.name: _plain(getattr(request, one.name)) for one in fields(request)}
        told = {name: _told(name, value) for name, value in plain.items() if value is not None}
        return Digest(content_hash(canonical_json(told).encode()), told)
    except NotCanonical as cause:
        raise InvalidRequestError(
            f"the request has no hash: {cause.message}", provider=request.provider or ""
        ) from cause


def differences(asked: Mapping[str, Json], kept: Mapping[str, Json]) -> Sequence[str]:
    """Name what differs between two requests, the messages one by one."""
    found: list[str] = []
    for name in sorted({*asked, *kept}):
        one, other = asked.get(name), kept.get(name)
        if name == "messages" and isinstance(one, list) and isinstance(other, list):
            found += _different_messages(one, other)
        elif one != other:
            found.append(f"{name} ({other} is kept)" if name in _IN_CLEAR else name)
    return found


def _different_messages(asked: Sequence[Json], kept: Sequence[Json]) -> Sequence[str]:
    found = [
        f"message {number} of {len(asked)}"
        for number, (one, other) in enumerate(zip(asked, kept, strict=False), 1)
        if one != other
    ]
    if len(asked) != len(kept):
        found.append(f"the number of messages ({len(kept)} are kept, {len(asked)} are asked)")
    return found


def _told(name: str, value: Json) -> Json:
    if name in _IN_CLEAR:
        return value
    if name == "messages" and isinstance(value, list):
        return [_hash(one) for one in value]
    return _hash(value)


def _hash(value: Json) -> str:
    return content_hash(canonical_json(value).encode())


def _plain(value: object) -> Json:
    """Return a value as JSON in which lists and tuples are one and bytes are their hash."""
    if isinstance(value, ImageData | AudioData | DocumentData):
        return _media(value)
    if isinstance(value, bytes):
        return {"sha256": content_hash(value)}
    if isinstance(value, Mapping):
        members = cast(Mapping[str, object], value)
        return {key: _plain(one) for key, one in members.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in cast(Sequence[object], value)]
    if is_dataclass(value):
        members = {one.name: getattr(value, one.name) for one in fields(value)}
        return {key: _plain(one) for key, one in members.items() if one is not None}
    return str(value) if isinstance(value, str | Path) else cast(Json, value)


def _media(media: ImageData | AudioData | DocumentData) -> Json:
    """A file goes by what is in it: that is what a model sees."""
    try:
        found = inline(media)
    except ConfigurationError:
        # Whoever sends it says what is wrong with it.
        found = None
    told: dict[str, Json] = {"media_type": media.media_type}
    if isinstance(media, ImageData):
        told["detail"] = media.detail
    if isinstance(media, DocumentData):
        told["file_name"] = media.file_name
    if found is None:
        return {**told, "url": media.url}
    return {**told, "media_type": found.media_type, "sha256": content_hash(found.data.encode())}
