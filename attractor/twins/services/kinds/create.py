"""Adds a record to a collection."""

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
    sent_record,
    written_fields,
)
from attractor.twins.services.templates import JsonTemplate, Template, as_text


class Create(WrittenResponse, RouteKind):
    """The new record: what was sent, over `defaults` and below `sets`, with an id."""

    names: ClassVar[frozenset[str]] = frozenset({"record", "id"})

    status: int = Field(default=201, ge=200, le=599)
    collection: str
    required: Annotated[tuple[str, ...], Field(strict=False)] = ()
    defaults: dict[str, JsonTemplate] = {}
    sets: dict[str, JsonTemplate] = {}

    def open(self, surroundings: RouteContext) -> Answers:
        """Return what adds the record."""
        collection = surroundings.require_collection(self.collection)
        shelf = Shelf(self.collection, collection, Template(""))
        return lambda call: self._answer(call, shelf)

    def _answer(self, call: Call, shelf: Shelf) -> Response:
        sent = sent_record(call, self.required)
        made = shelf.new_id(call, call.names())
        names = call.names(id=made)
        fields = written_fields(self.defaults, names) | sent | written_fields(self.sets, names)
        key = shelf.collection.key
        # The id stands first, as services have it.
        record = {key: made, **{name: value for name, value in fields.items() if name != key}}
        shelf.records(call)[as_text(made)] = record
        return self.written(call.names(id=made, record=record), RECORD)


part = Create
