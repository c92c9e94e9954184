"""What a route sends back, as data with expressions in it and as it is sent.

Which records of a list a client gets, and where the next ones are.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.twins.errors import Rejection
from attractor.twins.exchange.wire import JSON, Reply
from attractor.twins.script.answer import ScriptTable
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


Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class Page:
    """Some records of a list; `next` is what a client sends for those behind them, or null."""

    records: Sequence[Json]
    total: int
    next: Json

    def names(self) -> Mapping[str, object]:
        """Return what the values of a route may name."""
        return {
            "records": list(self.records),
            "total": self.total,
            "has_more": self.next is not None,
            "next": self.next,
        }


class Paging(ScriptTable):
    """How a list is cut: behind the id of a record, from an offset, or by numbers of pages."""

    by: Literal["cursor", "offset", "page"]
    at: str
    size: str
    default: Count = 20
    most: Count = 100

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.default > self.most:
            raise ValueError(f"the default size {self.default} is more than {self.most}, the most")
        return self

    def cut(self, records: Mapping[str, Json], query: Mapping[str, str]) -> Page:
        """Return the page that a query asks for."""
        size = min(_number(query, self.size, self.default, least=1), self.most)
        start = self._start(list(records), query, size)
        end = start + size
        shown = list(records)[start:end]
        more = end < len(records)
        found = [records[one] for one in shown]
        return Page(found, len(records), self._next(shown, end, size) if more else None)

    def _next(self, shown: Sequence[str], end: int, size: int) -> Json:
        if self.by == "cursor":
            return shown[-1]
        return end if self.by == "offset" else end // size + 1

    def _start(self, ids: Sequence[str], query: Mapping[str, str], size: int) -> int:
        if self.by == "offset":
            return _number(query, self.at, 0, least=0)
        if self.by == "page":
            return (_number(query, self.at, 1, least=1) - 1) * size
        if self.at not in query:
            return 0
        if query[self.at] not in ids:
            told = f"{self.at}={query[self.at]} is no record of this list"
            raise Rejection(400, told, code="invalid_parameter")
        return ids.index(query[self.at]) + 1


def _number(query: Mapping[str, str], name: str, default: int, *, least: int) -> int:
    written = query.get(name, str(default))
    # More digits are no page of anything.
    if not (written.isascii() and written.isdigit() and len(written) < 10) or int(written) < least:
        told = f"{name}={written} has to be a whole number from {least} on"
        raise Rejection(400, told, code="invalid_parameter")
    return int(written)
