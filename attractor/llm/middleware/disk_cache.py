"""Caches answers on disk, so that a repeated request is answered without a provider."""

import json
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Literal, cast, get_args

from attractor.base.dataclasses import dataclass
from attractor.base.errors import FileError, NotCanonical
from attractor.base.files import make_private_folder, reason_of, write_whole
from attractor.base.json import Json, canonical_json, content_hash, parse_json
from attractor.llm.client import Complete, Stream
from attractor.llm.errors import ConfigurationError, InvalidRequestError, NotCachedError
from attractor.llm.messages import AudioData, DocumentData, ImageData, inline
from attractor.llm.request import Request
from attractor.llm.response import Response, Warning
from attractor.llm.stream_events import StreamAccumulator, StreamEvent, StreamEventType, replay

_NOT_HASHED = ("provider", "model")


@dataclass(frozen=True)
class RequestDigest:
    """The hash of a request, and the hashes of its fields and messages.

    The hashes of fields and messages show where two requests differ.
    """

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
            pairs = enumerate(zip(value, other, strict=False), 1)
            different = [number for number, (message, earlier) in pairs if message != earlier]
            names += [f"message {number} of {len(value)}" for number in different]
            if len(value) != len(other):
                names.append(f"the number of messages ({len(value)}, cached: {len(other)})")
        elif value != other:
            names.append(f"{name} (cached: {other})" if name in _NOT_HASHED else name)
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
    """Return media with the hash of the content in place of the path."""
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


_VERSION = 2
_ENDING = ".answer.json"
_MOST_COMPARED = 500
_LONGEST_HEAD = 4_000_000
_MODE = 0o600


@dataclass(frozen=True)
class CacheEntry:
    """The cached answer of a request, if any, and the fault of the cache file, if any."""

    answer: Response | None = None
    fault: str = ""


class AnswerFiles:
    """The answers in a folder, one file each.

    Several processes can use the folder at the same time. The name of a file is the hash of the
    request. The first line of a file is a header, the second line is the answer. Files are never
    changed.
    """

    def __init__(self, folder: str | Path) -> None:
        try:
            is_path = b"\0" not in os.fsencode(folder)
        except UnicodeEncodeError:
            is_path = False
        if not is_path:
            raise ConfigurationError(
                f"invalid folder name {str(folder)!r}", hint="use characters allowed in paths"
            )
        self.folder = Path(folder)

    def find(self, key: str) -> CacheEntry:
        """Return the entry of a request."""
        path = self._path(key)
        try:
            text = path.read_bytes().decode()
        except (FileNotFoundError, NotADirectoryError):
            return CacheEntry()
        except OSError as cause:
            return CacheEntry(fault=f"cannot read {path}: {reason_of(cause)}")
        except UnicodeDecodeError:
            return CacheEntry(fault=f"{path} is corrupt")
        return _read(text, key, path)

    def store(self, digest: RequestDigest, answer: Response) -> None:
        """Write an answer atomically, readable by the owner only."""
        # Lone surrogates are escaped, so that nothing is lost.
        body = json.dumps(answer.to_dict(), separators=(",", ":"))
        head = {
            "attractor_answer": _VERSION,
            "key": digest.key,
            "sha256": content_hash(body.encode()),
            "request": digest.fields,
        }
        make_private_folder(self.folder)
        text = f"{json.dumps(head, separators=(',', ':'))}\n{body}\n"
        # Not synced: an answer lost by a power failure is only requested again.
        write_whole(self._path(digest.key), text, sync=False, mode=_MODE)

    def nearest_differences(self, digest: RequestDigest) -> Sequence[str] | None:
        """Return the differences to the most similar cached request; None if the cache is empty."""
        try:
            files = [file for file in os.scandir(self.folder) if file.name.endswith(_ENDING)]
            files.sort(key=lambda file: file.stat().st_mtime, reverse=True)
        except OSError:
            return None
        newest = [_read_digest(Path(file.path)) for file in files[:_MOST_COMPARED]]
        found = [differences(digest.fields, cached) for cached in newest if cached]
        return min(found, key=len, default=None)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{_ENDING}"


def _read(text: str, key: str, path: Path) -> CacheEntry:
    first, _, rest = text.partition("\n")
    body = rest.removesuffix("\n")
    try:
        head = parse_json(first)
        if isinstance(head, dict) and head.get("attractor_answer", _VERSION) != _VERSION:
            return CacheEntry(fault=f"{path} has an unsupported version")
        hashes = (head.get("key"), head.get("sha256")) if isinstance(head, dict) else ()
        if hashes == (key, content_hash(body.encode())):
            return CacheEntry(Response.from_dict(json.loads(body)))
    except (NotCanonical, ConfigurationError, ValueError, TypeError, RecursionError):
        pass
    return CacheEntry(fault=f"{path} is corrupt")


def _read_digest(path: Path) -> Mapping[str, Json]:
    try:
        with path.open("rb") as file:
            head = parse_json(file.readline(_LONGEST_HEAD))
    except (OSError, NotCanonical):
        return {}
    digest = head.get("request") if isinstance(head, dict) else None
    return digest if isinstance(digest, dict) else {}


CacheMode = Literal["read_write", "read_only", "refresh"]
"""read_write: use and add answers; read_only: only use answers; refresh: request and replace all
answers.
"""

_MOST_NAMED = 5
_HIT = Warning("the answer comes from the cache: this call used no tokens", "cache_hit")


@dataclass(frozen=True)
class _Lookup:
    """The digest of a request, its cached answer, and warnings about the cache."""

    digest: RequestDigest
    answer: Response | None = None
    warnings: Sequence[Warning] = ()


class DiskCache:
    """Answers repeated requests from a folder; with `read_only`, new requests are rejected.

    Two requests are the same if everything is equal: provider, model, messages, tools, options, and
    the content of images. Errors and interrupted streams are not cached. A cached answer has the
    warning `cache_hit`.
    """

    def __init__(self, folder: str | Path, *, mode: CacheMode = "read_write") -> None:
        if mode not in get_args(CacheMode):
            raise ConfigurationError(
                f"unknown cache mode {mode!r}", hint=f"use one of {', '.join(get_args(CacheMode))}"
            )
        self._files = AnswerFiles(folder)
        self._mode = mode
        self.hits = 0
        self.misses = 0

    async def __call__(self, request: Request, next: Complete) -> Response:
        """Return the cached answer, or call the model and cache the answer of the model."""
        lookup = self._look_up(request)
        if lookup.answer is not None:
            return lookup.answer
        response = await next(request)
        return response.with_warnings([*lookup.warnings, *self._store(lookup.digest, response)])

    async def stream(self, request: Request, next: Stream) -> AsyncGenerator[StreamEvent]:
        """Stream the cached answer, or stream from the model and cache the complete answer."""
        lookup = self._look_up(request)
        if lookup.answer is not None:
            for event in replay(lookup.answer):
                yield event
            return
        answer = StreamAccumulator()
        async for event in next(request):
            answer.process(event)
            event_with_warnings = event.with_warnings(lookup.warnings)
            if event.type == StreamEventType.FINISH:
                response = answer.response()
                warnings = [*lookup.warnings, *self._store(lookup.digest, response)]
                event_with_warnings = replace(
                    event_with_warnings, response=response.with_warnings(warnings)
                )
            yield event_with_warnings

    def _look_up(self, request: Request) -> _Lookup:
        digest = digest_of(request)
        if self._mode == "refresh":
            self.misses += 1
            return _Lookup(digest)
        entry = self._files.find(digest.key)
        if entry.answer is not None:
            self.hits += 1
            return _Lookup(digest, entry.answer.with_warnings([_HIT]))
        self.misses += 1
        if self._mode == "read_only":
            raise self._not_cached(request, digest, entry.fault)
        message = f"a cached answer was requested again: {entry.fault}"
        return _Lookup(digest, None, [Warning(message, "cache_damaged")] if entry.fault else ())

    def _store(self, digest: RequestDigest, response: Response) -> Sequence[Warning]:
        """Cache an answer, or return a warning."""
        if response.finish_reason.reason == "error":
            # A retry would get the same error again.
            return ()
        try:
            self._files.store(digest, response)
        except FileError as error:
            return [Warning(f"the answer is not cached: {error.message}", "cache_not_written")]
        except (TypeError, ValueError, RecursionError) as cause:
            return [Warning(f"the answer is not cached: {cause}", "cache_not_written")]
        return ()

    def _not_cached(self, request: Request, digest: RequestDigest, fault: str) -> NotCachedError:
        name = f"{request.provider}/{request.model}"
        near = self._files.nearest_differences(digest)
        if fault:
            reason = fault
        elif near is None:
            reason = f"{self._files.folder} is empty"
        else:
            more = f" and {len(near) - _MOST_NAMED} more" if len(near) > _MOST_NAMED else ""
            reason = (
                f"the most similar cached request differs in {', '.join(near[:_MOST_NAMED])}{more}"
            )
        return NotCachedError(f"no cached answer for this request to {name}: {reason}")
