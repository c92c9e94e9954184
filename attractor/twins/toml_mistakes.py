"""Reads tables of TOML into data, and tells every mistake with its line, its key and a remedy."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar, cast, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from attractor.base.late_dataclass import dataclass
from attractor.base.suggestions import suggest
from attractor.twins.places import Place, Step, written_path

Table: TypeAlias = dict[str, Any]

_MOST_TOLD = 3
_KEY = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_KEYS = rf"{_KEY}(?:[ \t]*\.[ \t]*{_KEY})*"
_HEADER = re.compile(rf"[ \t]*(\[\[?)[ \t]*({_KEYS})[ \t]*\]")
_ASSIGNED = re.compile(rf"[ \t]*({_KEYS})[ \t]*=")
_ONE_KEY = re.compile(_KEY)
_LONG_TEXT = re.compile(r'"""|' + "'''")

M = TypeVar("M", bound=BaseModel)


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

    def _place(self, mistake: Mistake, lines: Mapping[Place, int]) -> str:
        known = (mistake.path[:length] for length in range(len(mistake.path), 0, -1))
        line = next((lines[path] for path in known if path in lines), None)
        place = f"{self._source}:{line}" if line else self._source
        key = written_path(mistake.path)
        return f"{place}: {key}: " if key else f"{place}: "


def parse_table(text: str) -> Table:
    """Read TOML; a text that is none is a `ValueError` that names the line."""
    return tomllib.loads(text)


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
        for one in cause.errors():
            path, message = _mistake(one, table, names)
            mistakes.add((*at, *path), message)
        return None


def key_lines(text: str) -> Mapping[Place, int]:
    """Return in which line each key stands, as far as it begins a line."""
    found: dict[Place, int] = {}
    table: Place = ()
    counts: dict[Place, int] = {}
    for number, line in _lines_outside_long_texts(text):
        if header := _HEADER.match(line):
            table = _opened(header[1], _keys(header[2]), counts)
            found.setdefault(table, number)
        elif assigned := _ASSIGNED.match(line):
            path = table
            for key in _keys(assigned[1]):
                path = (*path, key)
                found.setdefault(path, number)
    return found


def _opened(bracket: str, keys: Sequence[str], counts: dict[Place, int]) -> Place:
    """Return the path of a table; a step into a list of tables is into its last one so far."""
    path: Place = ()
    for number, key in enumerate(keys, 1):
        path = (*path, key)
        if number == len(keys) and bracket == "[[":
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


def _keys(written: str) -> list[str]:
    return [one.strip("\"'") for one in _ONE_KEY.findall(written)]


def _lines_outside_long_texts(text: str) -> Iterator[tuple[int, str]]:
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if not inside:
            yield number, line
        inside ^= len(_LONG_TEXT.findall(line)) % 2 == 1


def _mistake(error: ErrorDetails, table: object, names: set[str]) -> tuple[Place, str]:
    """Leave out the steps that nobody wrote: names of types, and where a key was moved to."""
    path: list[Step] = []
    value: Any = table
    for step in error["loc"]:
        if _leads_on(value, step):
            path.append(step)
            value = value[step]
    last = error["loc"][-1] if error["loc"] else ""
    if error["type"] == "missing":
        return tuple(path), f"it needs {str(last)!r}"
    if error["type"] == "extra_forbidden":
        near = suggest(str(last), names)
        return tuple(path), "there is no such key" + (f", did you mean {near!r}?" if near else "")
    return tuple(path), error["msg"].removeprefix("Value error, ")


def _leads_on(value: Any, step: Step) -> bool:
    if isinstance(step, int):
        # A script in Python may have tuples where one in TOML has lists.
        return isinstance(value, list | tuple) and step < len(cast("Sequence[object]", value))
    return isinstance(value, dict) and step in value


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
