"""Recordings of a real service: one exchange per line of JSON."""

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
from attractor.twins.recordings.files import append_line, complete_lines, repair_last_line
from attractor.twins.services.errors import RecordingError
from attractor.twins.services.request import FORM, ServiceRequest, media_type
from attractor.twins.services.response import ServiceResponse


def _bytes(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return b64decode(value, validate=True)
    except NotBase64 as cause:
        raise ValueError(f"invalid base64: {cause}") from cause


def _text(value: bytes) -> str:
    return b64encode(value).decode("ascii")


Binary = Annotated[bytes, BeforeValidator(_bytes), PlainSerializer(_text)]
"""A body that is not text, in base64."""


M = TypeVar("M", "RecordedRequest", "RecordedResponse")


def _has_one_body(message: M) -> M:
    if message.body is not None and message.base64:
        raise ValueError("body and base64 exclude each other")
    return message


class RecordedRequest(ScriptTable):
    """A recorded request; the path includes the query."""

    method: str = Field(pattern=r"^[A-Z]+$")
    path: str = Field(pattern=r"^/")
    headers: dict[str, str] = {}
    body: JsonValue = None
    base64: Binary = b""

    _has_one_body = model_validator(mode="after")(_has_one_body)

    def request(self) -> ServiceRequest:
        """Return the request as a service receives it; the default content type is JSON."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        content = self.base64 or _content(self.body, headers)
        if content and "content-type" not in headers and not isinstance(self.body, str):
            headers["content-type"] = JSON
        return ServiceRequest(self.method, self.path, headers, content)


class RecordedResponse(ScriptTable):
    """A recorded response."""

    status: int = Field(ge=100, le=599)
    headers: dict[str, str] = {}
    body: JsonValue = None
    base64: Binary = b""

    _has_one_body = model_validator(mode="after")(_has_one_body)

    def response(self) -> ServiceResponse:
        """Return the response as it is sent, without headers of the connection."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        content = self.base64 or _content(self.body, {})
        if content and "content-type" not in headers:
            headers["content-type"] = "text/plain" if isinstance(self.body, str) else JSON
        rest = {name: value for name, value in headers.items() if name not in _CONNECTION_HEADERS}
        return ServiceResponse(self.status, rest, content)


_CONNECTION_HEADERS = frozenset(
    {"content-length", "content-encoding", "transfer-encoding", "connection", "keep-alive", "date"}
)


class RecordedExchange(ScriptTable):
    """One request and its response."""

    request: RecordedRequest
    response: RecordedResponse


def readable_body(content: bytes) -> Json:
    """Return a body for a recording: an object or a list as JSON, else the text, else null."""
    if not content:
        return None
    try:
        value = parse_json(content)
    except NotCanonical:
        value = None
    return value if isinstance(value, dict | list) else content.decode("utf-8", "replace")


def load_recording(path: Path) -> Sequence[RecordedExchange]:
    """Read a recording from a file."""
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as cause:
        raise RecordingError(f"{path} is not UTF-8: {cause}") from cause
    except OSError as cause:
        raise FileError(f"cannot read the recording {path}: {cause}") from cause
    return parse_recording(text, source=str(path))


def parse_recording(text: str, *, source: str = "the recording") -> Sequence[RecordedExchange]:
    """Read a recording, or raise an error with the invalid line."""
    exchanges = list(_exchanges(text, source))
    if not exchanges:
        raise RecordingError(f"{source} contains no request")
    return exchanges


def write_recording(exchanges: Iterable[RecordedExchange]) -> str:
    """Return a recording with one line per exchange."""
    return "".join(f"{exchange_line(exchange)}\n" for exchange in exchanges)


def exchange_line(exchange: RecordedExchange) -> str:
    """Return an exchange as one line."""
    return json.dumps(exchange.model_dump(exclude_defaults=True), ensure_ascii=False)


def _exchanges(text: str, source: str) -> Iterator[RecordedExchange]:
    # Not splitlines: a text in JSON may contain other line separators.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield RecordedExchange.model_validate(parse_json(line))
        except NotCanonical as cause:
            raise RecordingError(f"{source}:{number}: {cause.message}") from cause
        except ValidationError as cause:
            raise RecordingError(f"{source}:{number}: {_message(cause.errors()[0])}") from cause


def _message(error: ErrorDetails) -> str:
    place = ".".join(str(step) for step in error["loc"])
    if error["type"] != "extra_forbidden":
        return f"{place or 'the exchange'}: {error['msg']}"
    tables = (RecordedExchange, RecordedRequest, RecordedResponse)
    near = suggest(str(error["loc"][-1]), {name for table in tables for name in table.model_fields})
    return f"{place}: unknown key" + (f", did you mean {near!r}?" if near else "")


def _content(body: Json, headers: dict[str, str]) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, dict) and media_type(headers) == FORM:
        return urlencode(body).encode()
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


_SUFFIX = ".jsonl"
_PREFIX = b'{"request": '


class ExchangeFile:
    """A file to which exchanges are added; each line is complete or absent."""

    def __init__(self, path: Path) -> None:
        """Check the existing file, so that an error is raised before the first request."""
        self.path = path
        if path.suffix != _SUFFIX:
            hint = f"name a file that ends in {_SUFFIX}, such as recordings/NAME{_SUFFIX}"
            raise RecordingError(f"{path} is not a .jsonl file", hint=hint)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                _require_recordings(path)
                repair_last_line(path, _is_incomplete)
        except OSError as cause:
            raise file_error("write", path, cause) from cause

    def add(self, exchange: RecordedExchange) -> None:
        """Append an exchange."""
        append_line(self.path, exchange_line(exchange))


def _require_recordings(path: Path) -> None:
    """Reject a file with other content."""
    text = b"\n".join(complete_lines(path.read_bytes(), _is_incomplete))
    if text.strip():
        try:
            parse_recording(text.decode(), source=str(path))
        except UnicodeDecodeError as cause:
            raise RecordingError(f"{path} is not UTF-8: {cause}") from cause


def _is_incomplete(line: bytes) -> bool:
    """Return whether a line is the incomplete beginning of an exchange."""
    if not line or not _PREFIX.startswith(line[: len(_PREFIX)]):
        return False
    try:
        parse_recording(line.decode())
    except (RecordingError, UnicodeDecodeError):
        return True
    return False
