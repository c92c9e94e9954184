"""What can go wrong in a twin.

UsageError
├── ScriptError      2  a script that is not one
└── RecordingError   2  recordings that are none, or nowhere to record from
Rejection               a request that is answered with an error, in its provider's own shape
├── NoRule              a request that no rule fits
└── NotSpoken           a request to a path, or by a method, that the twin does not know

Tells what is wrong with data once, also where it could have been one of several things.

Reads tables of TOML into data, and tells every mistake with its line, its key and a remedy.
"""

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeAlias, TypeVar, cast, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError, suggest
from attractor.base.toml import KeyLines, key_lines, line_of
from attractor.twins.recordings.json_diff import Place, Step, written_path


class ScriptError(UsageError):
    """This is not a script for a twin."""

    hint = "see docs/reference/twin-scripts.md"


class RecordingError(UsageError):
    """These are no recordings for a twin."""

    hint = "see docs/reference/twin-scripts.md"


class Rejection(Exception):
    """A request is answered with an error; each wire writes it in its own shape."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: timedelta | None = None,
        rule: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.retry_after = retry_after
        self.rule = rule


class NoRule(Rejection):
    """A request is not answered by any rule."""


class NotSpoken(Rejection):
    """A request is none that the twin speaks."""


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


_MOST_TOLD = 3
_POSITION = re.compile(r" \(at (?:line (?P<line>\d+), column \d+|end of document)\)$")

M = TypeVar("M", bound=BaseModel)


class NotToml(ValueError):
    """This text is no TOML; it is told in which line."""


@dataclass(frozen=True)
class Mistake:
    """What is wrong, and at which key: the names and numbers that lead there."""

    path: Place
    message: str


class Mistakes:
    """Gathers the mistakes of one file."""

    def __init__(self, text: str, source: str) -> None:
        self._text = text
        self._source = source
        self._found: list[Mistake] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, path: Iterable[Step], message: str) -> None:
        """Note a mistake at a key."""
        self._found.append(Mistake(tuple(path), message))

    def told(self) -> str:
        """Say the first of them, each with its file and line."""
        lines = key_lines(self._text)
        told = [f"{self._place(one, lines)}{one.message}" for one in self._found[:_MOST_TOLD]]
        more = len(self._found) - len(told)
        return "; ".join(told) + (f"; and {more} more" if more else "")

    def _place(self, mistake: Mistake, lines: KeyLines) -> str:
        line = line_of(mistake.path, lines)
        place = f"{self._source}:{line}" if line else self._source
        key = written_path(mistake.path)
        return f"{place}: {key}: " if key else f"{place}: "


def parse_table(text: str, source: str) -> Table:
    """Read TOML, or say in which line of its source it is none."""
    try:
        return tomllib.loads(text)
    except RecursionError as cause:
        raise NotToml(f"{source}: its values are nested too deeply") from cause
    except tomllib.TOMLDecodeError as cause:
        raise NotToml(_broken(str(cause), text, source)) from cause


def validated(
    model: type[M],
    table: object,
    mistakes: Mistakes,
    *,
    at: Sequence[Step] = (),
    known: Iterable[str] = (),
) -> M | None:
    """Make data of a table, or note what is wrong with it; `known` are more keys it may have."""
    try:
        return model.model_validate(table)
    except ValidationError as cause:
        names = {*known, *_all_keys(model)}
        for one in without_echoes(find_wrongs(cause.errors(), table), names):
            mistakes.add((*at, *one.place), _message(one, names))
        return None


def _broken(said: str, text: str, source: str) -> str:
    found = _POSITION.search(said)
    if found is None:
        return f"{source}: this is not TOML: {said}"
    at_end = len(text.rstrip().splitlines()) or 1
    line = found["line"] or at_end
    return f"{source}:{line}: this is not TOML: {_POSITION.sub('', said)}"


def _message(wrong: Wrong, names: set[str]) -> str:
    if wrong.kind == "missing":
        return f"it needs {wrong.key!r}"
    if wrong.kind == "extra_forbidden":
        near = suggest(wrong.key, names)
        return "there is no such key" + (f", did you mean {near!r}?" if near else "")
    return wrong.told


def _all_keys(model: type[BaseModel]) -> set[str]:
    """Return the keys of a table and of those inside it."""
    keys: set[str] = set()
    waiting: list[Any] = [model]
    seen: list[Any] = []
    while waiting:
        one = waiting.pop()
        if isinstance(one, type) and issubclass(one, BaseModel):
            if one in seen:
                continue
            seen.append(one)
            keys |= {field.alias or name for name, field in one.model_fields.items()}
            waiting += [field.annotation for field in one.model_fields.values()]
        else:
            waiting += get_args(one)
    return keys
