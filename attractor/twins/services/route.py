"""A route: which requests it answers, and the kind that does.

Which route answers a request; when none does, which one is nearest and why it does not fit.

How routes find and keep the records of a collection.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from difflib import SequenceMatcher
from pathlib import Path
from typing import Annotated, ClassVar, TypeAlias, cast

from pydantic import Field
from starlette.datastructures import Headers

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.base.registry import Registry
from attractor.twins.errors import Rejection
from attractor.twins.exchange.answer import ScriptTable
from attractor.twins.services.errors import Misfit, Unanswerable
from attractor.twins.services.faults import Trouble
from attractor.twins.services.request import ServiceRequest
from attractor.twins.services.response import Response
from attractor.twins.services.route_match import RouteConditions, PathPattern, PathPatternField, members
from attractor.twins.services.state import Limit, Records, State, written_time
from attractor.twins.services.templates import Names, Template, TextTemplate, as_text

ANY_METHOD = "*"
NAMES = frozenset(
    {"method", "path", "query", "header", "body", "state", "now", "unix", "visit"}
    | {"uuid", "counter", "random", "letters"}
)
"""What values may name on every route."""


@dataclass(frozen=True)
class Call:
    """A request on its way through a route, with a state of its own that it may change."""

    request: ServiceRequest
    from_path: Mapping[str, str]
    state: State
    now: datetime
    visit: int = 1

    def names(self, **more: object) -> Names:
        """Return what values may name, and more."""
        return {
            "method": self.request.method,
            "path": self.from_path,
            "query": self.request.query,
            "header": Headers(self.request.headers),
            "body": self.request.body,
            "state": self.state.tables(),
            "now": written_time(self.now),
            "unix": int(self.now.timestamp()),
            "visit": self.visit,
            "uuid": self.state.uuid,
            "counter": self.state.counter,
            "random": self.state.random,
            "letters": self.state.letters,
            **more,
        }


Answers: TypeAlias = Callable[[Call], Response]


class Collection(ScriptTable):
    """How the records of a collection are told apart."""

    key: str = "id"
    id: TextTemplate | None = None


@dataclass(frozen=True)
class RouteContext:
    """What stands around a route in its file: its folder, its path, and the collections.

    While it is recorded the service itself answers, and there may be no recording yet.
    """

    folder: Path
    pattern: PathPattern
    collections: Mapping[str, Collection]
    is_recording: bool = False

    def require_collection(self, name: str) -> Collection:
        """Return a collection, or say which there are."""
        if name not in self.collections:
            known = ", ".join(sorted(self.collections)) or "none"
            told = f"there is no collection {name!r} in the state; there are: {known}"
            raise Misfit("collection", told)
        return self.collections[name]


class RouteKind(ScriptTable):
    """How the requests of a route are answered, as its file declares it."""

    names: ClassVar[frozenset[str]] = frozenset()
    """What values on such a route may name besides."""

    @abstractmethod
    def open(self, surroundings: RouteContext) -> Answers:
        """Return what answers, or raise the Misfit of a key."""

    def templates(self) -> Iterable[tuple[str, Template]]:
        """Yield what is written per request, each with its key."""
        for name, info in type(self).model_fields.items():
            for one in templates_in(getattr(self, name)):
                yield info.alias or name, one


class WrittenRoute(ScriptTable):
    """What every route declares, whatever its kind."""

    kind: str
    path: PathPatternField
    method: Annotated[str, Field(pattern=r"^([A-Z]+|\*)$")] = "GET"
    name: str = ""
    when: RouteConditions = RouteConditions()
    faults: Annotated[tuple[Trouble, ...], Field(strict=False)] = ()
    limit: Limit | None = None
    auth: bool = True


@dataclass(frozen=True)
class Route:
    """A route that is ready to answer."""

    name: str
    written: WrittenRoute
    answers: Answers

    @property
    def place(self) -> str:
        """Its method and path."""
        return f"{self.written.method} {self.written.path.text}"

    def match(self, request: ServiceRequest) -> Mapping[str, str] | None:
        """Return what the path says when a request fits method and path."""
        if not self.takes(request.method):
            return None
        return self.written.path.match(request.canonical_path)

    def takes(self, method: str) -> bool:
        """Tell whether it is for a method."""
        return self.written.method in (ANY_METHOD, method)

    def hides(self, later: "Route") -> bool:
        """Tell whether a later route would never have its turn behind this one."""
        if self.written.when != RouteConditions() or not self.takes(later.written.method):
            return False
        return self.written.path.covers(later.written.path)


def templates_in(value: object) -> Sequence[Template]:
    """Return the templates in the value of a field."""
    if isinstance(value, Template):
        return [value]
    if isinstance(value, ScriptTable):
        return [one for name in type(value).model_fields for one in _of_field(value, name)]
    if isinstance(value, tuple | list):
        items = cast("Sequence[object]", value)
        return [found for one in items for found in templates_in(one)]
    if isinstance(value, dict):
        table = cast("Mapping[object, object]", value)
        return [found for one in table.values() for found in templates_in(one)]
    return []


def _of_field(value: ScriptTable, name: str) -> Sequence[Template]:
    return templates_in(getattr(value, name))


def kind_registry() -> Registry[type[RouteKind]]:
    """Return the kinds of route by name."""
    return Registry("attractor.twins.services.kinds", type[RouteKind], noun="twin route kind")


def find_route(routes: Sequence[Route], request: ServiceRequest) -> tuple[Route, Mapping[str, str]]:
    """Return the first route that fits, and what the path says; else name the nearest one."""
    for route in routes:
        from_path = route.match(request)
        if from_path is not None and not route.written.when.mismatches(request):
            return route, from_path
    nearest = min(routes, key=lambda one: _distance(one, request))
    told = f"no route answers {request.method} {request.path}"
    misses = " and ".join(_misses(nearest, request))
    raise Unanswerable(404, "no_route", f"{told}; the nearest is {nearest.name!r}, but {misses}")


def _misses(route: Route, request: ServiceRequest) -> Sequence[str]:
    told: list[str] = []
    if route.written.path.match(request.canonical_path) is None:
        told.append(f"its path is {route.written.path.text}")
    if not route.takes(request.method):
        told.append(f"its method is {route.written.method}")
    return told or route.written.when.mismatches(request)


def _distance(route: Route, request: ServiceRequest) -> tuple[float, bool, int]:
    fits = route.written.path.match(request.canonical_path) is not None
    alike = SequenceMatcher(None, route.written.path.text, request.path[:200]).ratio()
    misses = len(route.written.when.mismatches(request))
    return 0 if fits else 1 - alike, not route.takes(request.method), misses


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


def open_shelf(name: str, written_id: Template | None, surroundings: RouteContext) -> Shelf:
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
