"""Parts that other distributions offer: scanned once for each environment, then read from a cache.

The cache lies where Python keeps its own: in `__pycache__` beside this file. It is used only while
what is installed in the environment's path is what it was when the scan was made. As with `.pyc`
files, a folder that can't be written costs time at start-up and nothing else.

A damaged distribution offers nothing and keeps no command from working. Who asks is told of it:
`find_damaged` looks anew, because mending a file inside a distribution may change no age.
"""

import os
import sys
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from attractor.base.errors import FileTrouble

if TYPE_CHECKING:
    from importlib.metadata import Distribution

OUR_GROUPS = "attractor."
CACHE_FOLDER = os.path.join(os.path.dirname(__file__), "__pycache__")
CACHE_FILES = "attractor.*.entry-points"
_ENVIRONMENTS_KEPT = 16


class EntryPoint(NamedTuple):
    """One line of a distribution's entry points: where a part is to be found."""

    group: str
    name: str
    value: str
    distribution: str


class Damaged(NamedTuple):
    """A distribution that was passed over: where it lies, and what can't be read of it."""

    place: str
    trouble: str


def find_entry_points(
    group: str, *, path: Sequence[str] | None = None, cache: str = CACHE_FOLDER
) -> list[EntryPoint]:
    """Return what the distributions on the path offer to one group."""
    environment = _Environment.on(path)
    file = environment.file(cache)
    found = _read(file, environment)
    if found is None:
        found = _scan(environment).offered
        _write(file, environment, found)
    return [one for one in found if one.group == group]


def find_damaged(*, path: Sequence[str] | None = None, cache: str = CACHE_FOLDER) -> list[Damaged]:
    """Scan anew, and return the distributions on the path that can't be read."""
    environment = _Environment.on(path)
    scanned = _scan(environment)
    _write(environment.file(cache), environment, scanned.offered)
    return scanned.damaged


class _Environment(NamedTuple):
    """The folders that distributions lie in, and what is installed there."""

    folders: list[str]
    name: str
    age: str

    @classmethod
    def on(cls, path: Sequence[str] | None) -> "_Environment":
        folders = [os.path.abspath(folder) for folder in (sys.path if path is None else path)]
        name = "\t".join([sys.prefix, *folders])
        return cls(folders, name, "\t".join(_installed_in(folder) for folder in folders))

    def file(self, cache: str) -> str:
        # The name need only keep environments apart; the file's first lines say which it is of.
        number = f"{crc32(os.fsencode(self.name)):08x}"
        return os.path.join(cache, CACHE_FILES.replace("*", number))


def _installed_in(folder: str) -> str:
    """Name what is installed in a folder, each with the time it was last changed."""
    return _listed(folder, _changed(folder))


@lru_cache(maxsize=64)
def _listed(folder: str, changed: int) -> str:
    """Look into a folder; a process looks again when something came there or went."""
    try:
        with os.scandir(folder) as entries:
            found = [one for one in entries if one.name.endswith((".dist-info", ".egg-info"))]
            return " ".join(sorted(f"{one.name}:{_changed(one.path)}" for one in found))
    except NotADirectoryError:
        return f"archive:{changed}"
    except OSError:
        return "none"


def _changed(place: str) -> int:
    """Return when a place was last changed; a link to nothing never was."""
    try:
        return os.stat(place).st_mtime_ns
    except OSError:
        return 0


def _read(file: str, environment: _Environment) -> list[EntryPoint] | None:
    try:
        with open(file, "rb") as opened:
            name, age, *lines = os.fsdecode(opened.read()).splitlines()
        found = [EntryPoint(*line.split("\t")) for line in lines]
    except (OSError, ValueError, TypeError):
        return None
    return found if (name, age) == (environment.name, environment.age) else None


def _write(file: str, environment: _Environment, found: list[EntryPoint]) -> None:
    from pathlib import Path

    from attractor.base.files import write_whole

    lines = [environment.name, environment.age, *("\t".join(one) for one in found)]
    try:
        os.makedirs(os.path.dirname(file), exist_ok=True)
        write_whole(Path(file), os.fsencode("\n".join(lines)), sync=False)
        _forget_oldest(os.path.dirname(file))
    except (OSError, FileTrouble):
        return


def _forget_oldest(cache: str) -> None:
    from pathlib import Path

    files = sorted(Path(cache).glob(CACHE_FILES), key=lambda file: -file.stat().st_mtime_ns)
    for file in files[_ENVIRONMENTS_KEPT:]:
        file.unlink(missing_ok=True)


class _Scanned(NamedTuple):
    """What the distributions of an environment offer, and those that could not be asked."""

    offered: list[EntryPoint]
    damaged: list[Damaged]


def _scan(environment: _Environment) -> _Scanned:
    # 20 ms to import, and needed only after something was installed.
    from importlib.metadata import distributions

    first: dict[str, list[EntryPoint]] = {}
    damaged: list[Damaged] = []
    for distribution in distributions(path=environment.folders):
        # The public door tells only the folder around it.
        place = str(getattr(distribution, "_path", distribution.locate_file("")))
        asked = "its name"
        try:
            name = _name(distribution)
            asked = "entry_points.txt"
            first.setdefault(name, _offered(distribution, name, place))
        except Exception as error:  # noqa: BLE001 - whatever it is, `find_damaged` tells it
            damaged.append(Damaged(place, f"{asked}: {type(error).__name__}: {error}"))
    return _Scanned([point for points in first.values() for point in points], damaged)


def _name(distribution: "Distribution") -> str:
    if "Name" not in distribution.metadata:
        raise ValueError("its METADATA is missing, empty or may not be read")
    return distribution.name


def _offered(distribution: "Distribution", name: str, place: str) -> list[EntryPoint]:
    try:
        points = list(distribution.entry_points)
    except TypeError as error:
        raise ValueError("a line of it is not NAME = VALUE") from error
    file = os.path.join(place, "entry_points.txt")
    # Python takes one that may not be read for one that is not there.
    if os.path.lexists(file):
        open(file, "rb").close()
    ours = (one for one in points if one.group.startswith(OUR_GROUPS))
    return [EntryPoint(one.group, one.name, one.value, name) for one in ours]
