"""Checks the key that a service requires, and hides keys in logs and recordings."""

import base64
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, Self
from urllib.parse import quote, urlencode

from pydantic import Field, model_validator

from attractor.base.json import Json
from attractor.twins.redaction import (
    HIDDEN,
    ApiKeys,
    credentials_in,
    is_secret_header,
    request_keys,
)
from attractor.twins.services.request import ResponseTable, ServiceRequest, is_header_name

_AUTHORIZATION = "authorization"


class Authentication(ResponseTable):
    """The place of the key in a request, and the response to a request without the key."""

    kind: Literal["bearer", "basic", "header", "query"]
    key: str = Field(min_length=1)
    name: str = ""
    status: int = Field(default=401, ge=400, le=499)

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.kind in ("header", "query") and not self.name:
            raise ValueError(f"missing name of the {self.kind}")
        if self.kind == "header" and not is_header_name(self.name):
            raise ValueError(f"invalid header name {self.name!r}")
        if self.kind in ("bearer", "basic") and self.name:
            raise ValueError(f"remove name: {self.kind} always uses the header Authorization")
        if self.kind == "basic" and ":" not in self.key:
            raise ValueError("invalid key: for basic it must be 'user:password'")
        return self

    @property
    def declares_response(self) -> bool:
        """Whether any part of the response is declared."""
        return bool(self.model_fields_set & ResponseTable.model_fields.keys())

    @property
    def error_response(self) -> ResponseTable | None:
        """The declared response to a request without the key, if any."""
        return self if self.json_ or self.body else None

    @property
    def hidden_header(self) -> str:
        """The header that contains the key."""
        return self.name.lower() if self.kind == "header" else _AUTHORIZATION

    @property
    def hidden_query(self) -> str:
        """The query parameter that contains the key."""
        return self.name if self.kind == "query" else ""

    def accepts(self, request: ServiceRequest) -> bool:
        """Return whether a request has the key."""
        if self.kind == "query":
            return _is_same(request.query.get(self.name, ""), self.key)
        value = request.headers.get(self.hidden_header, "")
        if self.kind == "header":
            return _is_same(value, self._value)
        scheme, _, rest = self._value.partition(" ")
        actual, _, key = value.partition(" ")
        return actual.lower() == scheme.lower() and _is_same(key.strip(), rest)

    def is_used_by(self, request: ServiceRequest) -> bool:
        """Return whether a request has some key in the place of this one."""
        if self.hidden_query:
            return self.hidden_query in request.query
        return self.hidden_header in request.headers

    def with_key(self, request: ServiceRequest) -> ServiceRequest:
        """Return a request with the key added."""
        if self.kind == "query":
            mark = "&" if "?" in request.target else "?"
            return replace(request, target=f"{request.target}{mark}{self.name}={quote(self.key)}")
        headers: Mapping[str, str] = {**request.headers, self.hidden_header: self._value}
        return replace(request, headers=headers)

    def without_key(self, request: ServiceRequest) -> ServiceRequest:
        """Return the request that the routes receive: without the key in the query."""
        if self.kind != "query":
            return request
        rest = urlencode(
            {name: value for name, value in request.query.items() if name != self.name}
        )
        return replace(request, target=f"{request.path}?{rest}" if rest else request.path)

    @property
    def _value(self) -> str:
        """The value of the header."""
        if self.kind == "basic":
            return f"Basic {base64.b64encode(self.key.encode()).decode()}"
        return f"Bearer {self.key}" if self.kind == "bearer" else self.key


def _is_same(value: str, key: str) -> bool:
    return hmac.compare_digest(value.encode(), key.encode())


def hidden_names(auth: Sequence[Authentication]) -> set[str]:
    """Return the names of the headers and query parameters that contain keys."""
    return {
        name
        for authentication in auth
        for name in (authentication.hidden_header, authentication.hidden_query)
        if name
    }


class KeyRedactor:
    """Hides the keys of a request and of its service."""

    def __init__(self, auth: Sequence[Authentication], request: ServiceRequest) -> None:
        self._request = request
        self._names = hidden_names(auth)
        query = request.target.partition("?")[2]
        keys = request_keys(request.headers, query, self._names).values
        basic = (
            key
            for name, value in request.headers.items()
            if is_secret_header(name) or name in self._names
            for key in credentials_in(value)
        )
        self._keys = ApiKeys([*keys, *basic, *(authentication.key for authentication in auth)])

    def headers(self) -> dict[str, str]:
        """Return the headers without keys."""
        return self._table(self._request.headers)

    def query(self) -> dict[str, str]:
        """Return the query without keys."""
        return self._table(self._request.query)

    def text(self, text: str) -> str:
        """Return a text without API keys."""
        return self._keys.text(text)

    def value(self, value: Json) -> Json:
        """Return a JSON value without keys."""
        return self._keys.json(value)

    def _table(self, fields: Mapping[str, str]) -> dict[str, str]:
        return {
            name: HIDDEN if name in self._names or is_secret_header(name) else self.text(value)
            for name, value in fields.items()
        }
