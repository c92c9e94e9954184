"""A large JSON value in parts: a page shows one of them, and links to those inside it."""

import json
from collections.abc import Mapping, Sequence
from urllib.parse import quote, unquote

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName
from attractor.base.json import Json

WHOLE = 4_000
"""The characters up to which a part is shown whole."""

FOLDED = 400
"""The characters from which a member of a larger part is a part of its own."""


@dataclass(frozen=True)
class PartName:
    """The name of a part, its path, and the number of its characters."""

    name: str
    path: str
    size: int


@dataclass(frozen=True)
class JsonPart:
    """A part of a value: the names of its large members, and some of the other members as text.

    `names`: the parts around it, from the whole value down to itself. `next`: the number of the
    first member after the text; 0 if the text has the last one.
    """

    names: Sequence[PartName]
    members: Sequence[PartName]
    text: str
    next: int = 0


def part_at(value: Json, path: str, begin: int = 0) -> JsonPart:
    """Return the part of a value at a path of names and numbers, such as `run/branches/3`.

    `begin`: the number of the first member in the text.
    """
    names = [PartName("State", "", len(pretty(value)))]
    for step in filter(None, path.split("/")):
        inner = _members(value)
        if step not in inner:
            raise UnknownName("part", path, inner)
        value = inner[step]
        names.append(_name(step, value, names[-1].path))
    inner = _members(value)
    if names[-1].size <= WHOLE or not inner:
        return JsonPart(names, (), pretty(value))
    found = [_name(step, one, names[-1].path) for step, one in inner.items()]
    small: dict[str, Json] = {}
    size = 0
    for number, (name, one) in enumerate(zip(found, inner.values(), strict=True)):
        if number >= begin and name.size < FOLDED:
            size += len(name.name) + name.size
            if size > WHOLE:
                break
            small[name.name] = one
    else:
        number = 0
    large = [one for one in found if one.size >= FOLDED]
    return JsonPart(names, large, pretty(small) if small else "", number)


def _members(value: Json) -> Mapping[str, Json]:
    """Return the members of an object or a list, by their steps in a path."""
    if isinstance(value, list):
        return {str(number): one for number, one in enumerate(value)}
    if isinstance(value, dict):
        return {quote(name, safe=""): one for name, one in value.items()}
    return {}


def _name(step: str, value: Json, above: str) -> PartName:
    # An item of a list, such as a branch, has its name inside.
    key = value.get("key") if isinstance(value, dict) and step.isdecimal() else None
    name = f"{step} {key}" if isinstance(key, str) else unquote(step)
    return PartName(name, f"{above}/{step}".lstrip("/"), len(pretty(value)))


def pretty(value: Json | Mapping[str, Json]) -> str:
    """Return a JSON value as text on several lines."""
    return json.dumps(value, indent=2, ensure_ascii=False)
