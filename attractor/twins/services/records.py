"""How routes find and keep the records of a collection."""

from collections.abc import Mapping, Sequence

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.twins.errors import Rejection
from attractor.twins.services.errors import Misfit
from attractor.twins.services.json_paths import members
from attractor.twins.services.route import Call, Collection, Surroundings
from attractor.twins.services.state import Records
from attractor.twins.services.templates import Names, Template, as_text

Record = dict[str, Json]


@dataclass(frozen=True)
class Shelf:
    """One collection, as the routes over it see it."""

    name: str
    collection: Collection
    id: Template

    def records(self, call: Call) -> Records:
        """Return its records by id."""
        return call.state.collections[self.name]

    def find(self, call: Call) -> tuple[str, Record]:
        """Return the record a request is about, or reject the request."""
        asked = self.id.text(call.names())
        record = self.records(call).get(asked)
        if record is None:
            raise Rejection(404, f"there is no {asked!r} in {self.name}", code="not_found")
        return asked, record

    def new_id(self, call: Call, names: Names) -> Json:
        """Return an id for a new record, or reject one that is taken."""
        if self.collection.id is None:
            counted = (str(call.state.counter(self.name)) for _ in iter(int, 1))
            return next(one for one in counted if one not in self.records(call))
        made = self.collection.id.value(names)
        if as_text(made) in self.records(call):
            raise Rejection(409, f"{as_text(made)!r} is in {self.name} already", code="conflict")
        return made


def open_shelf(name: str, written_id: Template | None, surroundings: Surroundings) -> Shelf:
    """Return a collection; which record is meant is said, or is the last name of the path."""
    collection = surroundings.require_collection(name)
    if written_id is None:
        names = surroundings.pattern.names
        if not names:
            raise Misfit("id", "say which record is meant: the path has no name in braces")
        written_id = Template(f"{{{{ path.{names[-1]} }}}}")
    return Shelf(name, collection, written_id)


def sent_record(call: Call, required: Sequence[str]) -> Record:
    """Return the table a client sent, or reject what is none or lacks a field."""
    body = call.request.body
    if body is not None and not isinstance(body, dict):
        raise Rejection(400, "the body has to be a JSON object or a form", code="invalid_body")
    sent = members(body)
    missing = [one for one in required if one not in sent]
    if missing:
        raise Rejection(400, f"the body lacks {', '.join(missing)}", code="missing_field")
    return sent


def written_fields(fields: Mapping[str, Template], names: Names) -> Record:
    """Write the fields that a route sets."""
    return {name: value.value(names) for name, value in fields.items()}


RECORD = Template("{{ record }}")
"""What a route over one record answers, unless it says something else."""
