"""Recorded exchanges with a provider, and the replies made from them."""

import base64
import json
import re
from binascii import Error as NotBase64
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import islice, pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, ValidationError, model_validator

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.json import Json, JsonObject, canonical_json, content_hash, parse_json
from attractor.twins.errors import RecordingError
from attractor.twins.exchange.answer import ScriptTable
from attractor.twins.exchange.reply import Reply, ReplyEnd, streamed, whole
from attractor.twins.recordings.json_diff import differences
from attractor.twins.recordings.redaction import HiddenKeys, hide_in_body, hide_in_events

VERSION = 1


_EVENT_ENDS = re.compile(rb"\r\n\r\n|\n\n|\r\r")


_EVENTS = "text/event-stream"


_KEPT = frozenset({"content-type", "retry-after", "retry-after-ms", "request-id", "x-request-id"})


_KEPT_TOO = ("x-ratelimit-", "anthropic-ratelimit-", "x-should-retry", "openai-processing-ms")


class Piece(ScriptTable):
    """Some bytes of an answer, and how many seconds after the request they came."""

    at: Annotated[float, Field(ge=0, strict=False)]
    text: str | None = None
    base64: str | None = None

    @model_validator(mode="after")
    def _says_one(self) -> Self:
        if (self.text is None) == (self.base64 is None):
            raise ValueError("a piece has either `text` or `base64`")
        try:
            _ = self.content
        except (NotBase64, UnicodeEncodeError) as cause:
            raise ValueError(f"no bytes: {cause}") from cause
        return self

    @property
    def content(self) -> bytes:
        """Its bytes."""
        if self.base64 is not None:
            return base64.b64decode(self.base64, validate=True)
        return (self.text or "").encode()


class Recording(ScriptTable):
    """One exchange: a request without its keys, and the answer it got."""

    version: Literal[1]
    wire: str
    method: str = "POST"
    path: str
    query: str = ""
    request: JsonValue = None
    status: int = Field(ge=100, le=599)
    headers: dict[str, str] = {}
    body: Annotated[tuple[Piece, ...], Field(strict=False)] = ()
    ended: Literal["complete", "dropped"] = "complete"

    @property
    def is_stream(self) -> bool:
        """Whether it was answered event by event."""
        return self.headers.get("content-type", "").startswith(_EVENTS)

    def written(self, indent: int | None = None) -> str:
        """Return it as JSON: on one line unless it is indented."""
        told = self.model_dump()
        told["body"] = [one.model_dump(exclude_none=True) for one in self.body]
        return json.dumps(told, ensure_ascii=False, indent=indent)


def parse_recording(text: str | bytes, *, place: str) -> Recording:
    """Read a recording, or say what is wrong with it and where."""
    try:
        return Recording.model_validate(parse_json(text))
    except NotCanonical as cause:
        raise RecordingError(f"{place} is {cause.message}") from cause
    except ValidationError as cause:
        fault = cause.errors()[0]
        where = ".".join(map(str, fault["loc"])) or "it"
        raise RecordingError(f"{place} is no recording: {where}: {fault['msg']}") from cause


def request_of(body: bytes) -> Json:
    """Return what a request says: its JSON, else its text, or nothing."""
    if not body:
        return None
    try:
        value = parse_json(body)
        canonical_json(value)
    except NotCanonical:
        return body.decode("utf-8", "replace")
    return value


def name_of_request(wire: str, method: str, path: str, request: Json) -> str:
    """Return what is the same for the same request alone, however its JSON is written."""
    said: JsonObject = {"wire": wire, "method": method, "path": path, "request": request}
    return content_hash(canonical_json(said).encode())


def headers_that_matter(headers: Mapping[str, str]) -> dict[str, str]:
    """Return those headers of an answer that clients go by; none tells whose account it is."""
    told = {name.lower(): value for name, value in headers.items()}
    return {name: value for name, value in told.items() if _matters(name)}


def pieces_of(
    chunks: Iterable[tuple[float, bytes]], *, is_stream: bool, keys: HiddenKeys
) -> Sequence[Piece]:
    """Return the pieces of an answer without the keys: its events, or all of it as one."""
    # A key may lie across two chunks, so they are put together first.
    cut = list(_events(chunks) if is_stream else _whole(chunks))
    came = [content for _, content in cut]
    hidden = hide_in_events(came, keys) if is_stream else [hide_in_body(one, keys) for one in came]
    return [_piece(at, content) for (at, _), content in zip(cut, hidden, strict=True)]


def _matters(name: str) -> bool:
    return name in _KEPT or name.startswith(_KEPT_TOO)


def _whole(chunks: Iterable[tuple[float, bytes]]) -> Iterator[tuple[float, bytes]]:
    came = list(chunks)
    if came:
        yield came[-1][0], b"".join(content for _, content in came)


def _events(chunks: Iterable[tuple[float, bytes]]) -> Iterator[tuple[float, bytes]]:
    """Cut behind every blank line, for chunks end wherever the network ended them."""
    rest, last = b"", 0.0
    for at, content in chunks:
        rest, last = rest + content, at
        while found := _EVENT_ENDS.search(rest):
            yield at, rest[: found.end()]
            rest = rest[found.end() :]
    if rest:
        yield last, rest


def _piece(at: float, content: bytes) -> Piece:
    seconds = round(at, 3)
    try:
        return Piece(at=seconds, text=content.decode())
    except UnicodeDecodeError:
        return Piece(at=seconds, base64=base64.b64encode(content).decode("ascii"))


_MOST_DIFFERENCES = 200


_ONE_MORE = 1


@dataclass(frozen=True)
class Sought:
    """A request as recordings know it: without keys."""

    wire: str
    method: str
    path: str
    request: Json

    @property
    def name(self) -> str:
        """What is the same for the same request alone."""
        return name_of_request(self.wire, self.method, self.path, self.request)


class Recordings:
    """Gives recordings back to whoever asks as it was asked then."""

    def __init__(self, recordings: Mapping[str, Recording], *, is_paced: bool = False) -> None:
        self._all = recordings
        self._is_paced = is_paced
        self._given = Counter[str]()
        self._by_request: dict[str, list[str]] = defaultdict(list)
        for place, one in recordings.items():
            name = name_of_request(one.wire, one.method, one.path, one.request)
            self._by_request[name].append(place)

    def __len__(self) -> int:
        return len(self._all)

    def answer(self, sought: Sought) -> Reply | None:
        """Return the answer a request got then: the next one, if there were several."""
        places = self._by_request.get(sought.name)
        if not places:
            return None
        place = places[min(self._given[sought.name], len(places) - 1)]
        self._given[sought.name] += 1
        return reply_of(self._all[place], rule=place, is_paced=self._is_paced)

    def refusal(self, sought: Sought) -> str:
        """Say which recording comes nearest, and where it first differs."""
        told = "no recording answers this request"
        found = [(list(_gaps(sought, one)), place) for place, one in self._all.items()]
        if not found:
            return told
        gaps, place = min(found, key=lambda one: _weight(one[0]))
        return f"{told}; the nearest is {place}, but {gaps[0]}"

    def forget(self) -> None:
        """Begin anew with the first answer to every request."""
        self._given.clear()


def reply_of(recording: Recording, *, rule: str, is_paced: bool) -> Reply:
    """Return the answer of a recording, at once or when it came."""
    pieces = [one.content for one in recording.body]
    if recording.is_stream:
        made = streamed(pieces, recording.headers, rule=rule)
    else:
        made = whole(recording.status, b"".join(pieces), recording.headers, rule=rule)
    return _ended(_timed(made, recording) if is_paced else made, recording)


def _timed(reply: Reply, recording: Recording) -> Reply:
    times = [timedelta(seconds=one.at) for one in recording.body]
    pauses = [max(after - before, timedelta()) for before, after in pairwise(times)]
    delay = times[0] if times else timedelta()
    return replace(reply, delay=delay, pauses=tuple(pauses) if recording.is_stream else ())


def _ended(reply: Reply, recording: Recording) -> Reply:
    found = replace(reply, status=recording.status)
    if recording.ended == "complete":
        return found
    headers = dict(reply.headers)
    if not recording.is_stream:
        # How long it would have been nobody knows; it was longer than what came.
        headers["content-length"] = str(len(reply.body) + _ONE_MORE)
    return replace(found, headers=headers, ending=ReplyEnd.DROPPED)


def _gaps(sought: Sought, recording: Recording) -> Iterator[str]:
    if sought.wire != recording.wire:
        yield f"the wire is {sought.wire}, not {recording.wire}"
    if (sought.method, sought.path) != (recording.method, recording.path):
        asked, then = f"{sought.method} {sought.path}", f"{recording.method} {recording.path}"
        yield f"this is {asked}, not {then}"
    yield from islice(differences(sought.request, recording.request), _MOST_DIFFERENCES)


def _weight(gaps: Sequence[str]) -> tuple[bool, bool, int]:
    """Another wire or path weighs more than anything in the body."""
    first = gaps[0] if gaps else ""
    return first.startswith("the wire"), any(one.startswith("this is") for one in gaps), len(gaps)
