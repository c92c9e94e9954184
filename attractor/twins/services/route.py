"""The routes of a service twin: the matching of requests, and simulated faults."""

import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from difflib import SequenceMatcher
from itertools import count
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, TypeAlias, cast
from urllib.parse import quote, unquote

from pydantic import Field, PlainValidator, model_validator
from starlette.datastructures import Headers
from starlette.routing import compile_path

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.base.registry import Registry
from attractor.twins.errors import Rejection
from attractor.twins.exchange.answer import (
    Duration,
    Fault,
    FaultKind,
    Pattern,
    ScriptTable,
    is_drawn,
    search_text,
)
from attractor.twins.recordings.json_diff import JsonPathField
from attractor.twins.services.errors import InvalidRouteKey, TwinFailure
from attractor.twins.services.request import ServiceRequest, ServiceResponse
from attractor.twins.services.state import RateLimit, Records, ServiceState, format_time
from attractor.twins.services.templates import Names, Template, TextTemplate, as_text

DELAY = "delay"
WHEN = ("on", "every", "first", "probability")
_OWN = frozenset({*WHEN, "performed", "delay"})
_NOT_PERFORMED = (FaultKind.STATUS, FaultKind.REFUSED)


class FaultRule(ScriptTable):
    """A fault, and the conditions on requests that get the fault (default: all requests)."""

    fault: Fault | None = None
    delay: Duration | None = None
    on: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(strict=False)] = ()
    every: int | None = Field(default=None, ge=1)
    first: int | None = Field(default=None, ge=1)
    probability: float | None = Field(default=None, gt=0, le=1)
    performed: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _unfold(cls, value: object) -> object:
        """Collect the keys of the fault. The same table contains the keys of the rule."""
        if not isinstance(value, dict) or "fault" in value:
            return cast("object", value)
        table = cast("dict[str, Any]", value)
        own = {name: value for name, value in table.items() if name in _OWN}
        rest = {name: value for name, value in table.items() if name not in _OWN}
        return own if rest == {"kind": DELAY} else {**own, "fault": rest}

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        keys = [name for name in WHEN if name in self.model_fields_set]
        if len(keys) > 1:
            raise ValueError(f"{keys[0]} and {keys[1]} cannot be combined")
        if self.fault is None and self.delay is None:
            raise ValueError("the fault 'delay' requires a delay, such as '250ms'")
        if self.fault is None and self.performed is False:
            raise ValueError("performed cannot be set for a fault with only a delay")
        return self

    @property
    def kind(self) -> str:
        """The kind of fault."""
        return self.fault.kind.value if self.fault else DELAY

    @property
    def is_performed(self) -> bool:
        """Whether the request takes effect before the fault changes the response."""
        if self.performed is not None:
            return self.performed
        return self.fault is None or self.fault.kind not in _NOT_PERFORMED

    def matches(self, number: int, seed: int, place: str) -> bool:
        """Return whether the fault applies to the request with this number."""
        if self.on:
            return number in self.on
        if self.every is not None:
            return number % self.every == 0
        if self.first is not None:
            return number <= self.first
        if self.probability is not None:
            return is_drawn(self.probability, seed, place, number)
        return True


_FIELD = re.compile(r"\{([A-Za-z_]\w*)(\.\.\.)?\}")
_MAX_QUOTE = 60


class PathPattern:
    """A path with names in braces, such as `/v1/customers/{id}`; `{rest...}` matches the rest of a
    path.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        if not text.startswith("/") or "?" in text or "//" in text:
            raise ValueError(
                "invalid path: it must begin with /, without a query and empty segments"
            )
        segments = text.strip("/").split("/")
        fields = [_FIELD.fullmatch(segment) for segment in segments]
        for segment, field in zip(segments, fields, strict=True):
            if not field and set(segment) & set("{}"):
                raise ValueError(f"{segment!r}: braces must enclose a name and a whole segment")
        if any(field and field[2] for field in fields[:-1]):
            raise ValueError("only the last segment can be {name...}")
        self.names = [field[1] for field in fields if field]
        self.has_rest = bool(fields[-1] and fields[-1][2])
        starlette_path = "/".join(
            f"{{{field[1]}:path}}" if field and field[2] else segment if field else quote(segment)
            for segment, field in zip(segments, fields, strict=True)
        )
        self._regex, _, _ = compile_path(f"/{starlette_path}")

    def match(self, path: str) -> Mapping[str, str] | None:
        """Return the text of each name in a canonical path, or None if the path does not match."""
        if not self.has_rest and path != "/":
            path = path.removesuffix("/")
        found = self._regex.match(path)
        if found is None:
            return None
        return {name: unquote(text.removesuffix("/")) for name, text in found.groupdict().items()}

    def covers(self, other: "PathPattern") -> bool:
        """Return whether every path that matches the other pattern also matches this pattern."""
        if other.has_rest and not self.has_rest:
            return False
        # No literal segment contains braces.
        return self.match(quote(other.text)) is not None


def _read_pattern(value: object) -> PathPattern:
    if not isinstance(value, str):
        raise ValueError("a path must be a text such as '/v1/customers/{id}'")
    return PathPattern(value)


PathPatternField = Annotated[PathPattern, PlainValidator(_read_pattern, json_schema_input_type=str)]


def members(value: Json) -> dict[str, Json]:
    """Return the members of a JSON object; an empty result for any other value."""
    return cast("dict[str, Json]", value) if isinstance(value, dict) else {}


class ValueCondition(ScriptTable):
    """A condition on a value other than equality."""

    matches: Pattern | None = None
    present: bool | None = None

    @model_validator(mode="after")
    def _has_one_condition(self) -> Self:
        if (self.matches is None) == (self.present is None):
            raise ValueError("set exactly one of matches and present")
        return self

    def mismatch(self, values: Sequence[Json]) -> str:
        """Return the reason why the condition is false; an empty text for a true condition."""
        if self.present is not None:
            if bool(values) == self.present:
                return ""
            return "is missing" if self.present else "is set, but must not be"
        if any(search_text(self.matches or "", as_text(value)) for value in values):
            return ""
        if not values:
            return "is missing"
        return f"is {_quoted(values)}, which does not match /{self.matches}/"


Text: TypeAlias = Annotated[ValueCondition | str, Field(union_mode="left_to_right")]
Value: TypeAlias = Annotated[ValueCondition | str | int | float | bool, Field(union_mode="smart")]


class RouteConditions(ScriptTable):
    """Conditions on headers, query and body; all conditions must be true."""

    header: dict[str, Text] = {}
    query: dict[str, Text] = {}
    json_: dict[JsonPathField, Value] = Field(default={}, alias="json")

    def mismatches(self, request: ServiceRequest) -> Sequence[str]:
        """Return a message for each condition that is false, with the actual value."""
        return [f"{name} {problem}" for name, problem in self._checked(request) if problem]

    def _checked(self, request: ServiceRequest) -> Iterator[tuple[str, str]]:
        for name, expected in self.header.items():
            value = request.headers.get(name.lower())
            problem = _mismatch(expected, [] if value is None else [value])
            # The value of a header may be a key.
            yield f"header {name}", problem if value is None or not problem else "differs"
        for name, expected in self.query.items():
            value = request.query.get(name)
            yield f"query {name}", _mismatch(expected, [] if value is None else [value])
        for path, expected in self.json_.items():
            yield str(path), _mismatch(expected, path.find(request.body))


def _mismatch(expected: ValueCondition | str | float | bool, values: Sequence[Json]) -> str:
    if isinstance(expected, ValueCondition):
        return expected.mismatch(values)
    # In JSON true is not 1.
    if any(
        value == expected and isinstance(value, bool) == isinstance(expected, bool)
        for value in values
    ):
        return ""
    return f"is {_quoted(values)}, not {as_text(expected)!r}" if values else "is missing"


def _quoted(values: Sequence[Json]) -> str:
    return repr(as_text(values[0])[:_MAX_QUOTE])


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
    """A request to a route, and a copy of the state; the route can change the copy."""

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
    """The id field of the records of a collection, and the expression for a new id."""

    key: str = "id"
    id: TextTemplate | None = None


@dataclass(frozen=True)
class RouteContext:
    """The folder of a service, the path of a route, and the collections of the service.

    While the service is recorded, the files with recordings can be missing.
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
    """Further names in expressions of a route of this kind."""

    @abstractmethod
    def prepare(self, context: RouteContext) -> RouteHandler:
        """Return the handler of the route, or raise InvalidRouteKey."""

    def templates(self) -> Iterable[tuple[str, Template]]:
        """Yield each template with its key."""
        for name, info in type(self).model_fields.items():
            for template in templates_in(getattr(self, name)):
                yield info.alias or name, template


class RouteTable(ScriptTable):
    """The keys that every kind of route has."""

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
        """Return whether this route answers every request that would match a later route."""
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
    """The records of one collection, for a route with an expression for the id.

    The route finds only records whose fields have the values in `where`.
    """

    name: str
    collection: CollectionTable
    id: Template
    where: Mapping[str, Template]

    def records(self, call: RouteCall) -> Records:
        """Return the records by id."""
        return call.state.collections[self.name]

    def find(self, call: RouteCall) -> tuple[str, Record]:
        """Return the id of the record that a request names, and the record.

        If there is no such record, reject the request.
        """
        names = call.names()
        record_id = self.id.text(names)
        record = self.records(call).get(record_id)
        if record is None or not has_values(record, render_texts(self.where, names)):
            raise Rejection(404, f"there is no {record_id!r} in {self.name}", code="not_found")
        return record_id, record

    def new_id(self, call: RouteCall, names: Names) -> Json:
        """Return an id for a new record, or reject a duplicate id."""
        if self.collection.id is None:
            counted = (str(call.state.counter(self.name)) for _ in count())
            return next(number for number in counted if number not in self.records(call))
        new_id = self.collection.id.value(names)
        if as_text(new_id) in self.records(call):
            raise Rejection(409, f"{as_text(new_id)!r} is already in {self.name}", code="conflict")
        return new_id


def open_record_store(
    name: str,
    record_id: Template | None,
    where: Mapping[str, Template],
    context: RouteContext,
) -> RecordStore:
    """Return the records of a collection.

    By default, the id is the value of the last name in the path.
    """
    collection = context.require_collection(name)
    if record_id is None:
        names = context.pattern.names
        if not names:
            raise InvalidRouteKey("id", "missing id: the path contains no name in braces")
        record_id = Template(f"{{{{ path.{names[-1]} }}}}")
    return RecordStore(name, collection, record_id, where)


def has_values(record: Record, expected: Mapping[str, str]) -> bool:
    """Return whether the fields of a record have these values, compared as text."""
    return all(name in record and as_text(record[name]) == text for name, text in expected.items())


def render_texts(templates: Mapping[str, Template], names: Names) -> dict[str, str]:
    """Return the values of several templates as text."""
    return {name: template.text(names) for name, template in templates.items()}


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
