"""Reads tables of TOML into data, and tells every mistake with its line, its key and a remedy."""

import re
import tomllib
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from attractor.base.dataclasses import dataclass
from attractor.base.errors import suggest
from attractor.base.toml import KeyLines, key_lines, line_of
from attractor.twins.places import Place, Step, written_path
from attractor.twins.toml_unions import Table, Wrong, find_wrongs, without_echoes

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
