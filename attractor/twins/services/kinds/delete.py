"""Takes one record out of a collection."""

from typing import ClassVar

from pydantic import Field

from attractor.twins.services.response import Response, WrittenResponse
from attractor.twins.services.route import Answers, Call, RouteContext, RouteKind, Shelf, open_shelf
from attractor.twins.services.templates import TextTemplate

_NO_CONTENT = 204


class Delete(WrittenResponse, RouteKind):
    """204 without a body unless said otherwise; `record` is what was taken out."""

    names: ClassVar[frozenset[str]] = frozenset({"record"})

    status: int = Field(default=0, ge=200, le=599)
    collection: str
    id: TextTemplate | None = None

    def open(self, surroundings: RouteContext) -> Answers:
        """Return what takes the record out."""
        shelf = open_shelf(self.collection, self.id, surroundings)
        status = self.status or (200 if self.json_ or self.body else _NO_CONTENT)
        response = self.model_copy(update={"status": status})
        return lambda call: response.remove(call, shelf)

    def remove(self, call: Call, shelf: Shelf) -> Response:
        """Take the record out, and answer."""
        place, record = shelf.find(call)
        del shelf.records(call)[place]
        return self.written(call.names(record=record))


part = Delete
