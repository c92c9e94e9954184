"""The key that a service requires, and hiding keys in logs and recordings."""

import base64
import hmac
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, Self
from urllib.parse import quote, urlencode

from pydantic import Field, model_validator

from attractor.base.json import Json
from attractor.twins.recordings.redaction import HIDDEN, credentials_in, is_secret, keys_of
from attractor.twins.services.redaction import KeyFinder
from attractor.twins.services.request import ServiceRequest
from attractor.twins.services.response import WrittenResponse, is_header_name

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
