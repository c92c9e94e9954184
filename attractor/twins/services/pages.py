"""Which records of a list a client gets, and where the next ones are."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.twins.answer import Written
from attractor.twins.errors import Rejection

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


class Paging(Written):
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
