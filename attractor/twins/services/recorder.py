"""Makes recordings of what clients and a real service said, without their secrets.

Of headers only those are kept that say what a request or an answer is: any other may tell whose
account it is.

Asks the real service in a client's name, passes on what comes, and records the exchange.
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
from attractor.twins.recordings.redaction import HIDDEN, is_secret, without_keys
from attractor.twins.server.hosting import Complaints, Delivery
from attractor.twins.server.proxy import PATIENCE, Came, Passage, is_address, passing_client
from attractor.twins.services.authentication import Curtain
from attractor.twins.services.dispatch import Outcome, StandIn, own_error
from attractor.twins.services.errors import RecordingError, Unanswerable
from attractor.twins.services.recordings import (
    Exchange,
    ExchangeFile,
    RecordedRequest,
    RecordedResponse,
    readable_body,
)
from attractor.twins.services.redaction import hidden_body, is_secret_name, without_secrets_in_text
from attractor.twins.services.request import FORM, ServiceRequest, media_type
from attractor.twins.services.response import Response
from attractor.twins.services.service import Service

_ASKED = frozenset(
    {
        *("content-type", "accept", "accept-language", "idempotency-key", "prefer"),
        *("if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "range"),
    }
)
_ANSWERED = frozenset(
    {
        *("content-type", "content-range", "location", "link", "etag", "last-modified", "allow"),
        *("retry-after", "retry-after-ms", "www-authenticate"),
    }
)
_ANSWERED_TOO = ("x-ratelimit-", "ratelimit-")
_ADDRESSES = ("location", "link")
_NEVER = ("cookie", "set-cookie")


def recorded_exchange(service: Service, asked: ServiceRequest, response: Response) -> Exchange:
    """Return what was asked and answered as a recording has it."""
    curtain = Curtain(service.written.auth, asked)
    return Exchange(
        request=RecordedRequest.model_validate(_request(service, asked, curtain)),
        response=RecordedResponse.model_validate(_response(service, response, curtain)),
    )


def _request(service: Service, asked: ServiceRequest, curtain: Curtain) -> dict[str, object]:
    auth = service.written.auth
    own = {auth.hidden_header, auth.hidden_query} if auth else set[str]()
    looked_at = {name.lower() for one in service.routes for name in one.written.when.header}
    kept = {
        name: curtain.text(said)
        for name, said in asked.headers.items()
        if name in _ASKED | looked_at and not _is_hidden(name, own)
    }
    query = without_keys(asked.target.partition("?")[2], own)
    target = f"{asked.path}?{query}" if query else asked.path
    path = without_secrets_in_text(curtain.text(target))
    written = {"method": asked.method, "path": path, "headers": kept}
    if media_type(asked.headers) == FORM:
        return {**written, "body": _form(asked.content, curtain, as_table=True)}
    return {**written, **_body(asked.content, asked.headers, curtain)}


def _response(service: Service, response: Response, curtain: Curtain) -> dict[str, object]:
    compared = {name.lower() for name in service.written.check.headers}
    kept = {
        name: _header(name, curtain.text(said))
        for name, said in response.headers.items()
        if (name in _ANSWERED | compared or name.startswith(_ANSWERED_TOO))
        and not _is_hidden(name, ())
    }
    written: dict[str, object] = {"status": response.status, "headers": kept}
    if media_type(response.headers) == FORM:
        return {**written, "body": _form(response.content, curtain, as_table=False)}
    return {**written, **_body(response.content, response.headers, curtain)}


def _is_hidden(name: str, own: set[str] | tuple[str, ...]) -> bool:
    return is_secret(name) or is_secret_name(name) or name in _NEVER or name in own


def _header(name: str, said: str) -> str:
    return without_secrets_in_text(said) if name in _ADDRESSES else said


def _body(content: bytes, headers: Mapping[str, str], curtain: Curtain) -> Mapping[str, object]:
    hidden = hidden_body(content, headers.get("content-type", ""), curtain.text)
    try:
        hidden.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(hidden).decode("ascii")}
    return {"body": curtain.value(readable_body(hidden))}


def _form(content: bytes, curtain: Curtain, *, as_table: bool) -> Json:
    """Return a form as a table, unless that would lose a field that comes twice; else as text."""
    said = parse_qsl(content.decode("utf-8", "replace"), keep_blank_values=True)
    shown = [
        (curtain.text(name), HIDDEN if value and is_secret_name(name) else _text(value, curtain))
        for name, value in said
    ]
    is_plain = max(Counter(name for name, _ in said).values(), default=1) == 1
    if as_table and is_plain and shown:
        return {**dict(shown)}
    return urlencode(shown) or None


def _text(value: str, curtain: Curtain) -> str:
    return without_secrets_in_text(curtain.text(value))


_ROUTE = "recorded"


class Recorder:
    """Passes requests on to the real service, within `async with`."""

    def __init__(
        self,
        stand_in: StandIn,
        file: ExchangeFile,
        to: str,
        *,
        complaints: Complaints,
        patience: httpx.Timeout = PATIENCE,
    ) -> None:
        if not is_address(to):
            hint = "write it as https://HOST"
            raise RecordingError(f"{to!r} is no address of a service", hint=hint)
        self.stand_in = stand_in
        self.base = to.rstrip("/")
        self._file = file
        self._complaints = complaints
        self._client = passing_client(patience)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exit: object) -> None:
        await self._client.aclose()

    def forward(self, asked: ServiceRequest) -> ASGIApp:
        """Return what answers a request with the service's answer."""
        errand = _ToService(self, asked)
        try:
            # Whether it can be recorded shows before anything is asked.
            recorded_exchange(self.stand_in.service, asked, Response())
        except ValidationError as cause:
            fault = cause.errors()[0]
            place = ".".join(str(step) for step in fault["loc"])
            return errand.refuse(f"this cannot be recorded: {place}: {fault['msg']}")
        return Passage(errand, self._client, SystemClock())

    def keep(self, asked: ServiceRequest, response: Response) -> bool:
        """Keep an exchange, and tell whether that could be done."""

        def add() -> None:
            self._file.add(recorded_exchange(self.stand_in.service, asked, response))

        return self._complaints.has_done(add)


class _ToService:
    """A request that is passed on to its service."""

    def __init__(self, recorder: Recorder, asked: ServiceRequest) -> None:
        self._recorder = recorder
        self._asked = asked
        self.base = recorder.base

    @property
    def content(self) -> bytes:
        return self._asked.content

    def told(self, error: Exception) -> str:
        told = f"the service at {self.base} did not answer: {type(error).__name__}: {error}"
        return Curtain(self._recorder.stand_in.service.written.auth, self._asked).text(told)

    def refuse(self, told: str) -> ASGIApp:
        reply = own_error(Unanswerable(502, "not_recorded", told)).reply
        self._recorder.stand_in.remember(self._asked, Outcome(reply.status, why=told))
        return Delivery(reply)

    def keep(self, came: Came) -> bool:
        # Half an answer is none to hold a twin against; that it broke off is told all the same.
        headers = {name.lower(): value for name, value in came.headers.items()}
        response = Response(came.status, headers, came.content)
        return not came.is_whole or self._recorder.keep(self._asked, response)

    def remember(self, status: int, error: str) -> None:
        outcome = Outcome(status, "" if error else _ROUTE, why=error)
        self._recorder.stand_in.remember(self._asked, outcome)
