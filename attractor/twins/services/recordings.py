"""Recordings: what a real service answered, a line of JSON for each request and its response.

A file of recordings of a service that grows while a twin records.
"""

import json
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import urlencode

from pydantic import (
    BeforeValidator,
    Field,
    JsonValue,
    PlainSerializer,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from attractor.base.errors import FileError, NotCanonical, suggest
from attractor.base.files import file_error
from attractor.base.json import Json, parse_json
from attractor.twins.exchange.answer import ScriptTable
from attractor.twins.exchange.reply import JSON
from attractor.twins.recordings.files import add_line, mend_lines, whole_lines
from attractor.twins.services.errors import RecordingError
from attractor.twins.services.request import FORM, ServiceRequest, media_type
from attractor.twins.services.response import Response


def _bytes(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return b64decode(value, validate=True)
    except NotBase64 as cause:
        raise ValueError(f"no base64: {cause}") from cause


def _text(value: bytes) -> str:
    return b64encode(value).decode("ascii")


Binary = Annotated[bytes, BeforeValidator(_bytes), PlainSerializer(_text)]
"""Bytes that are no text; a body has them instead of one."""


M = TypeVar("M", "RecordedRequest", "RecordedResponse")


def _has_one_body(message: M) -> M:
    if message.body is not None and message.base64:
        raise ValueError("body and base64 exclude each other")
    return message


class RecordedRequest(ScriptTable):
    """What a client sent; the path has the query."""

    method: str = Field(pattern=r"^[A-Z]+$")
    path: str = Field(pattern=r"^/")
    headers: dict[str, str] = {}
    body: JsonValue = None
    base64: Binary = b""

    _has_one_body = model_validator(mode="after")(_has_one_body)

    def request(self) -> ServiceRequest:
        """Return it as a service gets it; a table without a word about that is sent as JSON."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        content = self.base64 or _content(self.body, headers)
        if content and "content-type" not in headers and not isinstance(self.body, str):
            headers["content-type"] = JSON
        return ServiceRequest(self.method, self.path, headers, content)


class RecordedResponse(ScriptTable):
    """What the service answered."""

    status: int = Field(ge=100, le=599)
    headers: dict[str, str] = {}
    body: JsonValue = None
    base64: Binary = b""

    _has_one_body = model_validator(mode="after")(_has_one_body)

    def response(self) -> Response:
        """Return it as it is sent; lengths and ways of transfer are made anew."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        content = self.base64 or _content(self.body, {})
        if content and "content-type" not in headers:
            headers["content-type"] = "text/plain" if isinstance(self.body, str) else JSON
        kept = {name: value for name, value in headers.items() if name not in _OF_THE_CONNECTION}
        return Response(self.status, kept, content)


_OF_THE_CONNECTION = frozenset(
    {"content-length", "content-encoding", "transfer-encoding", "connection", "keep-alive", "date"}
)


class Exchange(ScriptTable):
    """One request and its response."""

    request: RecordedRequest
    response: RecordedResponse


def readable_body(content: bytes) -> Json:
    """Return a body as a recording has it: a table or a list as JSON, else the text, else null."""
    if not content:
        return None
    try:
        value = parse_json(content)
    except NotCanonical:
        value = None
    return value if isinstance(value, dict | list) else content.decode("utf-8", "replace")


def load_recording(path: Path) -> Sequence[Exchange]:
    """Read a recording from a file."""
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as cause:
        raise RecordingError(f"{path} is not UTF-8: {cause}") from cause
    except OSError as cause:
        raise FileError(f"the recording {path} cannot be read: {cause}") from cause
    return parse_recording(text, source=str(path))


def parse_recording(text: str, *, source: str = "the recording") -> Sequence[Exchange]:
    """Read a recording, or say what is wrong with it and in which line."""
    found = list(_exchanges(text, source))
    if not found:
        raise RecordingError(f"{source} holds no request")
    return found


def write_recording(exchanges: Iterable[Exchange]) -> str:
    """Write a recording, a line for each exchange."""
    return "".join(f"{written_exchange(one)}\n" for one in exchanges)


def written_exchange(exchange: Exchange) -> str:
    """Write an exchange in one line."""
    return json.dumps(exchange.model_dump(exclude_defaults=True), ensure_ascii=False)


def _exchanges(text: str, source: str) -> Iterator[Exchange]:
    # Not splitlines: a text in JSON may hold other ends of lines.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield Exchange.model_validate(parse_json(line))
        except NotCanonical as cause:
            raise RecordingError(f"{source}:{number}: {cause.message}") from cause
        except ValidationError as cause:
            raise RecordingError(f"{source}:{number}: {_told(cause.errors()[0])}") from cause


def _told(error: ErrorDetails) -> str:
    place = ".".join(str(step) for step in error["loc"])
    if error["type"] != "extra_forbidden":
        return f"{place or 'it'}: {error['msg']}"
    tables = (Exchange, RecordedRequest, RecordedResponse)
    near = suggest(str(error["loc"][-1]), {name for one in tables for name in one.model_fields})
    return f"{place}: there is no such key" + (f", did you mean {near!r}?" if near else "")


def _content(body: Json, headers: dict[str, str]) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, dict) and media_type(headers) == FORM:
        return urlencode(body).encode()
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


_ENDING = ".jsonl"
_BEGINNING = b'{"request": '


class ExchangeFile:
    """Takes exchanges as they come; each is there whole or not at all."""

    def __init__(self, path: Path) -> None:
        """Look at what is there already, so that trouble shows before anything is asked."""
        self.path = path
        if path.suffix != _ENDING:
            hint = f"name a file that ends in {_ENDING}, such as recordings/NAME{_ENDING}"
            raise RecordingError(f"{path} is no name of a file of recordings", hint=hint)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                _require_recordings(path)
                mend_lines(path, _is_torn)
        except OSError as cause:
            raise file_error("write", path, cause) from cause

    def add(self, exchange: Exchange) -> None:
        """Keep an exchange behind the others."""
        add_line(self.path, written_exchange(exchange))


def _require_recordings(path: Path) -> None:
    """Leave a file of something else as it is."""
    text = b"\n".join(whole_lines(path.read_bytes(), _is_torn))
    if text.strip():
        try:
            parse_recording(text.decode(), source=str(path))
        except UnicodeDecodeError as cause:
            raise RecordingError(f"{path} is not UTF-8: {cause}") from cause


def _is_torn(line: bytes) -> bool:
    """Tell whether a line is the beginning of an exchange, and of nothing else."""
    if not line or not _BEGINNING.startswith(line[: len(_BEGINNING)]):
        return False
    try:
        parse_recording(line.decode())
    except (RecordingError, UnicodeDecodeError):
        return True
    return False
