"""Reads the usage of model answers while they pass, on every wire.

The usage of an answer that was cut before its usage is estimated from the sizes of request and
answer.
"""

import json
import math
import re
import struct
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, texts_in
from attractor.llm.errors import SDKError
from attractor.llm.providers import (
    anthropic_response,
    chat_response,
    gemini_response,
    openai_response,
)
from attractor.llm.response import Usage, prompt_tokens
from attractor.llm.transport.fields import Fields


def _read_cloud(usage: Fields) -> Usage:
    """Return the usage of a model of Claude in a cloud, whose input includes the cache."""
    read = anthropic_response.read_usage(usage)
    return replace(read, input_tokens=prompt_tokens(read, "anthropic"))


_READ: Mapping[re.Pattern[str], Callable[[Fields], Usage]] = {
    re.compile(r".*/messages"): anthropic_response.read_usage,
    re.compile(r".*/model/(?P<model>[^/]+)/invoke(-with-response-stream)?"): _read_cloud,
    # The method that counts tokens is named as a model.
    re.compile(r".*/models/(?P<model>(?!count-tokens:)[^/:]+):(rawPredict|streamRawPredict)"): (
        _read_cloud
    ),
    re.compile(r".*/responses(/compact)?"): openai_response.read_usage,
    re.compile(r".*/chat/completions"): chat_response.read_usage,
    re.compile(r".*/models/(?P<model>[^/:]+):\w*enerateContent"): gemini_response.read_usage,
}
_ENDS = ("message_delta", "response.completed", "response.incomplete", "response.failed")
_LAST = (*_ENDS[1:], "message_stop")
# Bytes, because letters of other scripts take more tokens.
_BYTES_A_TOKEN = 4
_PRELUDE = struct.Struct(">III")
_ENCODED = re.compile(rb"[A-Za-z0-9+/_=-]{4000,}")
_ENCODED_TOKENS = 1_500
# Members of a piece that are not written by the model, or are encoded.
_NO_WORDS = frozenset({"id", "index", "role", "signature", "thoughtSignature", "type"})


@dataclass(frozen=True)
class CallUsage:
    """The usage of one model call, and the names of the model: as answered, and as asked for.

    With `is_estimated`, the answer was cut before its usage, or reports none.
    """

    tokens: Usage
    models: tuple[str, ...]
    is_estimated: bool


class UsageReader:
    """Reads the usage of one answer, in all wires.

    `is_over` says that nothing follows in the stream. `error` is an error inside of the answer.
    """

    def __init__(self, path: str, provider: str, request: bytes) -> None:
        found = ((pattern.fullmatch(path), read) for pattern, read in _READ.items())
        matched, self._read = next((match, read) for match, read in found if match)
        self._provider = provider
        self._asked = matched.groupdict().get("model", "")
        self._request = request
        self._answered = ""
        self._counts: dict[str, Json] = {}
        self._has_ended = False
        self._size = 0
        self._line = b""
        self._is_framed = path.endswith("/invoke-with-response-stream")
        self._data: list[bytes] = []
        self.is_over = False
        self.error = ""

    def take(self, piece: bytes) -> None:
        """Read a piece of a stream of events."""
        if self._is_framed:
            self._take_frames(piece)
            return
        *lines, self._line = (self._line + piece).split(b"\n")
        for line in lines:
            text = line.rstrip(b"\r")
            if text.startswith(b"data:"):
                self._data.append(text.removeprefix(b"data:"))
            elif not text and self._data:
                event, self._data = b"\n".join(self._data), []
                self.is_over = self.is_over or event.strip() == b"[DONE]"
                self._take_json(event)

    def _take_frames(self, piece: bytes) -> None:
        """Read a piece of an event stream of AWS: lengths, headers, an event, and a checksum."""
        self._line += piece
        while len(self._line) >= _PRELUDE.size:
            whole, headers, _ = _PRELUDE.unpack_from(self._line)
            if whole < _PRELUDE.size or len(self._line) < whole:
                return
            event = _parse(self._line[_PRELUDE.size + headers : whole - 4])
            self._line = self._line[whole:]
            if encoded := _text(event, "bytes"):
                # An invalid event is not counted; the program gets it all the same.
                with suppress(ValueError):
                    self._take_json(b64decode(encoded))
            elif isinstance(event, dict):
                self.error = json.dumps(event)

    def take_whole(self, body: bytes) -> None:
        """Read an answer that is not a stream of events."""
        self._has_ended = self.is_over = self._take_json(body)
        self._size = 0 if self.error else len(body)

    def _take_json(self, text: bytes) -> bool:
        value = _parse(text)
        for event in value if isinstance(value, list) else [value]:
            if isinstance(event, dict):
                self._take_event(event)
        return value is not None

    def _take_event(self, event: dict[str, Json]) -> None:
        kind = event.get("type")
        for place in (event, event.get("message"), event.get("response")):
            self._answered = _text(place, "model") or _text(place, "modelVersion") or self._answered
            for counts in (_at(place, "usage"), _at(place, "usageMetadata")):
                if isinstance(counts, dict):
                    known = {key: count for key, count in counts.items() if count is not None}
                    self._counts = {**self._counts, **known}
            if kind == "error" or _at(place, "error"):
                self.error = json.dumps(event)
        self._has_ended = self._has_ended or kind in _ENDS or _is_finished(event)
        self.is_over = self.is_over or kind in _LAST
        self._size += sum(len(words.encode("utf-8", "replace")) for words in _words(event))

    def read(self) -> CallUsage | None:
        """Return the usage at the end; None if the provider refused the call inside the answer."""
        if not self._is_framed:
            self.take(b"\n\n")  # some servers leave out the last blank line
        try:
            reported = self._read(Fields(self._counts, provider=self._provider))
        except SDKError:
            reported = Usage()
        if self.error and not self._size and not reported.total_tokens:
            return None
        is_known = self._has_ended and reported.total_tokens > 0
        if not is_known:
            written = max(reported.output_tokens, math.ceil(self._size / _BYTES_A_TOKEN))
            if prompt_tokens(reported, self._provider):
                reported = replace(reported, output_tokens=written)
            else:
                plain, encoded = _ENCODED.subn(b"", self._request)
                estimated = math.ceil(len(plain) / _BYTES_A_TOKEN) + encoded * _ENCODED_TOKENS
                reported = replace(reported, input_tokens=max(1, estimated), output_tokens=written)
        asked = self._asked or _text(_parse(self._request), "model")
        models = tuple(dict.fromkeys(filter(None, (self._answered, asked))))
        return CallUsage(reported, models, is_estimated=not is_known)


def is_model_call(method: str, path: str) -> bool:
    """Return whether a request asks for the answer of a model."""
    return method == "POST" and any(pattern.fullmatch(path) for pattern in _READ)


def _parse(text: bytes) -> Json:
    """Return a JSON value; None if the text is cut, or is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _at(value: Json, key: str) -> Json:
    return value.get(key) if isinstance(value, dict) else None


def _text(value: Json, key: str) -> str:
    found = _at(value, key)
    return found if isinstance(found, str) else ""


def _is_finished(event: dict[str, Json]) -> bool:
    """Return whether an event of Chat Completions or Gemini has the reason of the end."""
    parts = [part for key in ("choices", "candidates") for part in _list(event.get(key))]
    reasons = [_at(part, key) for part in parts for key in ("finish_reason", "finishReason")]
    return any([*reasons, _at(event.get("promptFeedback"), "blockReason")])


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _words(event: dict[str, Json]) -> Iterator[str]:
    """Yield what the model wrote in one event of a stream, without repetitions."""
    if isinstance(delta := event.get("delta"), str):
        yield delta
    yield from texts_in(delta if isinstance(delta, dict) else None, without=_NO_WORDS)
    for choice in _list(event.get("choices")):
        yield from texts_in(_at(choice, "delta"), without=_NO_WORDS)
    for candidate in _list(event.get("candidates")):
        yield from texts_in(_at(candidate, "content"), without=_NO_WORDS)
