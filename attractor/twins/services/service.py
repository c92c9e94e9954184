"""The definition of a service twin; loads a definition from a folder."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Annotated, Literal, cast

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue

from attractor.base.dataclasses import dataclass
from attractor.base.errors import FileError, NotCanonical, UnknownName
from attractor.base.json import Json, canonical_json
from attractor.base.toml import InvalidToml, KeyPath, TomlMistakes, did_you_mean, parse_toml
from attractor.twins.errors import Table, validated
from attractor.twins.exchange.answer import SEALED, ScriptTable
from attractor.twins.recordings.json_diff import JsonPathField
from attractor.twins.services.authentication import Authentication
from attractor.twins.services.errors import InvalidRouteKey, ServiceError
from attractor.twins.services.request import (
    HeaderTemplates,
    ServiceResponse,
    json_response,
    render_headers,
)
from attractor.twins.services.route import (
    NAMES,
    CollectionTable,
    FaultRule,
    Route,
    RouteContext,
    RouteKind,
    RouteTable,
    kind_registry,
    templates_in,
)
from attractor.twins.services.state import ClockTable, RateLimit, Records, ServiceState
from attractor.twins.services.templates import JsonTemplate, Names, Template, TextTemplate, as_text

ERROR_NAMES = frozenset({"message", "code", "status"})
"""Additional names in expressions of [errors] and [auth]."""
ENVIRON_NAMES = frozenset({"url", "port", "smtp_port", "key", "name"})
"""The only valid names in expressions of [environ]."""

_ERROR = Template({"error": {"code": "{{ code }}", "message": "{{ message }}"}})


ErrorCode = Literal[
    "invalid_body",
    "missing_field",
    "not_found",
    "conflict",
    "unknown_parameter",
    "invalid_parameter",
    "rate_limited",
]
"""The codes of errors with a status that a service can declare."""


class ErrorFormat(ScriptTable):
    """The format of the service's errors; `status` has the statuses that differ from the twin's."""

    headers: HeaderTemplates = {}
    json_: JsonTemplate | None = Field(default=None, alias="json")
    status: dict[ErrorCode, Annotated[int, Field(ge=400, le=599)]] = {}

    def render(self, status: int, names: Names) -> ServiceResponse:
        """Return an error response, with these names for expressions."""
        headers = render_headers(self.headers, names)
        return json_response((self.json_ or _ERROR).value(names), status, headers)


class CheckSettings(ScriptTable):
    """Settings for comparing the twin with recordings."""

    ignore: Annotated[tuple[JsonPathField, ...], Field(strict=False)] = ()
    types: Annotated[tuple[JsonPathField, ...], Field(strict=False)] = ()
    headers: Annotated[tuple[str, ...], Field(strict=False)] = ("content-type",)


def _of_json(state: dict[str, JsonValue]) -> dict[str, JsonValue]:
    try:
        canonical_json(cast("Json", state))
    except NotCanonical as cause:
        raise ValueError(cause.message) from cause
    return state


def _schemes(value: object) -> object:
    """Read one table, or a list of tables."""
    if isinstance(value, dict):
        return (Authentication.model_validate(value),)
    return tuple(cast("list[object]", value)) if isinstance(value, list) else value


def _one_response(schemes: tuple[Authentication, ...]) -> tuple[Authentication, ...]:
    if any(scheme.declares_response for scheme in schemes[1:]):
        raise ValueError("only the first table can declare the response to a request without a key")
    return schemes


class ServiceTable(ScriptTable):
    """The keys of a service, except for the routes."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    summary: str = ""
    seed: int = 0
    environ: dict[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")], TextTemplate] = {}
    clock: ClockTable = ClockTable()
    auth: Annotated[
        tuple[Authentication, ...],
        BeforeValidator(_schemes, json_schema_input_type=Authentication | list[Authentication]),
        AfterValidator(_one_response),
    ] = ()
    errors: ErrorFormat = ErrorFormat()
    limit: RateLimit | None = None
    smtp: Annotated[str, Field(pattern=r"^(/\S*)?$")] = ""
    """The path to which letters that arrive by SMTP are posted (default: no SMTP)."""
    faults: Annotated[tuple[FaultRule, ...], Field(strict=False)] = ()
    state: Annotated[dict[str, JsonValue], AfterValidator(_of_json)] = {}
    collections: dict[str, CollectionTable] = {}
    check: CheckSettings = CheckSettings()


@dataclass(frozen=True)
class Service:
    """A service with its routes and its initial state."""

    table: ServiceTable
    routes: Sequence[Route]
    state: ServiceState
    folder: Path

    @property
    def name(self) -> str:
        """The name of the service."""
        return self.table.name


def declared_collections(table: ServiceTable) -> Mapping[str, CollectionTable]:
    """Return the declared collections, and all lists of tables in the state."""
    found = {
        name: CollectionTable() for name, value in table.state.items() if _is_collection(value)
    }
    return found | table.collections


def initial_state(
    table: ServiceTable, collections: Mapping[str, CollectionTable], mistakes: TomlMistakes
) -> ServiceState:
    """Return the initial state; add records without a unique id to the mistakes."""
    values = {
        name: cast("Json", value) for name, value in table.state.items() if name not in collections
    }
    state = ServiceState(table.seed, values=values)
    for name, collection in collections.items():
        rows = table.state.get(name, [])
        if not _is_collection(rows):
            mistakes.add(["state", name], "a collection must be a list of tables")
            continue
        found = cast("list[dict[str, Json]]", rows)
        state.collections[name] = _records(name, found, collection.key, mistakes)
    return state


def _records(name: str, rows: list[dict[str, Json]], key: str, mistakes: TomlMistakes) -> Records:
    records: Records = {}
    for number, row in enumerate(rows):
        at = ("state", name, number)
        if key not in row:
            mistakes.add(
                at, f"a record of {name} has no {key!r}, which is the id field of the collection"
            )
        elif as_text(row[key]) in records:
            mistakes.add((*at, key), f"duplicate {key} {as_text(row[key])!r}")
        else:
            records[as_text(row[key])] = row
    return records


def _is_collection(value: JsonValue) -> bool:
    """Return whether a value is a list of tables, or empty."""
    return isinstance(value, list) and all(isinstance(row, dict) for row in value)


FILE = "twin.toml"
_ROUTES = "routes"
_COMMON = frozenset(info.alias or name for name, info in RouteTable.model_fields.items())


def load_service(path: Path, *, is_recording: bool = False, is_sealed: bool = False) -> Service:
    """Read a service from a service file, or from the `twin.toml` in a folder.

    While the service is recorded, the recordings of its routes can be missing. A sealed one was
    valid for this or an earlier version.
    """
    file = path / FILE if path.is_dir() else path
    try:
        text = file.read_text("utf-8")
    except UnicodeDecodeError as cause:
        raise ServiceError(f"{file} is not UTF-8: {cause}") from cause
    except OSError as cause:
        raise FileError(f"cannot read the service {file}: {cause}") from cause
    return parse_service(
        text,
        folder=file.parent,
        source=str(file),
        is_recording=is_recording,
        is_sealed=is_sealed,
    )


def find_services(path: Path) -> Sequence[Path]:
    """Return the services at a path: a service file, a service folder, or a folder with several."""
    if not path.is_dir() or (path / FILE).exists():
        return [path]
    found = sorted(file.parent for file in path.glob(f"*/{FILE}"))
    if not found:
        raise ServiceError(f"no {FILE} in {path} or its folders")
    return found


def parse_service(
    text: str,
    *,
    folder: Path = Path(),
    source: str = "the service",
    is_recording: bool = False,
    is_sealed: bool = False,
) -> Service:
    """Read a service from TOML, or raise an error with every mistake."""
    try:
        table = parse_toml(text)
    except InvalidToml as cause:
        raise ServiceError(cause.at(source), hint=cause.hint) from cause
    mistakes = TomlMistakes(text, source)
    service = _Reader(folder, mistakes, is_recording, is_sealed).service(table)
    if service is None or mistakes:
        raise mistakes.error(ServiceError)
    return service


@dataclass
class _Reader:
    """Reads one service file, and collects the mistakes in the file."""

    folder: Path
    mistakes: TomlMistakes
    is_recording: bool
    is_sealed: bool

    def service(self, file: Table) -> Service | None:
        own = {name: value for name, value in file.items() if name != _ROUTES}
        table = validated(ServiceTable, own, self.mistakes, known=[_ROUTES])
        # If the collections are invalid, only the parts of routes that do not use them are checked.
        collections = declared_collections(table) if table else None
        routes = self._routes(file.get(_ROUTES), collections)
        if table is None or collections is None:
            return None
        self._check_formats(table)
        state = initial_state(table, collections, self.mistakes)
        return Service(table, routes, state, self.folder)

    def _routes(
        self, tables: object, collections: Mapping[str, CollectionTable] | None
    ) -> Sequence[Route]:
        if not isinstance(tables, list) or not tables:
            self.mistakes.add(
                [], "missing routes", "add [[routes]] with a method, a path and a kind"
            )
            return []
        routes: list[Route] = []
        for number, table in enumerate(cast("list[object]", tables)):
            route = self._route(table, (_ROUTES, number), collections)
            if route:
                self._check_duplicates(route, routes, (_ROUTES, number))
                routes.append(replace(route, name=_unique_name(route, routes)))
        return routes

    def _route(
        self, file: object, at: KeyPath, collections: Mapping[str, CollectionTable] | None
    ) -> Route | None:
        if not isinstance(file, dict):
            self.mistakes.add(at, "should be a table")
            return None
        keys = cast("Table", file)
        kind_type = self._kind_type(keys.get("kind"), at)
        if kind_type is None:
            return None
        common = {name: value for name, value in keys.items() if name in _COMMON}
        own = {name: value for name, value in keys.items() if name not in _COMMON}
        context = SEALED if self.is_sealed else None
        table = validated(RouteTable, common, self.mistakes, at=at, context=context)
        kind = validated(kind_type, own, self.mistakes, at=at, known=_COMMON)
        if table is None or kind is None:
            return None
        self._check_names(kind, table, at)
        if collections is None:
            return None
        try:
            context = RouteContext(self.folder, table.path, collections, self.is_recording)
            return Route(table.name, table, kind.prepare(context))
        except InvalidRouteKey as cause:
            self.mistakes.add((*at, cause.key), cause.message)
            return None

    def _kind_type(self, name: object, at: KeyPath) -> type[RouteKind] | None:
        kinds = kind_registry()
        if not isinstance(name, str):
            self.mistakes.add(at, "missing kind", f"use one of {', '.join(kinds)}")
            return None
        if name not in kinds:
            unknown = UnknownName("kind", name, kinds)
            self.mistakes.add((*at, "kind"), unknown.message, unknown.hint)
            return None
        return kinds[name]

    def _check_names(self, kind: RouteKind, table: RouteTable, at: KeyPath) -> None:
        """Find names that would be undefined in every request."""
        in_path = frozenset(table.path.names)
        for key, template in kind.templates():
            self._check_template(template, NAMES | kind.names, (*at, key))
            for name in sorted(template.from_path - in_path):
                known = ", ".join(table.path.names) or "none"
                self.mistakes.add((*at, key), f"unknown path parameter {name!r}", f"known: {known}")

    def _check_formats(self, table: ServiceTable) -> None:
        for template in templates_in(table.errors):
            self._check_template(template, NAMES | ERROR_NAMES, ["errors"])
        for template in templates_in(table.auth):
            self._check_template(template, NAMES | ERROR_NAMES, ["auth"])
        for name, template in table.environ.items():
            self._check_template(template, ENVIRON_NAMES, ["environ", name])
        for name, collection in table.collections.items():
            if collection.id is not None:
                self._check_template(collection.id, NAMES, ["collections", name, "id"])

    def _check_template(
        self, template: Template, known: Iterable[str], at: Sequence[str | int]
    ) -> None:
        for name in sorted(template.names - {*known}):
            unknown = UnknownName("name", name, known)
            self.mistakes.add(at, f"{unknown.message} in braces", unknown.hint)

    def _check_duplicates(self, route: Route, before: Sequence[Route], at: KeyPath) -> None:
        if any(other.table.name == route.name != "" for other in before):
            self.mistakes.add((*at, "name"), f"duplicate route name {route.name!r}")
        hiding = next((other for other in before if other.hides(route)), None)
        if hiding:
            message = f"unreachable route: {hiding.name!r} before it matches the same requests"
            self.mistakes.add((*at, "path"), message)


def _unique_name(route: Route, before: Sequence[Route]) -> str:
    """Return the name of a route (default: method and path, with a number for duplicates)."""
    if route.name:
        return route.name
    taken = {other.name for other in before}
    names = (
        f"{route.endpoint} ({number})" if number > 1 else route.endpoint for number in count(1)
    )
    return next(name for name in names if name not in taken)


def load_services(paths: Sequence[Path], *, is_recording: bool = False) -> Sequence[Service]:
    """Read the services at several paths."""
    files = [file for path in paths for file in find_services(path)]
    services = [load_service(file, is_recording=is_recording) for file in files]
    _require_unique("service", [service.name for service in services])
    _require_unique("variable", [name for service in services for name in service.table.environ])
    return services


def with_state(service: Service, values: Mapping[str, Json]) -> Service:
    """Return a service with other values for some members of its initial state."""
    if not values:
        return service
    collections = declared_collections(service.table)
    mistakes = TomlMistakes("", f"the state of {service.name}")
    known = {*service.table.state, *collections}
    for name in values.keys() - known:
        mistakes.add([name], "unknown member of the state", did_you_mean(name, sorted(known)))
    try:
        canonical_json(dict(values))
    except NotCanonical as cause:
        mistakes.add([], cause.message)
    table = service.table.model_copy(update={"state": {**service.table.state, **values}})
    state = initial_state(table, collections, mistakes)
    if mistakes:
        raise mistakes.error(ServiceError)
    return replace(service, table=table, state=state)


def _require_unique(kind: str, names: Sequence[str]) -> None:
    duplicate = next((name for name, count in Counter(names).items() if count > 1), None)
    if duplicate is not None:
        raise ServiceError(f"duplicate {kind} {duplicate!r}", hint="rename one of them")
