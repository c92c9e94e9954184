"""Changes one record of a collection."""

from typing import Annotated, ClassVar

from pydantic import Field

from attractor.twins.services.response import Response, WrittenResponse
from attractor.twins.services.route import (
    RECORD,
    Answers,
    Call,
    RouteContext,
    RouteKind,
    Shelf,
    open_shelf,
    sent_record,
    written_fields,
)
from attractor.twins.services.templates import JsonTemplate, TextTemplate


class Update(WrittenResponse, RouteKind):
    """The record with what was sent over it, or in its place with `replace`; its id stays."""

    names: ClassVar[frozenset[str]] = frozenset({"record"})

    collection: str
    id: TextTemplate | None = None
    required: Annotated[tuple[str, ...], Field(strict=False)] = ()
    replace: bool = False
    sets: dict[str, JsonTemplate] = {}

    def open(self, surroundings: RouteContext) -> Answers:
        """Return what changes the record."""
        shelf = open_shelf(self.collection, self.id, surroundings)
        return lambda call: self._answer(call, shelf)

    def _answer(self, call: Call, shelf: Shelf) -> Response:
        place, before = shelf.find(call)
        sent = sent_record(call, self.required)
        key = shelf.collection.key
        kept = {key: before[key]} if self.replace else before
        sets = written_fields(self.sets, call.names(record=before))
        record = {**kept, **sent, **sets, key: before[key]}
        shelf.records(call)[place] = record
        return self.written(call.names(record=record), RECORD)


part = Update
