"""A request to a service, as its routes see it.

The key a service wants to see, and what becomes of requests without it.

Trouble on a route or in a whole service, and at which requests it comes.

What a service twin was asked, in order, with keys hidden.
"""

import base64
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from typing import Annotated, Any, Literal, Self, cast
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from pydantic import Field, model_validator

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.json import Json, parse_json
from attractor.twins.recordings.redaction import HIDDEN, credentials_in, is_secret, keys_of
from attractor.twins.script.answer import Duration, Fault, FaultKind, ScriptTable
from attractor.twins.script.match import strikes
from attractor.twins.services.redaction import KeyFinder
from attractor.twins.services.response import WrittenResponse, is_header_name

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class ServiceRequest:
    """What a client sent; `target` is the path with the query, as it was sent."""

    method: str
    target: str
    headers: Mapping[str, str]
    content: bytes = b""

    @cached_property
    def path(self) -> str:
        """The path without the query."""
        return self.target.partition("?")[0]

    @cached_property
    def segments(self) -> Sequence[str]:
        """What stands between the strokes of the path, and an empty text behind the last one."""
        parts = [unquote(one) for one in self.path.strip("/").split("/")]
        return [*parts, ""] if any(parts) and self.path.endswith("/") else parts

    @cached_property
    def query(self) -> Mapping[str, str]:
        """The query; of a name that comes twice, the last value."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @cached_property
    def body(self) -> Json:
        """The body: a form as a table of texts, else as JSON, else as text; nothing is null."""
        if not self.content:
            return None
        text = self.content.decode("utf-8", "replace")
        if media_type(self.headers) == FORM:
            return dict(parse_qsl(text, keep_blank_values=True))
        try:
            return parse_json(self.content)
        except NotCanonical:
            return text


def media_type(headers: Mapping[str, str]) -> str:
    """Return what a body is said to be, without a word about its letters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


_AUTHORIZATION = "authorization"


class Authentication(WrittenResponse):
    """Where the key stands, and the response to who lacks it."""

    kind: Literal["bearer", "basic", "header", "query"]
    key: str = Field(min_length=1)
    name: str = ""
    status: int = Field(default=401, ge=400, le=499)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.kind in ("header", "query") and not self.name:
            raise ValueError(f"the name of the {self.kind} is missing: say name")
        if self.kind == "header" and not is_header_name(self.name):
            raise ValueError(f"{self.name!r} is no name of a header")
        if self.kind in ("bearer", "basic") and self.name:
            raise ValueError(f"{self.kind} has no name: it is the header Authorization")
        if self.kind == "basic" and ":" not in self.key:
            raise ValueError("the key of basic is 'user:password'")
        return self

    @property
    def shape(self) -> WrittenResponse | None:
        """The response it declares, if it declares one."""
        return self if self.json_ or self.body else None

    @property
    def hidden_header(self) -> str:
        """The header that holds the key."""
        return self.name.lower() if self.kind == "header" else _AUTHORIZATION

    @property
    def hidden_query(self) -> str:
        """The part of the query that holds the key."""
        return self.name if self.kind == "query" else ""

    def lets_in(self, request: ServiceRequest) -> bool:
        """Tell whether a request has the key."""
        if self.kind == "query":
            return _same(request.query.get(self.name, ""), self.key)
        given = request.headers.get(self.hidden_header, "")
        if self.kind == "header":
            return _same(given, self._value)
        scheme, _, rest = self._value.partition(" ")
        said, _, key = given.partition(" ")
        return said.lower() == scheme.lower() and _same(key.strip(), rest)

    def with_key(self, request: ServiceRequest) -> ServiceRequest:
        """Return a request with the key in it."""
        if self.kind == "query":
            mark = "&" if "?" in request.target else "?"
            return replace(request, target=f"{request.target}{mark}{self.name}={quote(self.key)}")
        headers: Mapping[str, str] = {**request.headers, self.hidden_header: self._value}
        return replace(request, headers=headers)

    def without_key(self, request: ServiceRequest) -> ServiceRequest:
        """Return a request as routes see it: the key is no part of its query."""
        if self.kind != "query":
            return request
        rest = urlencode({name: one for name, one in request.query.items() if name != self.name})
        return replace(request, target=f"{request.path}?{rest}" if rest else request.path)

    @property
    def _value(self) -> str:
        """What stands in the header."""
        if self.kind == "basic":
            return f"Basic {base64.b64encode(self.key.encode()).decode()}"
        return f"Bearer {self.key}" if self.kind == "bearer" else self.key


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())


DELAY = "delay"
WHEN = ("on", "every", "first", "probability")
_OWN = frozenset({*WHEN, "performed", "delay"})
_NOT_PERFORMED = (FaultKind.STATUS, FaultKind.REFUSED)


class Trouble(ScriptTable):
    """A fault, and which requests meet it; without a word about that, all of them."""

    fault: Fault | None = None
    delay: Duration | None = None
    on: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(strict=False)] = ()
    every: int | None = Field(default=None, ge=1)
    first: int | None = Field(default=None, ge=1)
    probability: float | None = Field(default=None, gt=0, le=1)
    performed: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _unfold(cls, value: object) -> object:
        """Take the keys of a fault, which are written beside its own, together."""
        if not isinstance(value, dict) or "fault" in value:
            return cast("object", value)
        table = cast("dict[str, Any]", value)
        own = {name: one for name, one in table.items() if name in _OWN}
        rest = {name: one for name, one in table.items() if name not in _OWN}
        return own if rest == {"kind": DELAY} else {**own, "fault": rest}

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        said = [name for name in WHEN if name in self.model_fields_set]
        if len(said) > 1:
            raise ValueError(f"{said[0]} and {said[1]} exclude each other")
        if self.fault is None and self.delay is None:
            raise ValueError("the fault 'delay' needs a delay, such as '250ms'")
        if self.fault is None and self.performed is False:
            raise ValueError("what is only delayed is performed")
        return self

    @property
    def kind(self) -> str:
        """Which trouble it is."""
        return self.fault.kind.value if self.fault else DELAY

    @property
    def is_performed(self) -> bool:
        """Whether the request is performed before trouble comes to its answer."""
        if self.performed is not None:
            return self.performed
        return self.fault is None or self.fault.kind not in _NOT_PERFORMED

    def comes(self, number: int, seed: int, place: str) -> bool:
        """Tell whether the request of this number at this place meets it."""
        if self.on:
            return number in self.on
        if self.every is not None:
            return number % self.every == 0
        if self.first is not None:
            return number <= self.first
        if self.probability is not None:
            return strikes(self.probability, seed, place, number)
        return True


@dataclass(frozen=True)
class ServedRequest:
    """One request: when it came by the twin's clock, who answered it, and how.

    Its status is 0 when none was sent; `why` says what the twin itself could not do.
    """

    number: int
    at: str
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Json
    route: str
    visit: int
    status: int
    fault: str
    why: str

    def record(self) -> dict[str, object]:
        """Return it for a program."""
        return asdict(self)


@dataclass(frozen=True)
class Outcome:
    """What became of a request: the status it got, who answered, and in which trouble."""

    status: int
    route: str = ""
    visit: int = 0
    fault: str = ""
    why: str = ""


def served_request(
    number: int, at: str, request: ServiceRequest, outcome: Outcome, auth: Authentication | None
) -> ServedRequest:
    """Return a request for the log, with keys hidden."""
    curtain = Curtain(auth, request)
    return ServedRequest(
        number=number,
        at=at,
        method=request.method,
        path=curtain.text(request.path),
        query=curtain.query(),
        headers=curtain.headers(),
        body=curtain.value(request.body),
        route=outcome.route,
        visit=outcome.visit,
        status=outcome.status,
        fault=outcome.fault,
        why=curtain.text(outcome.why),
    )


class Curtain:
    """Hides the keys of a request: those it comes with, and the service's own, where they stand."""

    def __init__(self, auth: Authentication | None, request: ServiceRequest) -> None:
        self._request = request
        self._names = ({auth.hidden_header, auth.hidden_query} - {""}) if auth else set[str]()
        query = request.target.partition("?")[2]
        given = keys_of(request.headers, query, self._names).values
        basic = (
            key
            for name, said in request.headers.items()
            if is_secret(name) or name in self._names
            for key in credentials_in(said)
        )
        self._keys = KeyFinder([*given, *basic, *([auth.key] if auth else ())])

    def headers(self) -> dict[str, str]:
        """Return the headers."""
        return self._table(self._request.headers)

    def query(self) -> dict[str, str]:
        """Return the query."""
        return self._table(self._request.query)

    def text(self, text: str) -> str:
        """Return a text."""
        return self._keys.hide(text)

    def value(self, value: Json) -> Json:
        """Return a value of JSON."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(one) for one in value]
        if isinstance(value, dict):
            return {self.text(name): self.value(one) for name, one in value.items()}
        return value

    def _table(self, given: Mapping[str, str]) -> dict[str, str]:
        return {
            name: HIDDEN if name in self._names or is_secret(name) else self.text(value)
            for name, value in given.items()
        }
