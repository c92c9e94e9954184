"""The kinds of places, by name, and the settings of one place."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import field
from functools import cache

from attractor.base.dataclasses import dataclass
from attractor.base.registry import Registry
from attractor.environments.container import ContainerBounds
from attractor.environments.remote import RemoteExecutionEnvironment


@dataclass(frozen=True, kw_only=True)
class WorkPlace:
    """A place in which stages can work, as `[places.NAME]` of the settings has it.

    On a `host`, the files of each run are in a folder of their own below `root`, and `options` are
    arguments of ssh. Containers are of an `image`, and have `bounds`. `shared` is what environments
    of one folder share, by their mark.
    """

    name: str
    kind: str
    host: str = ""
    root: str = ""
    options: tuple[str, ...] = ()
    image: str = ""
    bounds: ContainerBounds = field(default_factory=ContainerBounds)
    shared: dict[str, object] = field(default_factory=dict[str, object])

    @property
    def target(self) -> str:
        """The host or the image."""
        return self.host or self.image

    def folder(self, *names: str) -> str:
        """Return a folder below the root."""
        return "/".join((self.root.rstrip("/"), *names))


@dataclass(frozen=True)
class PlaceKind:
    """A kind of place.

    `connect` returns the environment of a folder of a place, which it makes. Environments with the
    same mark can end what an earlier one left. `environ` are variables of the program here. `look`
    returns sentences about what a connected place lacks. Without `files_stay`, files that are only
    there, such as those of a setup, vanish when a run ends or stops.
    """

    connect: Callable[[WorkPlace, str, Mapping[str, str], str], RemoteExecutionEnvironment]
    sentence: str
    look: Callable[[RemoteExecutionEnvironment], Awaitable[Sequence[str]]] | None = None
    files_stay: bool = True
    needed_by_ports: tuple[str, ...] = ()


@cache
def place_registry() -> Registry[PlaceKind]:
    """Return the registry of the kinds."""
    return Registry("attractor.environments.places", PlaceKind, noun="kind of place")
