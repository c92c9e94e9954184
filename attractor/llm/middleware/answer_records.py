"""Records of answers as JSON, and digests of requests, for the cache on disk."""

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
    inline,
)
from attractor.llm.request import Request
from attractor.llm.response import FinishReason, RateLimitInfo, Response, Usage, Warning

_RECORDS: tuple[type[Any], ...] = (
    *(Response, FinishReason, Usage, Warning, RateLimitInfo, Message, ContentPart),
    *(ImageData, AudioData, DocumentData, ToolCallData, ToolResultData, ThinkingData),
    ProviderData,
)
_ENUMS: tuple[type[StrEnum], ...] = (Role, ContentKind)
_TYPES: Mapping[str, type[Any]] = {record.__name__: record for record in (*_RECORDS, *_ENUMS)}
# The key for the name of a type that does not exist in JSON.
_TYPE = "is"


def write_answer(response: Response) -> str:
    """Return an answer as one line of JSON, or raise ValueError or TypeError."""
    # Lone surrogates are escaped, so that nothing is lost.
    return json.dumps(_to_json(response), default=dict, separators=(",", ":"))


def read_answer(text: str) -> Response:
    """Return the answer of a record, equal to the one that was written."""
    response = json.loads(text, object_hook=_from_json)
    if not isinstance(response, Response):
        raise ValueError("not a record of an answer")
    return response


def _to_json(value: object) -> object:
    match value:
        case StrEnum():
            return {_TYPE: type(value).__name__, "value": value.value}
        case bytes():
            return {_TYPE: "bytes", "value": base64.b64encode(value).decode("ascii")}
        case datetime():
            return {_TYPE: "datetime", "value": value.isoformat()}
        case Mapping():
            # As a text, because a provider's JSON may look like a record.
            return {_TYPE: "json", "value": json.dumps(value, default=dict)}
        case tuple():
            items = cast(tuple[object, ...], value)
            return {_TYPE: "tuple", "value": [_to_json(item) for item in items]}
        case list():
            return [_to_json(item) for item in cast(list[object], value)]
        case _ if is_dataclass(value):
            members = {
                field.name: _to_json(getattr(value, field.name))
                for field in fields(value)
                if not _is_default(getattr(value, field.name), field)
            }
            return {_TYPE: type(value).__name__, **members}
        case _:
            return value


def _is_default(value: object, field: Field[Any]) -> bool:
    return (
        field.default is not MISSING
        and type(value) is type(field.default)
        and (value == field.default)
    )


def _from_json(record: dict[str, Any]) -> object:
    name = record.pop(_TYPE)
    match name:
        case "bytes":
            return base64.b64decode(record["value"], validate=True)
        case "datetime":
            return datetime.fromisoformat(record["value"])
        case "json":
            return json.loads(record["value"])
        case "tuple":
            return tuple(record["value"])
        case _:
            record_type = _TYPES[name]
            if issubclass(record_type, StrEnum):
                return record_type(record["value"])
            return record_type(**record)


_NOT_HASHED = ("provider", "model")


@dataclass(frozen=True)
class RequestDigest:
    """The hash of a request, and hashes of its fields and messages to find differences."""

    key: str
    fields: Mapping[str, Json]


def digest_of(request: Request) -> RequestDigest:
    """Return the digest of a request; equal requests have equal digests in every process."""
    try:
        plain = {field.name: _plain(getattr(request, field.name)) for field in fields(request)}
        hashes = {name: _digest(name, value) for name, value in plain.items() if value is not None}
        return RequestDigest(content_hash(canonical_json(hashes).encode()), hashes)
    except NotCanonical as cause:
        raise InvalidRequestError(
            f"cannot hash the request: {cause.message}", provider=request.provider or ""
        ) from cause


def differences(request: Mapping[str, Json], cached: Mapping[str, Json]) -> Sequence[str]:
    """Return the names of the different fields and messages of two digests."""
    names: list[str] = []
    for name in sorted({*request, *cached}):
        value, other = request.get(name), cached.get(name)
        if name == "messages" and isinstance(value, list) and isinstance(other, list):
            names += _different_messages(value, other)
        elif value != other:
            names.append(f"{name} (cached: {other})" if name in _NOT_HASHED else name)
    return names


def _different_messages(request: Sequence[Json], cached: Sequence[Json]) -> Sequence[str]:
    names = [
        f"message {number} of {len(request)}"
        for number, (message, other) in enumerate(zip(request, cached, strict=False), 1)
        if message != other
    ]
    if len(request) != len(cached):
        names.append(f"the number of messages ({len(request)}, cached: {len(cached)})")
    return names


def _digest(name: str, value: Json) -> Json:
    if name in _NOT_HASHED:
        return value
    if name == "messages" and isinstance(value, list):
        return [_hash(message) for message in value]
    return _hash(value)


def _hash(value: Json) -> str:
    return content_hash(canonical_json(value).encode())


def _plain(value: object) -> Json:
    """Return a value as JSON, with tuples as lists and bytes as their hash."""
    if isinstance(value, ImageData | AudioData | DocumentData):
        return _media(value)
    if isinstance(value, bytes):
        return {"sha256": content_hash(value)}
    if isinstance(value, Mapping):
        members = cast(Mapping[str, object], value)
        return {key: _plain(member) for key, member in members.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast(Sequence[object], value)]
    if is_dataclass(value):
        members = {field.name: getattr(value, field.name) for field in fields(value)}
        return {key: _plain(member) for key, member in members.items() if member is not None}
    return str(value) if isinstance(value, str | Path) else cast(Json, value)


def _media(media: ImageData | AudioData | DocumentData) -> Json:
    """Return media with the hash of their content in place of the path, which models do not see."""
    try:
        content = inline(media)
    except ConfigurationError:
        # Raised again when the request is sent.
        content = None
    record: dict[str, Json] = {"media_type": media.media_type}
    if isinstance(media, ImageData):
        record["detail"] = media.detail
    if isinstance(media, DocumentData):
        record["file_name"] = media.file_name
    if content is None:
        return {**record, "url": media.url}
    sha256 = content_hash(content.data.encode())
    return {**record, "media_type": content.media_type, "sha256": sha256}
