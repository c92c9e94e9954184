"""Answers with the filtered and sorted records of a collection, in pages."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal, Self, cast

from pydantic import BeforeValidator, Field, model_validator

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.twins.errors import Rejection
from attractor.twins.exchange.answer import ScriptTable
from attractor.twins.services.request import ResponseTable, ServiceResponse
from attractor.twins.services.route import (
    RouteCall,
    RouteContext,
    RouteHandler,
    RouteKind,
    has_values,
    render_texts,
)
from attractor.twins.services.state import Records
from attractor.twins.services.templates import JsonTemplate, Template, as_text

_RECORDS = Template("{{ records }}")
Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class ListPage:
    """Some records of a list; `next` is the client's parameter for the next page, or null."""

    records: Sequence[Json]
    total: int
    next: Json

    def names(self) -> Mapping[str, object]:
        """Return the names for the route's expressions."""
        return {
            "records": list(self.records),
            "total": self.total,
            "has_more": self.next is not None,
            "next": self.next,
        }


class Paging(ScriptTable):
    """The paging of a list.

    A page begins after the id of a record, at an offset, or at a page number.
    """

    by: Literal["cursor", "offset", "page"]
    at: str
    size: str
    default: Count = 20
    most: Count = 100

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.default > self.most:
            raise ValueError(f"default ({self.default}) must not exceed most ({self.most})")
        return self

    def cut(self, records: Mapping[str, Json], query: Mapping[str, str]) -> ListPage:
        """Return the page of a query."""
        size = min(_number(query, self.size, self.default, least=1), self.most)
        start = self._start(list(records), query, size)
        end = start + size
        shown = list(records)[start:end]
        more = end < len(records)
        page = [records[record_id] for record_id in shown]
        return ListPage(page, len(records), self._next(shown, end, size) if more else None)

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
            message = f"unknown record {self.at}={query[self.at]}"
            raise Rejection(400, message, code="invalid_parameter")
        return ids.index(query[self.at]) + 1


def _number(query: Mapping[str, str], name: str, default: int, *, least: int) -> int:
    text = query.get(name, str(default))
    # No list has so many records that a number needs more digits.
    if not (text.isascii() and text.isdigit() and len(text) < 10) or int(text) < least:
        message = f"{name}={text} must be an integer, at least {least}"
        raise Rejection(400, message, code="invalid_parameter")
    return int(text)


class ListFilter(ScriptTable):
    """The value of a filter without a parameter in the query, and the value that matches all
    records.
    """

    default: str | None = None
    all: str | None = None

    def expected(self, query: Mapping[str, str], name: str) -> str | None:
        """Return the value that records must have, if any."""
        value = query.get(name, self.default)
        return None if value == self.all else value


def _named_filters(value: object) -> object:
    """Read a list of names as a table."""
    if not isinstance(value, list):
        return value
    names = cast("list[object]", value)
    is_valid = all(isinstance(name, str) for name in names)
    return {name: ListFilter() for name in names} if is_valid else names


class List(ResponseTable, RouteKind):
    """Answers with the records that match the query.

    `filters` are the fields that can be queried.
    """

    names: ClassVar[frozenset[str]] = frozenset({"records", "total", "has_more", "next"})

    collection: str
    filters: Annotated[
        dict[str, ListFilter],
        BeforeValidator(_named_filters, json_schema_input_type=list[str] | dict[str, ListFilter]),
    ] = {}
    ignores: Annotated[tuple[str, ...], Field(strict=False)] = ()
    where: dict[str, JsonTemplate] = {}
    sort: str = ""
    paging: Paging | None = None

    def prepare(self, context: RouteContext) -> RouteHandler:
        """Return the handler that renders the list."""
        context.require_collection(self.collection)
        return self._answer

    def _answer(self, call: RouteCall) -> ServiceResponse:
        self._require_known(call)
        found = self._matching(call)
        if self.sort:
            field = self.sort.removeprefix("-")
            is_reverse = self.sort[0] == "-"
            rows = found.items()
            found = dict(
                sorted(rows, key=lambda row: _order(row[1].get(field)), reverse=is_reverse)
            )
        page = (
            self.paging.cut(cast("Mapping[str, Json]", found), call.request.query)
            if self.paging
            else ListPage(cast("list[Json]", list(found.values())), len(found), None)
        )
        return self.render(call.names(**page.names()), _RECORDS)

    def _require_known(self, call: RouteCall) -> None:
        """Reject a query parameter without an effect."""
        paged = (self.paging.at, self.paging.size) if self.paging else ()
        known = {*self.filters, *self.ignores, *paged}
        for name in call.request.query:
            if name not in known:
                message = f"unknown parameter {name!r}; known: {', '.join(sorted(known)) or 'none'}"
                raise Rejection(400, message, code="unknown_parameter")

    def _matching(self, call: RouteCall) -> Records:
        query = call.request.query
        wanted = {name: self.filters[name].expected(query, name) for name in self.filters}
        expected = render_texts(self.where, call.names())
        expected |= {name: value for name, value in wanted.items() if value is not None}
        return {
            record_id: record
            for record_id, record in call.state.collections[self.collection].items()
            if has_values(record, expected)
        }


def _order(value: Json) -> tuple[int, float, str]:
    """Return a key that sorts missing values before numbers, and numbers before texts."""
    if value is None:
        return 0, 0, ""
    if isinstance(value, int | float):
        return 1, value, ""
    return 2, 0, as_text(value)


part = List
