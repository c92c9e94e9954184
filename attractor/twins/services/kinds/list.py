"""Answers with the records of a collection, filtered, sorted and in pages."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal, Self, cast

from pydantic import Field, model_validator

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.twins.errors import Rejection
from attractor.twins.exchange.answer import ScriptTable
from attractor.twins.services.response import Response, WrittenResponse
from attractor.twins.services.route import Answers, Call, RouteContext, RouteKind
from attractor.twins.services.state import Records
from attractor.twins.services.templates import (
    JsonTemplate,
    Template,
    as_text,
)

_RECORDS = Template("{{ records }}")


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


class List(WrittenResponse, RouteKind):
    """The records of which the fields in `filters` are as the query says."""

    names: ClassVar[frozenset[str]] = frozenset({"records", "total", "has_more", "next"})

    collection: str
    filters: Annotated[tuple[str, ...], Field(strict=False)] = ()
    ignores: Annotated[tuple[str, ...], Field(strict=False)] = ()
    where: dict[str, JsonTemplate] = {}
    sort: str = ""
    paging: Paging | None = None

    def open(self, surroundings: RouteContext) -> Answers:
        """Return what writes the list."""
        surroundings.require_collection(self.collection)
        return self._answer

    def _answer(self, call: Call) -> Response:
        self._require_known(call)
        found = self._sorted(self._found(call))
        page = (
            self.paging.cut(cast("Mapping[str, Json]", found), call.request.query)
            if self.paging
            else Page(cast("list[Json]", list(found.values())), len(found), None)
        )
        return self.written(call.names(**page.names()), _RECORDS)

    def _require_known(self, call: Call) -> None:
        """Reject what would otherwise be passed over in silence."""
        paged = (self.paging.at, self.paging.size) if self.paging else ()
        known = {*self.filters, *self.ignores, *paged}
        for name in call.request.query:
            if name not in known:
                told = f"this list takes no {name!r}; it takes {', '.join(sorted(known)) or 'none'}"
                raise Rejection(400, told, code="unknown_parameter")

    def _found(self, call: Call) -> Records:
        names = call.names()
        wanted = {name: value.text(names) for name, value in self.where.items()}
        query = call.request.query
        wanted |= {name: query[name] for name in self.filters if name in query}
        return {
            place: record
            for place, record in call.state.collections[self.collection].items()
            if all(name in record and as_text(record[name]) == one for name, one in wanted.items())
        }

    def _sorted(self, found: Records) -> Records:
        if not self.sort:
            return found
        field = self.sort.removeprefix("-")
        rows = sorted(
            found.items(), key=lambda one: _order(one[1].get(field)), reverse=self.sort[0] == "-"
        )
        return dict(rows)


def _order(value: Json) -> tuple[int, float, str]:
    """Numbers stand before texts, and what is missing before both."""
    if value is None:
        return 0, 0, ""
    if isinstance(value, int | float):
        return 1, value, ""
    return 2, 0, as_text(value)


part = List
