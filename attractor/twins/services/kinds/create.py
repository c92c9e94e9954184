"""Adds a record to a collection."""

from typing import Annotated, ClassVar

from pydantic import Field

from attractor.twins.services.request import ResponseTable, ServiceResponse
from attractor.twins.services.route import (
    RECORD,
    RecordStore,
    RouteCall,
    RouteContext,
    RouteHandler,
    RouteKind,
    record_from_body,
    render_fields,
)
from attractor.twins.services.templates import JsonTemplate, Template, as_text


class Create(ResponseTable, RouteKind):
    """Answers with the new record, which has an id.

    The fields of the record are `defaults`, overridden by the fields that the client sent, which
    are overridden by `sets`.
    """

    names: ClassVar[frozenset[str]] = frozenset({"record", "id"})

    status: int = Field(default=201, ge=200, le=599)
    collection: str
    required: Annotated[tuple[str, ...], Field(strict=False)] = ()
    defaults: dict[str, JsonTemplate] = {}
    sets: dict[str, JsonTemplate] = {}

    def prepare(self, context: RouteContext) -> RouteHandler:
        """Return the handler that adds the record."""
        collection = context.require_collection(self.collection)
        store = RecordStore(self.collection, collection, Template(""), {})

        def answer(call: RouteCall) -> ServiceResponse:
            sent = record_from_body(call, self.required)
            new_id = store.new_id(call, call.names())
            names = call.names(id=new_id)
            fields = render_fields(self.defaults, names) | sent | render_fields(self.sets, names)
            # The id is the first field, as in real services.
            record = {collection.key: new_id}
            record |= {name: fields[name] for name in fields if name != collection.key}
            store.records(call)[as_text(new_id)] = record
            return self.render(call.names(id=new_id, record=record), RECORD)

        return answer


part = Create
