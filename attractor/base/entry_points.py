"""Reads the entry points of distributions, as `importlib.metadata` does, without its 50 modules."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import PathFinder
from typing import NamedTuple

_OFFER = "[attractor."
_ENDINGS = ("-info", "-INFO", "-Info")


class EntryPoint(NamedTuple):
    """One line of a distribution's entry points: the name of a part and the place of the part."""

    group: str
    name: str
    value: str
    distribution: str


class _Irregular(Exception):
    """A place or a distribution that is not as installers leave it today."""


def read_entry_points(folders: Sequence[str]) -> Mapping[str, Sequence[EntryPoint]]:
    """Return the entry points of the distributions in folders, by their groups.

    Only distributions that extend Attractor are read. Damaged ones are skipped; `attractor doctor`
    reports them.
    """
    try:
        points = list(_read_regular(folders))
    except (_Irregular, UnicodeDecodeError):
        points = list(_read_any(folders))
    found: dict[str, list[EntryPoint]] = {}
    for point in points:
        found.setdefault(point.group, []).append(point)
    return found


def _read_regular(folders: Sequence[str]) -> Iterator[EntryPoint]:
    others = (finder for finder in sys.meta_path if finder is not PathFinder)
    if any(hasattr(finder, "find_distributions") for finder in others):
        raise _Irregular
    names: set[str] = set()
    for place in _places(folders):
        text = _text(place, "entry_points.txt")
        if _OFFER in text:
            name = _name(_text(place, "METADATA"))
            if not name or name in names:
                raise _Irregular
            names.add(name)
            yield from _points(text, name)


def _places(folders: Sequence[str]) -> Iterator[str]:
    """Return the folders of distributions."""
    for folder in folders:
        try:
            names = os.listdir(folder or ".")
        except NotADirectoryError as error:
            raise _Irregular from error  # It may be an archive.
        except OSError:
            continue
        for name in names:
            # The slice is compared first, because a call for each of a thousand names is slow.
            if name[-5:] in _ENDINGS and name.lower().endswith(("dist-info", "egg-info")):
                yield os.path.join(folder, name)


def _text(folder: str, name: str) -> str:
    try:
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def _name(metadata: str) -> str:
    for line in metadata.partition("\n\n")[0].splitlines():
        if line.startswith("Name:"):
            return line.removeprefix("Name:").strip()
    return ""


def _points(text: str, distribution: str) -> Iterator[EntryPoint]:
    group = ""
    for line in filter(None, map(str.strip, text.splitlines())):
        name, sign, value = map(str.strip, line.partition("="))
        if line.startswith("[") and line.endswith("]"):
            group = line.strip("[]")
        elif group and sign and not line.startswith("#"):
            yield EntryPoint(group, name, value, distribution)
        else:
            raise _Irregular


def _read_any(folders: Sequence[str]) -> Iterator[EntryPoint]:
    # Takes 20 ms.
    from importlib.metadata import distributions

    names: set[str] = set()
    for distribution in distributions(path=list(folders)):
        try:
            # The metadata of the others is not parsed, which would take four times as long.
            if _OFFER not in (distribution.read_text("entry_points.txt") or ""):
                continue
            name, points = distribution.metadata["Name"], list(distribution.entry_points)
        except Exception:  # noqa: BLE001 - a damaged distribution is no reason to fail
            continue
        if name and name not in names:
            names.add(name)
            for point in points:
                yield EntryPoint(point.group, point.name, point.value, name)
