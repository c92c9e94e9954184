"""A route: which requests it answers, and the kind that does."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, ClassVar, TypeAlias, cast

from pydantic import Field
from starlette.datastructures import Headers

from attractor.base.dataclasses import dataclass
from attractor.base.registry import Registry
from attractor.twins.answer import Written
from attractor.twins.services.clocks import written_time
from attractor.twins.services.conditions import Conditions
from attractor.twins.services.errors import Misfit
from attractor.twins.services.limits import Limit
from attractor.twins.services.path_patterns import PathPattern, WrittenPattern
from attractor.twins.services.requests import ServiceRequest
from attractor.twins.services.responses import Response
from attractor.twins.services.state import State
from attractor.twins.services.templates import Names, Template, TextTemplate
from attractor.twins.services.trouble import Trouble

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


class Collection(Written):
    """How the records of a collection are told apart."""

    key: str = "id"
    id: TextTemplate | None = None


@dataclass(frozen=True)
class Surroundings:
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


class RouteKind(Written):
    """How the requests of a route are answered, as its file declares it."""

    names: ClassVar[frozenset[str]] = frozenset()
    """What values on such a route may name besides."""

    @abstractmethod
    def open(self, surroundings: Surroundings) -> Answers:
        """Return what answers, or raise the Misfit of a key."""

    def templates(self) -> Iterable[tuple[str, Template]]:
        """Yield what is written per request, each with its key."""
        for name, info in type(self).model_fields.items():
            for one in templates_in(getattr(self, name)):
                yield info.alias or name, one


class WrittenRoute(Written):
    """What every route declares, whatever its kind."""

    kind: str
    path: WrittenPattern
    method: Annotated[str, Field(pattern=r"^([A-Z]+|\*)$")] = "GET"
    name: str = ""
    when: Conditions = Conditions()
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
        return f"{self.written.method} {self.written.path.written}"

    def match(self, request: ServiceRequest) -> Mapping[str, str] | None:
        """Return what the path says when a request fits method and path."""
        if not self.takes(request.method):
            return None
        return self.written.path.match(request.segments)

    def takes(self, method: str) -> bool:
        """Tell whether it is for a method."""
        return self.written.method in (ANY_METHOD, method)

    def hides(self, later: "Route") -> bool:
        """Tell whether a later route would never have its turn behind this one."""
        if self.written.when != Conditions() or not self.takes(later.written.method):
            return False
        return self.written.path.covers(later.written.path)


def templates_in(value: object) -> Sequence[Template]:
    """Return the templates in the value of a field."""
    if isinstance(value, Template):
        return [value]
    if isinstance(value, Written):
        return [one for name in type(value).model_fields for one in _of_field(value, name)]
    if isinstance(value, tuple | list):
        items = cast("Sequence[object]", value)
        return [found for one in items for found in templates_in(one)]
    if isinstance(value, dict):
        table = cast("Mapping[object, object]", value)
        return [found for one in table.values() for found in templates_in(one)]
    return []


def _of_field(value: Written, name: str) -> Sequence[Template]:
    return templates_in(getattr(value, name))


def kind_registry() -> Registry[type[RouteKind]]:
    """Return the kinds of route by name."""
    return Registry("attractor.twins.services.kinds", type[RouteKind], noun="twin route kind")
