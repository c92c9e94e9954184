"""Routes of a service: their declaration, the choice of a route, and records in collections."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from difflib import SequenceMatcher
from itertools import count
from pathlib import Path
from typing import Annotated, ClassVar, TypeAlias, cast

from pydantic import Field
from starlette.datastructures import Headers

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.base.registry import Registry
from attractor.twins.errors import Rejection
from attractor.twins.exchange.answer import ScriptTable
from attractor.twins.services.errors import InvalidRouteKey, TwinFailure
from attractor.twins.services.faults import FaultRule
from attractor.twins.services.request import ServiceRequest
from attractor.twins.services.response import ServiceResponse
from attractor.twins.services.route_match import (
    PathPattern,
    PathPatternField,
    RouteConditions,
    members,
)
from attractor.twins.services.state import RateLimit, Records, ServiceState, format_time
from attractor.twins.services.templates import Names, Template, TextTemplate, as_text

ANY_METHOD = "*"
NAMES = frozenset(
    {"method", "path", "query", "header", "body", "state", "now", "unix", "visit"}
    | {"uuid", "counter", "random", "letters"}
)
"""The names in expressions of every route."""
RECORD = Template("{{ record }}")
"""The default body of a route that returns one record."""
_MAX_COMPARED = 200

Record = dict[str, Json]


@dataclass(frozen=True)
class RouteCall:
    """A request to a route, with a copy of the state that the route may change."""

    request: ServiceRequest
    from_path: Mapping[str, str]
    state: ServiceState
    now: datetime
    visit: int = 1

    def names(self, **more: object) -> Names:
        """Return the names for expressions, with more names."""
        return {
            "method": self.request.method,
            "path": self.from_path,
            "query": self.request.query,
            "header": Headers(self.request.headers),
            "body": self.request.body,
            "state": self.state.tables(),
            "now": format_time(self.now),
            "unix": int(self.now.timestamp()),
            "visit": self.visit,
            "uuid": self.state.uuid,
            "counter": self.state.counter,
            "random": self.state.random,
            "letters": self.state.letters,
            **more,
        }


RouteHandler: TypeAlias = Callable[[RouteCall], ServiceResponse]


class CollectionTable(ScriptTable):
    """The key of the records of a collection, and the expression for a new id."""

    key: str = "id"
    id: TextTemplate | None = None


@dataclass(frozen=True)
class RouteContext:
    """The folder of a route's service, its path, and the collections of the service.

    A service that is being recorded may have no recordings yet.
    """

    folder: Path
    pattern: PathPattern
    collections: Mapping[str, CollectionTable]
    is_recording: bool = False

    def require_collection(self, name: str) -> CollectionTable:
        """Return a collection, or raise an error with the known names."""
        if name not in self.collections:
            known = ", ".join(sorted(self.collections)) or "none"
            message = f"unknown collection {name!r}; known collections: {known}"
            raise InvalidRouteKey("collection", message)
        return self.collections[name]


class RouteKind(ScriptTable):
    """The keys of one kind of route."""

    names: ClassVar[frozenset[str]] = frozenset()
    """Further names in expressions of such a route."""

    @abstractmethod
    def prepare(self, context: RouteContext) -> RouteHandler:
        """Return the handler of the route, or raise InvalidRouteKey."""

    def templates(self) -> Iterable[tuple[str, Template]]:
        """Yield the templates, each with its key."""
        for name, info in type(self).model_fields.items():
            for template in templates_in(getattr(self, name)):
                yield info.alias or name, template


class RouteTable(ScriptTable):
    """The keys of every route, whatever its kind."""

    kind: str
    path: PathPatternField
    method: Annotated[str, Field(pattern=r"^([A-Z]+|\*)$")] = "GET"
    name: str = ""
    when: RouteConditions = RouteConditions()
    faults: Annotated[tuple[FaultRule, ...], Field(strict=False)] = ()
    limit: RateLimit | None = None
    auth: bool = True


@dataclass(frozen=True)
class Route:
    """A route with its handler."""

    name: str
    table: RouteTable
    handler: RouteHandler

    @property
    def endpoint(self) -> str:
        """The method and the path."""
        return f"{self.table.method} {self.table.path.text}"

    def match(self, request: ServiceRequest) -> Mapping[str, str] | None:
        """Return the values in the path if method and path match."""
        if not self.has_method(request.method):
            return None
        return self.table.path.match(request.canonical_path)

    def has_method(self, method: str) -> bool:
        """Return whether the route answers a method."""
        return self.table.method in (ANY_METHOD, method)

    def hides(self, later: "Route") -> bool:
        """Return whether this route answers every request to a later one."""
        if self.table.when != RouteConditions() or not self.has_method(later.table.method):
            return False
        return self.table.path.covers(later.table.path)


def templates_in(value: object) -> Sequence[Template]:
    """Return the templates in the value of a field."""
    if isinstance(value, Template):
        return [value]
    if isinstance(value, ScriptTable):
        fields = [getattr(value, name) for name in type(value).model_fields]
        return [template for field in fields for template in templates_in(field)]
    if isinstance(value, tuple | list):
        items = cast("Sequence[object]", value)
        return [template for item in items for template in templates_in(item)]
    if isinstance(value, dict):
        table = cast("Mapping[object, object]", value)
        return [template for item in table.values() for template in templates_in(item)]
    return []


def kind_registry() -> Registry[type[RouteKind]]:
    """Return the kinds of route by name."""
    return Registry("attractor.twins.services.kinds", type[RouteKind], noun="twin route kind")


def find_route(routes: Sequence[Route], request: ServiceRequest) -> tuple[Route, Mapping[str, str]]:
    """Return the first route that matches, with the values in the path."""
    for route in routes:
        from_path = route.match(request)
        if from_path is not None and not route.table.when.mismatches(request):
            return route, from_path
    nearest = min(routes, key=lambda route: _distance(route, request))
    reasons = " and ".join(_mismatches(nearest, request))
    message = (
        f"no route answers {request.method} {request.path}; "
        f"the nearest is {nearest.name!r}, but {reasons}"
    )
    raise TwinFailure(404, "no_route", message)


def _mismatches(route: Route, request: ServiceRequest) -> Sequence[str]:
    reasons: list[str] = []
    if route.table.path.match(request.canonical_path) is None:
        reasons.append(f"its path is {route.table.path.text}")
    if not route.has_method(request.method):
        reasons.append(f"its method is {route.table.method}")
    return reasons or route.table.when.mismatches(request)


def _distance(route: Route, request: ServiceRequest) -> tuple[float, bool, int]:
    has_path = route.table.path.match(request.canonical_path) is not None
    path = request.path[:_MAX_COMPARED]
    similarity = SequenceMatcher(None, route.table.path.text, path).ratio()
    mismatches = len(route.table.when.mismatches(request))
    return 0 if has_path else 1 - similarity, not route.has_method(request.method), mismatches


@dataclass(frozen=True)
class RecordStore:
    """The records of one collection, for a route with an expression for the id."""

    name: str
    collection: CollectionTable
    id: Template

    def records(self, call: RouteCall) -> Records:
        """Return the records by id."""
        return call.state.collections[self.name]

    def find(self, call: RouteCall) -> tuple[str, Record]:
        """Return the record of a request with its id, or reject the request."""
        record_id = self.id.text(call.names())
        record = self.records(call).get(record_id)
        if record is None:
            raise Rejection(404, f"there is no {record_id!r} in {self.name}", code="not_found")
        return record_id, record

    def new_id(self, call: RouteCall, names: Names) -> Json:
        """Return an id for a new record, or reject a duplicate one."""
        if self.collection.id is None:
            counted = (str(call.state.counter(self.name)) for _ in count())
            return next(number for number in counted if number not in self.records(call))
        new_id = self.collection.id.value(names)
        if as_text(new_id) in self.records(call):
            raise Rejection(409, f"{as_text(new_id)!r} is already in {self.name}", code="conflict")
        return new_id


def open_record_store(name: str, record_id: Template | None, context: RouteContext) -> RecordStore:
    """Return the records of a collection; the default id is the last name in the path."""
    collection = context.require_collection(name)
    if record_id is None:
        names = context.pattern.names
        if not names:
            raise InvalidRouteKey("id", "id is missing: the path contains no name in braces")
        record_id = Template(f"{{{{ path.{names[-1]} }}}}")
    return RecordStore(name, collection, record_id)


def record_from_body(call: RouteCall, required: Sequence[str]) -> Record:
    """Return the object that a client sent, or reject another body or a missing field."""
    body = call.request.body
    if body is not None and not isinstance(body, dict):
        raise Rejection(400, "the body must be a JSON object or a form", code="invalid_body")
    fields = members(body)
    missing = [name for name in required if name not in fields]
    if missing:
        raise Rejection(400, f"missing fields: {', '.join(missing)}", code="missing_field")
    return fields


def render_fields(fields: Mapping[str, Template], names: Names) -> Record:
    """Return the fields that a route sets."""
    return {name: template.value(names) for name, template in fields.items()}
