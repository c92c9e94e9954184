"""Changes one record of a collection."""

from typing import Annotated, ClassVar

from pydantic import Field

from attractor.twins.services.request import ResponseTable, ServiceResponse
from attractor.twins.services.route import (
    RECORD,
    RouteCall,
    RouteContext,
    RouteHandler,
    RouteKind,
    open_record_store,
    record_from_body,
    render_fields,
)
from attractor.twins.services.templates import JsonTemplate, TextTemplate


class Update(ResponseTable, RouteKind):
    """Answers with the changed record.

    The fields that the client sent are merged into the record. With `replace`, these fields replace
    all fields of the record except for the id.
    """

    names: ClassVar[frozenset[str]] = frozenset({"record"})

    collection: str
    id: TextTemplate | None = None
    where: dict[str, JsonTemplate] = {}
    required: Annotated[tuple[str, ...], Field(strict=False)] = ()
    replace: bool = False
    sets: dict[str, JsonTemplate] = {}

    def prepare(self, context: RouteContext) -> RouteHandler:
        """Return the handler that changes the record."""
        store = open_record_store(self.collection, self.id, self.where, context)

        def answer(call: RouteCall) -> ServiceResponse:
            record_id, before = store.find(call)
            sent = record_from_body(call, self.required)
            key = store.collection.key
            rest = {key: before[key]} if self.replace else before
            sets = render_fields(self.sets, call.names(record=before))
            record = {**rest, **sent, **sets, key: before[key]}
            store.records(call)[record_id] = record
            return self.render(call.names(record=record), RECORD)

        return answer


part = Update
