"""A request to a service twin, and the response to the request."""

import json
import re
from collections.abc import Mapping
from dataclasses import field, replace
from functools import cached_property
from typing import Annotated, Self
from urllib.parse import parse_qsl, quote, unquote

from pydantic import AfterValidator, Field, model_validator

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.json import Json, parse_json
from attractor.twins.exchange.answer import JSON, Reply, ScriptTable
from attractor.twins.services.templates import (
    ExpressionError,
    JsonTemplate,
    Names,
    Template,
    TextTemplate,
    as_text,
)

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class ServiceRequest:
    """A request of a client; `target` is the path with the query, as sent."""

    method: str
    target: str
    headers: Mapping[str, str]
    content: bytes = b""

    @cached_property
    def path(self) -> str:
        """The path without the query."""
        return self.target.partition("?")[0]

    @cached_property
    def canonical_path(self) -> str:
        """The path with uniformly encoded segments, without extra slashes at its start and end."""
        path = self.path.strip("/")
        canonical = "/".join(quote(unquote(segment), safe="") for segment in path.split("/"))
        return f"/{canonical}/" if path and self.path.endswith("/") else f"/{canonical}"

    @cached_property
    def query(self) -> Mapping[str, str]:
        """The query parameters; for a repeated name, the last value."""
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    @cached_property
    def body(self) -> Json:
        """The body: a form as an object of texts, otherwise JSON, otherwise text.

        An empty body is null.
        """
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
    """Return the media type of a body, without its character set."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


_WITHOUT_BODY = (204, 304)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_OWN_HEADERS = frozenset({"content-length", "transfer-encoding", "connection"})


@dataclass(frozen=True)
class ServiceResponse:
    """A status, headers and a body."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    content: bytes = b""

    @property
    def reply(self) -> Reply:
        """The reply that is sent."""
        if self.status in _WITHOUT_BODY:
            return Reply(self.status, (), self.headers)
        length = {"content-length": str(len(self.content))}
        return Reply(self.status, (self.content,), {**self.headers, **length})

    def with_headers(self, headers: Mapping[str, str]) -> "ServiceResponse":
        """Return the response with more headers."""
        return replace(self, headers={**self.headers, **headers})


def json_response(
    value: Json, status: int = 200, headers: Mapping[str, str] | None = None
) -> ServiceResponse:
    """Return a response with a JSON body."""
    checked = checked_headers(headers or {})
    content = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return ServiceResponse(status, {"content-type": JSON, **checked}, content)


def is_header_name(name: str) -> bool:
    """Return whether a text is a valid header name."""
    return _HEADER_NAME.fullmatch(name) is not None


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers with lower-case names, or raise an error for an invalid header."""
    for name, value in headers.items():
        if not is_header_name(name) or not _HEADER_VALUE.fullmatch(value):
            raise ExpressionError(f"invalid header {name!r}: {value!r}")
        if name.lower() in _OWN_HEADERS:
            raise ExpressionError(f"the twin sets the header {name!r} itself: remove it")
    return {name.lower(): value for name, value in headers.items()}


def _valid_headers(headers: dict[str, Template]) -> dict[str, Template]:
    """Reject headers that would be invalid at every request."""
    fixed = {
        name: "" if template.expressions else template.text({})
        for name, template in headers.items()
    }
    try:
        checked_headers(fixed)
    except ExpressionError as cause:
        raise ValueError(str(cause)) from cause
    return headers


HeaderTemplates = Annotated[dict[str, TextTemplate], AfterValidator(_valid_headers)]


def render_headers(templates: Mapping[str, Template], names: Names) -> dict[str, str]:
    """Return headers with these names for expressions, without those that are empty or null."""
    values = {name: template.value(names) for name, template in templates.items()}
    return {name: as_text(value) for name, value in values.items() if value not in ("", None)}


class ResponseTable(ScriptTable):
    """A declared response: with JSON, with a text, or without a body."""

    status: int = Field(default=200, ge=200, le=599)
    headers: HeaderTemplates = {}
    json_: JsonTemplate | None = Field(default=None, alias="json")
    body: TextTemplate | None = None

    @model_validator(mode="after")
    def _has_one_body(self) -> Self:
        if self.json_ is not None and self.body is not None:
            raise ValueError("json and body cannot be combined")
        if self.status in _WITHOUT_BODY and (self.json_ or self.body):
            raise ValueError(f"a response with status {self.status} cannot have a body")
        return self

    def render(self, names: Names, default: Template | None = None) -> ServiceResponse:
        """Return the response, with these names for expressions.

        `default` is the JSON body if no body is declared.
        """
        headers = render_headers(self.headers, names)
        if self.body or self.status in _WITHOUT_BODY:
            default = None
        if template := self.json_ or default:
            return json_response(template.value(names), self.status, headers)
        media_type = {"content-type": "text/plain; charset=utf-8"} if self.body else {}
        text = self.body.text(names) if self.body else ""
        return ServiceResponse(
            self.status, {**media_type, **checked_headers(headers)}, text.encode()
        )
