"""A response: as a route declares it, and as it is sent."""

import json
import re
from collections.abc import Mapping
from dataclasses import field, replace
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.twins.exchange.answer import ScriptTable
from attractor.twins.exchange.reply import JSON, Reply
from attractor.twins.services.templates import (
    JsonTemplate,
    Names,
    Template,
    TemplateTrouble,
    TextTemplate,
)

_WITHOUT_BODY = (204, 304)


_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


_SET_BY_THE_TWIN = frozenset({"content-length", "transfer-encoding", "connection"})


@dataclass(frozen=True)
class Response:
    """A status, headers and a body."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    content: bytes = b""

    @property
    def reply(self) -> Reply:
        """How it is sent."""
        if self.status in _WITHOUT_BODY:
            return Reply(self.status, (), self.headers)
        length = {"content-length": str(len(self.content))}
        return Reply(self.status, (self.content,), {**self.headers, **length})

    def with_headers(self, headers: Mapping[str, str]) -> "Response":
        """Return it with more headers."""
        return replace(self, headers={**self.headers, **headers})


def json_response(
    value: Json, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a response that is JSON."""
    said = checked_headers(headers or {})
    content = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(status, {"content-type": JSON, **said}, content)


def is_header_name(name: str) -> bool:
    """Tell whether a header can be called so."""
    return _HEADER_NAME.fullmatch(name) is not None


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers with lower-case names, or say which cannot be sent."""
    for name, value in headers.items():
        if not is_header_name(name) or not _HEADER_VALUE.fullmatch(value):
            raise TemplateTrouble(f"the header {name!r} cannot be sent with the value {value!r}")
        if name.lower() in _SET_BY_THE_TWIN:
            raise TemplateTrouble(f"the header {name!r} is made by the twin; leave it out")
    return {name.lower(): value for name, value in headers.items()}


def _sendable(headers: dict[str, Template]) -> dict[str, Template]:
    """Refuse early what could not be sent with any request."""
    fixed = {name: "" if one.expressions else one.text({}) for name, one in headers.items()}
    try:
        checked_headers(fixed)
    except TemplateTrouble as cause:
        raise ValueError(str(cause)) from cause
    return headers


WrittenHeaders = Annotated[dict[str, TextTemplate], AfterValidator(_sendable)]


class WrittenResponse(ScriptTable):
    """A response as a file declares it: JSON, or a text, or no body."""

    status: int = Field(default=200, ge=200, le=599)
    headers: WrittenHeaders = {}
    json_: JsonTemplate | None = Field(default=None, alias="json")
    body: TextTemplate | None = None

    @model_validator(mode="after")
    def _has_one_body(self) -> Self:
        if self.json_ is not None and self.body is not None:
            raise ValueError("json and body exclude each other")
        if self.status in _WITHOUT_BODY and (self.json_ or self.body):
            raise ValueError(f"a response with the status {self.status} has no body")
        return self

    def written(self, names: Names, otherwise: Template | None = None) -> Response:
        """Write it with these names; without a body of its own it has another JSON, if any."""
        headers = {name: value.text(names) for name, value in self.headers.items()}
        otherwise = None if self.body or self.status in _WITHOUT_BODY else otherwise
        if written := self.json_ or otherwise:
            return json_response(written.value(names), self.status, headers)
        kind = {"content-type": "text/plain; charset=utf-8"} if self.body else {}
        text = self.body.text(names) if self.body else ""
        return Response(self.status, {**kind, **checked_headers(headers)}, text.encode())
