"""Parts that other distributions offer: scanned once for each environment, then read from a cache.

The cache lies where Python keeps its own: in `__pycache__` beside this file. It is used only while
what is installed in the environment's path is what it was when the scan was made. As with `.pyc`
files, a folder that can't be written costs time at start-up and nothing else.
"""

import os
import sys
from collections.abc import Sequence
from typing import NamedTuple
from zlib import crc32

from attractor.base.errors import FileTrouble

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


def find_entry_points(
    group: str, *, path: Sequence[str] | None = None, cache: str = CACHE_FOLDER
) -> list[EntryPoint]:
    """Return what the distributions on the path offer to one group."""
    folders = [os.path.abspath(folder) for folder in (sys.path if path is None else path)]
    environment = "\t".join([sys.prefix, *folders])
    age = "\t".join(_installed_in(folder) for folder in folders)
    # The name need only keep environments apart; the file's first lines say which one it is of.
    file = os.path.join(cache, CACHE_FILES.replace("*", f"{crc32(os.fsencode(environment)):08x}"))
    found = _read(file, environment, age)
    if found is None:
        found = _scan(folders)
        _write(file, environment, age, found)
    return [one for one in found if one.group == group]


def _installed_in(folder: str) -> str:
    """Name what is installed in a folder, each with the time it was last changed."""
    try:
        with os.scandir(folder) as entries:
            found = [one for one in entries if one.name.endswith((".dist-info", ".egg-info"))]
            return " ".join(sorted(f"{one.name}:{one.stat().st_mtime_ns}" for one in found))
    except NotADirectoryError:
        return f"archive:{os.stat(folder).st_mtime_ns}"
    except OSError:
        return "none"


def _read(file: str, environment: str, age: str) -> list[EntryPoint] | None:
    try:
        with open(file, "rb") as opened:
            kept_environment, kept_age, *lines = os.fsdecode(opened.read()).splitlines()
        found = [EntryPoint(*line.split("\t")) for line in lines]
    except (OSError, ValueError, TypeError):
        return None
    return found if (kept_environment, kept_age) == (environment, age) else None


def _write(file: str, environment: str, age: str, found: list[EntryPoint]) -> None:
    from pathlib import Path

    from attractor.base.atomic_files import write_whole

    lines = [environment, age, *("\t".join(one) for one in found)]
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


def _scan(folders: Sequence[str]) -> list[EntryPoint]:
    # 20 ms to import, and needed only after something was installed.
    from importlib.metadata import distributions

    first: dict[str, list[EntryPoint]] = {}
    for distribution in distributions(path=list(folders)):
        try:
            name = distribution.name
            points = list(distribution.entry_points)
        except Exception:  # noqa: BLE001 - a damaged distribution offers nothing
            continue
        ours = [one for one in points if one.group.startswith(OUR_GROUPS)]
        first.setdefault(name, [EntryPoint(one.group, one.name, one.value, name) for one in ours])
    return [point for points in first.values() for point in points]
