"""Records exchanges with the real service, without their secrets.

Only headers that describe a request or a response are recorded: others may identify an account.
"""

from base64 import b64encode
from collections import Counter
from collections.abc import Mapping
from typing import Self
from urllib.parse import parse_qsl, urlencode

import httpx
from pydantic import ValidationError
from starlette.types import ASGIApp

from attractor.base.clock import SystemClock
from attractor.base.json import Json
from attractor.twins.recordings.redaction import HIDDEN, is_secret_header, query_without_keys
from attractor.twins.server.hosting import Delivery, ErrorReporter
from attractor.twins.server.proxy import (
    TIMEOUT,
    ReceivedResponse,
    Relay,
    forwarding_client,
    is_address,
)
from attractor.twins.services.authentication import KeyRedactor
from attractor.twins.services.dispatch import RequestOutcome, ServiceDispatcher, failure_response
from attractor.twins.services.errors import RecordingError, TwinFailure
from attractor.twins.services.recordings import (
    ExchangeFile,
    RecordedExchange,
    RecordedRequest,
    RecordedResponse,
    readable_body,
)
from attractor.twins.services.redaction import hidden_body, is_secret_name, without_secrets_in_text
from attractor.twins.services.request import FORM, ServiceRequest, media_type
from attractor.twins.services.response import ServiceResponse
from attractor.twins.services.service import Service

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
    auth = service.table.auth
    own = {auth.hidden_header, auth.hidden_query} if auth else set[str]()
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
    headers = {
        name: _header(name, redactor.text(value))
        for name, value in response.headers.items()
        if (name in _RESPONSE_HEADERS | compared or name.startswith(_RESPONSE_PREFIXES))
        and not _is_secret(name, ())
    }
    fields: dict[str, object] = {"status": response.status, "headers": headers}
    if media_type(response.headers) == FORM:
        return {**fields, "body": _form(response.content, redactor, as_object=False)}
    return {**fields, **_body(response.content, response.headers, redactor)}


def _is_secret(name: str, own: set[str] | tuple[str, ...]) -> bool:
    return is_secret_header(name) or is_secret_name(name) or name in _COOKIES or name in own


def _header(name: str, value: str) -> str:
    return without_secrets_in_text(value) if name in _ADDRESS_HEADERS else value


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
        (redactor.text(name), HIDDEN if value and is_secret_name(name) else _text(value, redactor))
        for name, value in fields
    ]
    is_unique = max(Counter(name for name, _ in fields).values(), default=1) == 1
    if as_object and is_unique and hidden:
        return {**dict(hidden)}
    return urlencode(hidden) or None


def _text(value: str, redactor: KeyRedactor) -> str:
    return without_secrets_in_text(redactor.text(value))


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
            # Find a request that cannot be recorded before it is sent.
            recorded_exchange(self.dispatcher.service, request, ServiceResponse())
        except ValidationError as cause:
            error = cause.errors()[0]
            place = ".".join(str(step) for step in error["loc"])
            return forwarded.fail(f"the request cannot be recorded: {place}: {error['msg']}")
        return Relay(forwarded, self._client, SystemClock())

    def record(self, request: ServiceRequest, response: ServiceResponse) -> bool:
        """Record an exchange, and return whether that succeeded."""

        def add() -> None:
            self._file.add(recorded_exchange(self.dispatcher.service, request, response))

        return self._reporter.try_to(add)


class _ForwardedToService:
    """A request that is forwarded to its service."""

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
