"""Records exchanges with a service, and reads recordings."""

import json
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Self, TypeVar
from urllib.parse import parse_qsl, urlencode

import httpx
from pydantic import (
    BeforeValidator,
    Field,
    JsonValue,
    PlainSerializer,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails
from starlette.types import ASGIApp

from attractor.base.clock import SystemClock
from attractor.base.errors import FileError, NotCanonical, suggest
from attractor.base.files import file_error
from attractor.base.json import Json, parse_json
from attractor.twins.exchange.answer import JSON, ScriptTable
from attractor.twins.recordings.recording import append_line, complete_lines, repair_last_line
from attractor.twins.redaction import (
    HIDDEN,
    hidden_body,
    is_secret_header,
    is_secret_name,
    query_without_keys,
    without_secrets_in_text,
)
from attractor.twins.server.hosting import Delivery, ErrorReporter
from attractor.twins.server.proxy import (
    TIMEOUT,
    ReceivedResponse,
    Relay,
    forwarding_client,
    is_address,
)
from attractor.twins.services.authentication import KeyRedactor, hidden_names
from attractor.twins.services.dispatch import RequestOutcome, ServiceDispatcher, failure_response
from attractor.twins.services.errors import RecordingError, TwinFailure
from attractor.twins.services.request import FORM, ServiceRequest, ServiceResponse, media_type
from attractor.twins.services.service import Service


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
        raise ValueError("body and base64 cannot be combined")
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
    """Return a body for a recording: a JSON object or list, otherwise the text, otherwise null."""
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
    """A file to which exchanges are added; each line is written completely or not at all."""

    def __init__(self, path: Path) -> None:
        """Check the existing file, so that an error is raised before the first request."""
        self.path = path
        if path.suffix != _SUFFIX:
            hint = f"pass a file name that ends in {_SUFFIX}, such as recordings/NAME{_SUFFIX}"
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
    """Reject a file that contains anything except recordings."""
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


_REQUEST_HEADERS = frozenset(
    {
        *("content-type", "accept", "accept-language", "idempotency-key", "prefer"),
        *("if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "range"),
    }
)
_RESPONSE_HEADERS = frozenset(
    {
        *("content-type", "content-range", "location", "link", "etag", "last-modified", "allow"),
        *("retry-after", "retry-after-ms", "www-authenticate"),
    }
)
_RESPONSE_PREFIXES = ("x-ratelimit-", "ratelimit-")
_ADDRESS_HEADERS = ("location", "link")
_COOKIES = ("cookie", "set-cookie")


def recorded_exchange(
    service: Service, request: ServiceRequest, response: ServiceResponse
) -> RecordedExchange:
    """Return an exchange for a recording."""
    redactor = KeyRedactor(service.table.auth, request)
    return RecordedExchange(
        request=RecordedRequest.model_validate(_request_fields(service, request, redactor)),
        response=RecordedResponse.model_validate(_response_fields(service, response, redactor)),
    )


def _request_fields(
    service: Service, request: ServiceRequest, redactor: KeyRedactor
) -> dict[str, object]:
    own = hidden_names(service.table.auth)
    in_conditions = {name.lower() for route in service.routes for name in route.table.when.header}
    headers = {
        name: redactor.text(value)
        for name, value in request.headers.items()
        if name in _REQUEST_HEADERS | in_conditions and not _is_secret(name, own)
    }
    query = query_without_keys(request.target.partition("?")[2], own)
    target = f"{request.path}?{query}" if query else request.path
    path = without_secrets_in_text(redactor.text(target))
    fields = {"method": request.method, "path": path, "headers": headers}
    if media_type(request.headers) == FORM:
        return {**fields, "body": _form(request.content, redactor, as_object=True)}
    return {**fields, **_body(request.content, request.headers, redactor)}


def _response_fields(
    service: Service, response: ServiceResponse, redactor: KeyRedactor
) -> dict[str, object]:
    compared = {name.lower() for name in service.table.check.headers}
    headers: dict[str, str] = {}
    for name, value in response.headers.items():
        is_kept = name in _RESPONSE_HEADERS | compared or name.startswith(_RESPONSE_PREFIXES)
        if is_kept and not _is_secret(name, ()):
            text = redactor.text(value)
            headers[name] = without_secrets_in_text(text) if name in _ADDRESS_HEADERS else text
    fields: dict[str, object] = {"status": response.status, "headers": headers}
    if media_type(response.headers) == FORM:
        return {**fields, "body": _form(response.content, redactor, as_object=False)}
    return {**fields, **_body(response.content, response.headers, redactor)}


def _is_secret(name: str, own: set[str] | tuple[str, ...]) -> bool:
    return is_secret_header(name) or is_secret_name(name) or name in _COOKIES or name in own


def _body(
    content: bytes, headers: Mapping[str, str], redactor: KeyRedactor
) -> Mapping[str, object]:
    hidden = hidden_body(content, headers.get("content-type", ""), redactor.text)
    try:
        hidden.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(hidden).decode("ascii")}
    return {"body": redactor.value(readable_body(hidden))}


def _form(content: bytes, redactor: KeyRedactor, *, as_object: bool) -> Json:
    """Return a form as an object, or as text if a field is repeated."""
    fields = parse_qsl(content.decode("utf-8", "replace"), keep_blank_values=True)
    hidden = [
        (
            redactor.text(name),
            HIDDEN
            if value and is_secret_name(name)
            else without_secrets_in_text(redactor.text(value)),
        )
        for name, value in fields
    ]
    is_unique = max(Counter(name for name, _ in fields).values(), default=1) == 1
    if as_object and is_unique and hidden:
        return {**dict(hidden)}
    return urlencode(hidden) or None


_RECORDED = "recorded"


class ServiceRecorder:
    """Forwards requests to the real service, and records the exchanges."""

    def __init__(
        self,
        dispatcher: ServiceDispatcher,
        file: ExchangeFile,
        to: str,
        *,
        reporter: ErrorReporter,
        timeout: httpx.Timeout = TIMEOUT,
    ) -> None:
        if not is_address(to):
            hint = "write it as https://HOST"
            raise RecordingError(f"invalid address of a service: {to!r}", hint=hint)
        self.dispatcher = dispatcher
        self.base = to.rstrip("/")
        self._file = file
        self._reporter = reporter
        self._client = forwarding_client(timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exit: object) -> None:
        await self._client.aclose()

    def forward(self, request: ServiceRequest) -> ASGIApp:
        """Return an application that answers a request with the service's response."""
        forwarded = _ForwardedToService(self, request)
        try:
            # A request that cannot be recorded is refused before it is sent.
            recorded_exchange(self.dispatcher.service, request, ServiceResponse())
        except ValidationError as cause:
            error = cause.errors()[0]
            place = ".".join(str(step) for step in error["loc"])
            return forwarded.fail(f"the request cannot be recorded: {place}: {error['msg']}")
        return Relay(forwarded, self._client, SystemClock())

    def record(self, request: ServiceRequest, response: ServiceResponse) -> bool:
        """Record an exchange, and return whether this succeeded."""

        def add() -> None:
            self._file.add(recorded_exchange(self.dispatcher.service, request, response))

        return self._reporter.try_to(add)


class _ForwardedToService:
    """An application that forwards a request to the real service."""

    def __init__(self, recorder: ServiceRecorder, request: ServiceRequest) -> None:
        self._recorder = recorder
        self._request = request
        self.base = recorder.base

    @property
    def content(self) -> bytes:
        return self._request.content

    def failure_message(self, error: Exception) -> str:
        message = f"no response of the service at {self.base}: {type(error).__name__}: {error}"
        auth = self._recorder.dispatcher.service.table.auth
        return KeyRedactor(auth, self._request).text(message)

    def fail(self, message: str) -> ASGIApp:
        reply = failure_response(TwinFailure(502, "not_recorded", message)).reply
        outcome = RequestOutcome(reply.status, why=message)
        self._recorder.dispatcher.log_request(self._request, outcome)
        return Delivery(reply)

    def record(self, received: ReceivedResponse) -> bool:
        # A twin cannot be compared with half a response.
        headers = {name.lower(): value for name, value in received.headers.items()}
        response = ServiceResponse(received.status, headers, received.content)
        return not received.is_complete or self._recorder.record(self._request, response)

    def log(self, status: int, error: str) -> None:
        outcome = RequestOutcome(status, "" if error else _RECORDED, why=error)
        self._recorder.dispatcher.log_request(self._request, outcome)
