"""Reads a service from its file, and tells every mistake with its line.

Services that stand side by side.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, cast

from attractor.base.dataclasses import dataclass
from attractor.base.errors import FileError, UnknownName
from attractor.base.toml_errors import InvalidToml, TomlMistakes, parse_toml
from attractor.twins.errors import Table, validated
from attractor.twins.recordings.json_diff import Step
from attractor.twins.services.errors import Misfit, ServiceError
from attractor.twins.services.route import (
    NAMES,
    Collection,
    Route,
    RouteContext,
    RouteKind,
    WrittenRoute,
    kind_registry,
    templates_in,
)
from attractor.twins.services.service import (
    ERROR_NAMES,
    PLACE_NAMES,
    Service,
    WrittenService,
    collections_of,
    seeded,
)
from attractor.twins.services.templates import Template

FILE = "twin.toml"
_ROUTES = "routes"
_COMMON = frozenset(info.alias or name for name, info in WrittenRoute.model_fields.items())


def load_service(path: Path, *, is_recording: bool = False) -> Service:
    """Read a service from its file, or from the `twin.toml` in its folder.

    One that is to be recorded may lack the recordings that its routes name.
    """
    file = path / FILE if path.is_dir() else path
    try:
        text = file.read_text("utf-8")
    except UnicodeDecodeError as cause:
        raise ServiceError(f"{file} is not UTF-8: {cause}") from cause
    except OSError as cause:
        raise FileError(f"the service {file} cannot be read: {cause}") from cause
    return parse_service(text, folder=file.parent, source=str(file), is_recording=is_recording)


def find_services(path: Path) -> Sequence[Path]:
    """Return the services a path means: a file, a service's folder, or a folder of such folders."""
    if not path.is_dir() or (path / FILE).exists():
        return [path]
    found = sorted(one.parent for one in path.glob(f"*/{FILE}"))
    if not found:
        raise ServiceError(f"{path} holds no {FILE}, and no folder in it does")
    return found


def parse_service(
    text: str,
    *,
    folder: Path = Path(),
    source: str = "the service",
    is_recording: bool = False,
) -> Service:
    """Read a service from TOML, or say what is wrong with it and where."""
    try:
        table = parse_toml(text)
    except InvalidToml as cause:
        raise ServiceError(cause.at(source), hint=cause.hint) from cause
    mistakes = TomlMistakes(text, source)
    service = _Reading(folder, mistakes, is_recording).service(table)
    if service is None or mistakes:
        raise mistakes.error(ServiceError)
    return service


@dataclass
class _Reading:
    """A file being read: where it lies, and what is wrong with it so far."""

    folder: Path
    mistakes: TomlMistakes
    is_recording: bool

    def service(self, table: Table) -> Service | None:
        rest = {name: one for name, one in table.items() if name != _ROUTES}
        written = validated(WrittenService, rest, self.mistakes, known=[_ROUTES])
        # Of routes only what they are without the state is told when that cannot be read.
        collections = collections_of(written) if written else None
        routes = self._routes(table.get(_ROUTES), collections)
        if written is None or collections is None:
            return None
        self._check_shapes(written)
        state = seeded(written, collections, self.mistakes)
        return Service(written, routes, state, self.folder)

    def _routes(
        self, tables: object, collections: Mapping[str, Collection] | None
    ) -> Sequence[Route]:
        if not isinstance(tables, list) or not tables:
            self.mistakes.add(
                [], "routes is missing", "add [[routes]] with a method, a path and a kind"
            )
            return []
        found: list[Route] = []
        for number, table in enumerate(cast("list[object]", tables)):
            route = self._route(table, (_ROUTES, number), collections)
            if route:
                self._check_reach(route, found, (_ROUTES, number))
                found.append(replace(route, name=_free_name(route, found)))
        return found

    def _route(
        self, table: object, at: tuple[Step, ...], collections: Mapping[str, Collection] | None
    ) -> Route | None:
        if not isinstance(table, dict):
            self.mistakes.add(at, "should be a table")
            return None
        keys = cast("Table", table)
        kind = self._kind(keys.get("kind"), at)
        if kind is None:
            return None
        common = {name: one for name, one in keys.items() if name in _COMMON}
        own = {name: one for name, one in keys.items() if name not in _COMMON}
        written = validated(WrittenRoute, common, self.mistakes, at=at)
        read = validated(kind, own, self.mistakes, at=at, known=_COMMON)
        if written is None or read is None:
            return None
        self._check_names(read, written, at)
        if collections is None:
            return None
        try:
            around = RouteContext(self.folder, written.path, collections, self.is_recording)
            return Route(written.name, written, read.open(around))
        except Misfit as cause:
            self.mistakes.add((*at, cause.key), cause.message)
            return None

    def _kind(self, name: object, at: tuple[Step, ...]) -> type[RouteKind] | None:
        kinds = kind_registry()
        if not isinstance(name, str):
            self.mistakes.add(at, "kind is missing", f"use one of {', '.join(kinds)}")
            return None
        if name not in kinds:
            unknown = UnknownName("kind", name, kinds)
            self.mistakes.add((*at, "kind"), unknown.message, unknown.hint)
            return None
        return kinds[name]

    def _check_names(self, kind: RouteKind, written: WrittenRoute, at: Sequence[Step]) -> None:
        """Find what would be undefined at every request."""
        in_path = frozenset(written.path.names)
        for key, template in kind.templates():
            self._check_template(template, NAMES | kind.names, (*at, key))
            for name in sorted(template.from_path - in_path):
                known = ", ".join(written.path.names) or "none"
                self.mistakes.add(
                    (*at, key), f"the path has no parameter {name!r}", f"known: {known}"
                )

    def _check_shapes(self, written: WrittenService) -> None:
        for template in templates_in(written.errors):
            self._check_template(template, NAMES | ERROR_NAMES, ["errors"])
        for template in templates_in(written.auth):
            self._check_template(template, NAMES | ERROR_NAMES, ["auth"])
        for name, template in written.environ.items():
            self._check_template(template, PLACE_NAMES, ["environ", name])
        for name, collection in written.collections.items():
            if collection.id is not None:
                self._check_template(collection.id, NAMES, ["collections", name, "id"])

    def _check_template(self, template: Template, known: Iterable[str], at: Sequence[Step]) -> None:
        for name in sorted(template.names - {*known}):
            unknown: Any = UnknownName("name", name, known)
            self.mistakes.add(at, f"{unknown.message} in braces", unknown.hint)

    def _check_reach(self, route: Route, before: Sequence[Route], at: Sequence[Step]) -> None:
        if any(one.written.name == route.name != "" for one in before):
            self.mistakes.add((*at, "name"), f"another route is called {route.name!r} too")
        hiding = next((one for one in before if one.hides(route)), None)
        if hiding:
            told = f"it has never its turn: {hiding.name!r} before it answers all of it"
            self.mistakes.add((*at, "path"), told)


def _free_name(route: Route, before: Sequence[Route]) -> str:
    """Return the route's name; without one, its method and path, and a number if that is taken."""
    if route.name:
        return route.name
    taken = {one.name for one in before}
    names = (f"{route.place} ({number})" if number > 1 else route.place for number in count(1))
    return next(one for one in names if one not in taken)


def load_services(paths: Sequence[Path], *, is_recording: bool = False) -> Sequence[Service]:
    """Read the services that paths mean: files, services' folders, or folders of such folders."""
    found = [one for path in paths for one in find_services(path)]
    services = [load_service(one, is_recording=is_recording) for one in found]
    _refuse_doubled("service", [one.name for one in services])
    _refuse_doubled("variable", [name for one in services for name in one.written.environ])
    return services


def _refuse_doubled(kind: str, names: Sequence[str]) -> None:
    """Refuse what one service would take from another."""
    doubled = next((name for name, count in Counter(names).items() if count > 1), None)
    if doubled is not None:
        told = f"the {kind} {doubled!r} is declared twice"
        raise ServiceError(told, hint="give each a name of its own")
