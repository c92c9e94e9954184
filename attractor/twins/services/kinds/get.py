"""Answers with one record of a collection."""

from typing import ClassVar

from attractor.twins.services.response import Response, WrittenResponse
from attractor.twins.services.route import (
    RECORD,
    Answers,
    Call,
    RouteContext,
    RouteKind,
    open_shelf,
)
from attractor.twins.services.templates import TextTemplate


class Get(WrittenResponse, RouteKind):
    """The record, or 404."""

    names: ClassVar[frozenset[str]] = frozenset({"record"})

    collection: str
    id: TextTemplate | None = None

    def open(self, surroundings: RouteContext) -> Answers:
        """Return what looks the record up."""
        shelf = open_shelf(self.collection, self.id, surroundings)

        def answer(call: Call) -> Response:
            _, record = shelf.find(call)
            return self.written(call.names(record=record), RECORD)

        return answer


part = Get
