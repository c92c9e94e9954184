"""Recordings of exchanges with a provider, and their files."""

import base64
import json
import os
import re
from binascii import Error as NotBase64
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, ValidationError, model_validator

from attractor.base.dataclasses import dataclass
from attractor.base.errors import FileError, NotCanonical
from attractor.base.files import file_error, write_fully, write_whole
from attractor.base.json import Json, JsonObject, canonical_json, content_hash, parse_json
from attractor.twins.errors import RecordingError
from attractor.twins.exchange.answer import Reply, ReplyEnd, ScriptTable, streamed, whole
from attractor.twins.exchange.wire import wire_registry
from attractor.twins.recordings.json_diff import (
    MISSING,
    JsonDifference,
    JsonPath,
    request_differences,
)
from attractor.twins.redaction import ApiKeys, hide_in_body, hide_in_events

VERSION = 1
_EVENT_ENDS = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_EVENTS = "text/event-stream"
_HEADERS = frozenset(
    {"content-type", "retry-after", "retry-after-ms", "request-id", "x-request-id"}
)
_HEADER_PREFIXES = (
    "x-ratelimit-",
    "anthropic-ratelimit-",
    "x-should-retry",
    "openai-processing-ms",
)


class BodyPiece(ScriptTable):
    """Some bytes of a response; `at` is in seconds after the request."""

    at: Annotated[float, Field(ge=0, strict=False)]
    text: str | None = None
    base64: str | None = None

    @model_validator(mode="after")
    def _has_one_content(self) -> Self:
        if (self.text is None) == (self.base64 is None):
            raise ValueError("set exactly one of text and base64")
        try:
            _ = self.content
        except (NotBase64, UnicodeEncodeError) as cause:
            raise ValueError(f"invalid content: {cause}") from cause
        return self

    @property
    def content(self) -> bytes:
        """The bytes of the piece."""
        if self.base64 is not None:
            return base64.b64decode(self.base64, validate=True)
        return (self.text or "").encode()


class Recording(ScriptTable):
    """One recorded exchange: a request without API keys, and the response."""

    version: Literal[1]
    wire: str
    method: str = "POST"
    path: str
    query: str = ""
    request: JsonValue = None
    status: int = Field(ge=100, le=599)
    headers: dict[str, str] = {}
    body: Annotated[tuple[BodyPiece, ...], Field(strict=False)] = ()
    ended: Literal["complete", "dropped"] = "complete"

    @property
    def is_stream(self) -> bool:
        """Whether the response is a stream of events."""
        return self.headers.get("content-type", "").startswith(_EVENTS)

    def to_json(self, indent: int | None = None) -> str:
        """Return the recording as JSON, on one line unless indented."""
        record = self.model_dump()
        record["body"] = [piece.model_dump(exclude_none=True) for piece in self.body]
        return json.dumps(record, ensure_ascii=False, indent=indent)


def parse_recording(text: str | bytes, *, place: str) -> Recording:
    """Read a recording, or raise an error with the location of the recording."""
    try:
        return Recording.model_validate(parse_json(text))
    except NotCanonical as cause:
        raise RecordingError(f"{place}: {cause.message}") from cause
    except ValidationError as cause:
        fault = cause.errors()[0]
        key = ".".join(map(str, fault["loc"])) or "it"
        raise RecordingError(f"{place} is not a recording: {key}: {fault['msg']}") from cause


def request_of(body: bytes) -> Json:
    """Return the body of a request: parsed JSON, otherwise text; None if the body is empty."""
    if not body:
        return None
    try:
        value = parse_json(body)
        canonical_json(value)
    except NotCanonical:
        return body.decode("utf-8", "replace")
    return value


def request_key(wire: str, method: str, path: str, request: Json) -> str:
    """Return a lookup key that is equal for requests with equal content; JSON layout is ignored."""
    parts: JsonObject = {"wire": wire, "method": method, "path": path, "request": request}
    return content_hash(canonical_json(parts).encode())


def recorded_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that clients evaluate, without headers that identify an account."""
    lower = {name.lower(): value for name, value in headers.items()}
    return {
        name: value
        for name, value in lower.items()
        if name in _HEADERS or name.startswith(_HEADER_PREFIXES)
    }


def pieces_of(
    chunks: Iterable[tuple[float, bytes]], *, is_stream: bool, keys: ApiKeys
) -> Sequence[BodyPiece]:
    """Return the pieces of a response (events, or the whole body), without API keys."""
    # A key may be split across two chunks.
    if is_stream:
        pieces = list(_events(chunks))
        hidden = hide_in_events([content for _, content in pieces], keys)
    else:
        received = list(chunks)
        body = b"".join(content for _, content in received)
        pieces = [(received[-1][0], body)] if received else []
        hidden = [hide_in_body(content, keys) for _, content in pieces]
    return [_piece(at, content) for (at, _), content in zip(pieces, hidden, strict=True)]


def _events(chunks: Iterable[tuple[float, bytes]]) -> Iterator[tuple[float, bytes]]:
    """Split after every blank line, because chunks may end anywhere."""
    rest, last = b"", 0.0
    for at, content in chunks:
        rest, last = rest + content, at
        while found := _EVENT_ENDS.search(rest):
            yield at, rest[: found.end()]
            rest = rest[found.end() :]
    if rest:
        yield last, rest


def _piece(at: float, content: bytes) -> BodyPiece:
    seconds = round(at, 3)
    try:
        return BodyPiece(at=seconds, text=content.decode())
    except UnicodeDecodeError:
        return BodyPiece(at=seconds, base64=base64.b64encode(content).decode("ascii"))


@dataclass(frozen=True)
class RedactedRequest:
    """A request with its API keys removed; used to find its recorded reply."""

    wire: str
    method: str
    path: str
    request: Json


class Recordings:
    """The recorded replies, by request.

    Requests are equal without the values that mean nothing on their wire and those at the paths in
    `ignore`, with ids numbered in order.
    """

    def __init__(
        self,
        recordings: Mapping[str, Recording],
        *,
        is_paced: bool = False,
        ignore: Sequence[JsonPath] = (),
    ) -> None:
        self._all = recordings
        self._is_paced = is_paced
        self._ignore = ignore
        self._wires = wire_registry()
        self._used = Counter[str]()
        self._by_request: dict[str, list[str]] = defaultdict(list)
        for place, recording in recordings.items():
            self._by_request[self._key(recording)].append(place)

    def __len__(self) -> int:
        return len(self._all)

    def answer(self, redacted: RedactedRequest) -> Reply | None:
        """Return the recorded reply to a request.

        Several replies are returned in order, and the last reply repeatedly.
        """
        key = self._key(redacted)
        places = self._by_request.get(key)
        if not places:
            return None
        place = places[min(self._used[key], len(places) - 1)]
        self._used[key] += 1
        return reply_of(self._all[place], rule=place, is_paced=self._is_paced)

    def refusal(self, redacted: RedactedRequest) -> str:
        """Return a message with the nearest recording and its first difference."""
        message = "no recording of this request"
        request = self._comparable(redacted)
        found = [
            (
                _Distance(
                    redacted,
                    recording,
                    list(request_differences(request, self._comparable(recording))),
                ),
                place,
            )
            for place, recording in self._all.items()
        ]
        if not found:
            return message
        distance, place = min(found, key=lambda pair: pair[0].weight)
        return f"{message}; the nearest is {place}, but {distance}"

    def reset(self) -> None:
        """Start again with the first reply to every request."""
        self._used.clear()

    def _key(self, exchange: RedactedRequest | Recording) -> str:
        return request_key(
            exchange.wire, exchange.method, exchange.path, self._comparable(exchange)
        )

    def _comparable(self, exchange: RedactedRequest | Recording) -> Json:
        """Return the body of a request without what may differ in equal requests."""
        request, wire = exchange.request, self._wires.get(exchange.wire)
        ignored, ids = (wire.ignored_paths, wire.id_paths) if wire else ((), ())
        for path in (*map(_json_path, ignored), *self._ignore):
            request = path.edit(request, lambda value: MISSING)
        numbers: dict[str, str] = {}
        for path in map(_json_path, ids):
            request = path.edit(request, partial(_numbered, numbers))
        return request


_json_path = cache(JsonPath)


def _numbered(numbers: dict[str, str], value: Json) -> Json:
    return numbers.setdefault(value, f"id {len(numbers) + 1}") if isinstance(value, str) else value


def reply_of(recording: Recording, *, rule: str, is_paced: bool) -> Reply:
    """Return the reply of a recording, either without pauses or with the recorded timing."""
    pieces = [piece.content for piece in recording.body]
    if recording.is_stream:
        reply = streamed(pieces, recording.headers, rule=rule)
    else:
        reply = whole(recording.status, b"".join(pieces), recording.headers, rule=rule)
    if is_paced:
        times = [timedelta(seconds=piece.at) for piece in recording.body]
        pauses = [max(after - before, timedelta()) for before, after in pairwise(times)]
        delay = times[0] if times else timedelta()
        reply = replace(reply, delay=delay, pauses=tuple(pauses) if recording.is_stream else ())
    return _with_end(reply, recording)


def _with_end(reply: Reply, recording: Recording) -> Reply:
    reply = replace(reply, status=recording.status)
    if recording.ended == "complete":
        return reply
    headers = dict(reply.headers)
    if not recording.is_stream:
        # The complete length is unknown, but greater than the received length.
        headers["content-length"] = str(len(reply.body) + 1)
    return replace(reply, headers=headers, ending=ReplyEnd.DROPPED)


@dataclass(frozen=True)
class _Distance:
    """The differences between a request and a recorded request."""

    request: RedactedRequest
    recording: Recording
    in_body: Sequence[JsonDifference]

    @property
    def endpoints(self) -> tuple[str, str]:
        """Method and path of both."""
        asked, recorded = self.request, self.recording
        return f"{asked.method} {asked.path}", f"{recorded.method} {recorded.path}"

    @property
    def weight(self) -> tuple[bool, bool, int]:
        """A sort key: another wire or path weighs more than differences in the body."""
        asked, recorded = self.endpoints
        letters = sum(difference.letters for difference in self.in_body)
        return self.request.wire != self.recording.wire, asked != recorded, letters

    def __str__(self) -> str:
        if self.request.wire != self.recording.wire:
            return f"the wire is {self.request.wire}, not {self.recording.wire}"
        asked, recorded = self.endpoints
        if asked != recorded:
            return f"the request is {asked}, not {recorded}"
        return str(self.in_body[0])


_LINES, _SINGLE = ".jsonl", ".json"


_PREFIX = b'{"version": '


class RecordingFile:
    """A file or folder to which recordings are added; each recording is written completely or not
    at all.
    """

    def __init__(self, path: Path) -> None:
        """Check the existing file, so that an error is raised before the first request."""
        self.path = path
        self._is_folder = path.is_dir() or not path.suffix
        if not self._is_folder and path.suffix == _SINGLE:
            hint = f"pass a file name that ends in {_LINES}, or a folder"
            raise RecordingError(f"{path} can only contain one exchange", hint=hint)
        try:
            (path if self._is_folder else path.parent).mkdir(parents=True, exist_ok=True)
            if not self._is_folder and path.exists():
                _read(path, path.name)
                repair_last_line(path, _is_incomplete)
        except OSError as cause:
            raise file_error("write", path, cause) from cause

    def add(self, recording: Recording) -> None:
        """Append a recording."""
        if self._is_folder:
            numbers = [file.name.partition("-")[0] for file in self.path.glob(f"*{_SINGLE}")]
            last = max((int(number) for number in numbers if number.isdecimal()), default=0)
            path = self.path / f"{last + 1:04}-{recording.wire}{_SINGLE}"
            write_whole(path, f"{recording.to_json(indent=1)}\n", sync=False)
            return
        append_line(self.path, recording.to_json())


def load_recordings(path: Path) -> Mapping[str, Recording]:
    """Read recordings in the order of file names and lines."""
    if not path.is_dir():
        recordings = _read(path, path.name)
    else:
        files = sorted(file for file in path.iterdir() if file.suffix in (_LINES, _SINGLE))
        recordings = {
            name: recording for file in files for name, recording in _read(file, file.name).items()
        }
    if not recordings:
        raise RecordingError(f"no recordings in {path}")
    return recordings


def _read(path: Path, name: str) -> Mapping[str, Recording]:
    try:
        content = path.read_bytes()
    except OSError as cause:
        raise FileError(f"cannot read the recordings {path}: {cause}") from cause
    if path.suffix == _SINGLE:
        return {name: parse_recording(content, place=str(path))}
    return {
        f"{name}:{number}": parse_recording(line, place=f"{path}:{number}")
        for number, line in enumerate(complete_lines(content, _is_incomplete), 1)
        if line.strip()
    }


def _is_incomplete(line: bytes) -> bool:
    """Return whether a line is the incomplete beginning of a recording."""
    if not _PREFIX.startswith(line[: len(_PREFIX)]):
        return False
    try:
        parse_recording(line, place="the last line")
    except RecordingError:
        return True
    return False


IsIncomplete = Callable[[bytes], bool]


def append_line(path: Path, line: str) -> None:
    """Append a line."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            write_fully(file, f"{line}\n".encode())
        finally:
            os.close(file)
    except OSError as cause:
        raise file_error("write", path, cause) from cause


def repair_last_line(path: Path, is_incomplete: IsIncomplete) -> None:
    """End the last line with a newline; remove the line if the writer of the line was killed."""
    content = path.read_bytes()
    last = content.rpartition(b"\n")[2]
    if last and is_incomplete(last):
        os.truncate(path, len(content) - len(last))
    elif last:
        with path.open("ab") as file:
            file.write(b"\n")


def complete_lines(content: bytes, is_incomplete: IsIncomplete) -> list[bytes]:
    """Return the lines of a file, without an incomplete last line."""
    *lines, last = content.split(b"\n")
    return lines if is_incomplete(last) else [*lines, last]
