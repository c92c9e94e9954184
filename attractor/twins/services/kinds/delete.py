"""Removes one record from a collection."""

from typing import ClassVar

from pydantic import Field

from attractor.twins.services.request import ResponseTable, ServiceResponse
from attractor.twins.services.route import (
    RecordStore,
    RouteCall,
    RouteContext,
    RouteHandler,
    RouteKind,
    open_record_store,
)
from attractor.twins.services.templates import JsonTemplate, TextTemplate

_NO_CONTENT = 204


class Delete(ResponseTable, RouteKind):
    """Answers with status 204 and without a body by default.

    In the expressions of a declared response, `record` is the removed record.
    """

    names: ClassVar[frozenset[str]] = frozenset({"record"})

    status: int = Field(default=0, ge=200, le=599)
    collection: str
    id: TextTemplate | None = None
    where: dict[str, JsonTemplate] = {}

    def prepare(self, context: RouteContext) -> RouteHandler:
        """Return the handler that removes the record."""
        store = open_record_store(self.collection, self.id, self.where, context)
        status = self.status or (200 if self.json_ or self.body else _NO_CONTENT)
        response = self.model_copy(update={"status": status})
        return lambda call: response.remove(call, store)

    def remove(self, call: RouteCall, store: RecordStore) -> ServiceResponse:
        """Remove the record, and return the response."""
        record_id, record = store.find(call)
        del store.records(call)[record_id]
        return self.render(call.names(record=record))


part = Delete
