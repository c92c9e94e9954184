"""Answers with the records of a collection, filtered, sorted and in pages."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, cast

from pydantic import Field

from attractor.base.json import Json
from attractor.twins.errors import Rejection
from attractor.twins.services.response import Page, Paging, Response, WrittenResponse
from attractor.twins.services.route import Answers, Call, RouteContext, RouteKind
from attractor.twins.services.state import Records
from attractor.twins.services.templates import JsonTemplate, Template, as_text

_RECORDS = Template("{{ records }}")


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
