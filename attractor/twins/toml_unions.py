"""Tells what is wrong with data once, also where it could have been one of several things."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeAlias, cast

from pydantic_core import ErrorDetails

from attractor.base.dataclasses import dataclass
from attractor.base.errors import suggest
from attractor.twins.places import Place, Step

Table: TypeAlias = dict[str, Any]

_BEGINS = "Input should be "
# In TOML there are tables and lists, whatever they are made into.
_WORDS = {
    "model_type": "a table",
    "dict_type": "a table",
    "list_type": "a list",
    "tuple_type": "a list",
}
_MISFITS = ("literal_error", "enum")


@dataclass(frozen=True)
class Wrong:
    """What is wrong at a place, and as which of several things it was read there, if as one."""

    place: Place
    kind: str
    told: str
    key: str
    branch: Step = ""
    depth: int = 0

    @property
    def is_misfit(self) -> bool:
        """Whether it is not at all what it was read as."""
        return self.depth < 2 and (self.kind.endswith("_type") or self.kind in _MISFITS)


def find_wrongs(errors: Sequence[ErrorDetails], table: object) -> Sequence[Wrong]:
    """Return what is wrong, each thing once: as what it was probably meant to be."""
    forks: dict[tuple[Place, bool], dict[Step, list[Wrong]]] = {}
    for number, error in enumerate(errors):
        one, fork = _read(error, table)
        # What is one thing alone stands for itself.
        place = (fork, True) if one.branch else ((*fork, number), False)
        forks.setdefault(place, {}).setdefault(one.branch, []).append(one)
    return [one for branches in forks.values() for one in _nearest(list(branches.values()))]


def without_echoes(found: Sequence[Wrong], names: set[str]) -> Sequence[Wrong]:
    """Leave out keys that are missing only because they were mistyped."""
    extra = [one for one in found if one.kind == "extra_forbidden"]
    meant = {(one.place[:-1], suggest(one.key, names)) for one in extra}
    return [one for one in found if one.kind != "missing" or (one.place, one.key) not in meant]


def _nearest(branches: Sequence[Sequence[Wrong]]) -> Sequence[Wrong]:
    """Return what is wrong with the branch that was begun, or that it is none of them."""
    begun = [one for one in branches if not all(wrong.is_misfit for wrong in one)]
    if begun:
        return min(begun, key=len)
    first, *others = [wrong for one in branches for wrong in one]
    more = [one.told.removeprefix(_BEGINS) for one in others]
    return [replace(first, told=" or ".join(dict.fromkeys([first.told, *more])))]


def _read(error: ErrorDetails, table: object) -> tuple[Wrong, Place]:
    """Leave out the steps that nobody wrote: names of types, and where a key was moved to."""
    steps = error["loc"]
    key = str(steps[-1]) if steps else ""
    # What is missing was not written either, but is no branch.
    walked = steps[:-1] if error["type"] == "missing" else steps
    path: list[Step] = []
    fork: tuple[Place, Step, int] | None = None
    value: Any = table
    for number, step in enumerate(walked):
        if _leads_on(value, step):
            path.append(step)
            value = value[step]
        elif fork is None:
            fork = (tuple(path), step, len(steps) - number)
    told = error["msg"].removeprefix("Value error, ")
    if error["type"] in _WORDS:
        told = _BEGINS + _WORDS[error["type"]]
    place, branch, depth = fork or (tuple(path), "", 0)
    return Wrong(tuple(path), error["type"], told, key, branch, depth), place


def _leads_on(value: Any, step: Step) -> bool:
    if isinstance(step, int):
        # A script in Python may have tuples where one in TOML has lists.
        return isinstance(value, list | tuple) and step < len(cast("Sequence[object]", value))
    return isinstance(value, dict) and step in value
