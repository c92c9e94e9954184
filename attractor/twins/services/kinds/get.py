"""Answers with one record of a collection."""

from typing import ClassVar

from attractor.twins.services.request import ResponseTable, ServiceResponse
from attractor.twins.services.route import (
    RECORD,
    RouteCall,
    RouteContext,
    RouteHandler,
    RouteKind,
    open_record_store,
)
from attractor.twins.services.templates import JsonTemplate, TextTemplate


class Get(ResponseTable, RouteKind):
    """Answers with the record, or with status 404 if the record is missing."""

    names: ClassVar[frozenset[str]] = frozenset({"record"})

    collection: str
    id: TextTemplate | None = None
    where: dict[str, JsonTemplate] = {}

    def prepare(self, context: RouteContext) -> RouteHandler:
        """Return the handler that finds the record."""
        store = open_record_store(self.collection, self.id, self.where, context)

        def answer(call: RouteCall) -> ServiceResponse:
            _, record = store.find(call)
            return self.render(call.names(record=record), RECORD)

        return answer


part = Get
