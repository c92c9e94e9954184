"""Values that steps of a trial take from responses and letters, and cookies, for later steps."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import cast
from urllib.parse import quote

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.scenarios._search import LinearPattern
from attractor.scenarios.http_request import HttpAnswer
from attractor.scenarios.suite import COOKIE, HEADER, PATTERN, ReceivedStep, RequestStep
from attractor.twins.recordings.json_diff import JsonPath

_LONGEST = 4096
_MOST_COOKIES = 50
# Otherwise a program of the suite with such a variable would not start.
_UNUSABLE = re.compile(r"[\0\ud800-\udfff]")
_VALUE = re.compile(r"\$\{(\w+)\}")


class NothingTaken(Exception):
    """A response has not what a request takes from it."""


@dataclass(frozen=True)
class Captures:
    """What was taken in a trial so far: `values` by name, and the cookies of each jar."""

    values: dict[str, str] = field(default_factory=dict[str, str])
    jars: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])

    def fill(self, step: RequestStep) -> RequestStep:
        """Return a request with the values in place of `${NAME}`, and with its cookies."""
        headers = {name: self._filled(value) for name, value in step.headers.items()}
        if jar := self.jars.get(step.cookies):
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        changed = {
            "path": _VALUE.sub(lambda found: quote(self._value(found), safe=""), step.path),
            "headers": headers,
            "body": self._filled(step.body),
            "json_": self._filled_json(step.json_),
        }
        return step.model_copy(update=changed)

    def take(self, step: RequestStep, answer: HttpAnswer) -> None:
        """Take what a request wants from its response, or raise NothingTaken."""
        if step.cookies:
            jar = self.jars.setdefault(step.cookies, {})
            for name, value in _cookies(answer):
                if value or name in jar:
                    jar[name] = value
            for name in [*jar][:-_MOST_COOKIES]:
                del jar[name]
        for name, source in step.take.items():
            self._keep(name, source, _find(source, answer), "response")

    def take_received(self, step: ReceivedStep, body: Json) -> None:
        """Take what a step wants from a request to a twin, or raise NothingTaken."""
        for name, source in step.take.items():
            if source.startswith(PATTERN):
                pattern = LinearPattern(source.removeprefix(PATTERN))
                found = next(filter(None, map(pattern.first, _texts(body))), None)
            else:
                found = _plain(JsonPath(source).find(body))
            self._keep(name, source, found, "request")

    def _keep(self, name: str, source: str, found: str | None, what: str) -> None:
        if found is None:
            raise NothingTaken(f"the {what} has no {source} to take as {name}")
        if len(found) > _LONGEST:
            raise NothingTaken(f"{source} is longer than {_LONGEST} characters")
        if _UNUSABLE.search(found):
            raise NothingTaken(f"{source} has a character that no variable can have")
        self.values[name] = found

    def _value(self, found: re.Match[str]) -> str:
        # What no step takes stands for itself.
        return self.values.get(found[1], found[0])

    def _filled(self, text: str) -> str:
        return _VALUE.sub(self._value, text)

    def _filled_json(self, value: object) -> object:
        match value:
            case str():
                return self._filled(value)
            case list():
                return [self._filled_json(one) for one in cast("list[object]", value)]
            case dict():
                members = cast("dict[str, object]", value)
                return {key: self._filled_json(one) for key, one in members.items()}
            case _:
                return value


def _find(source: str, answer: HttpAnswer) -> str | None:
    """Return the text at a place of a response, or None."""
    if source.startswith(HEADER):
        return answer.headers.get(source.removeprefix(HEADER).lower())
    if source.startswith(COOKIE):
        return dict(_cookies(answer)).get(source.removeprefix(COOKIE))
    if source.startswith(PATTERN):
        return LinearPattern(source.removeprefix(PATTERN)).first(answer.body)
    try:
        return _plain(JsonPath(source).find(cast("Json", json.loads(answer.body))))
    except (ValueError, RecursionError):
        return None


def _plain(values: Sequence[Json]) -> str | None:
    """Return the first value as text, if it is a text, number or boolean."""
    match values[:1]:
        case [str() as text]:
            return text
        case [bool() | int() | float() as value]:
            return json.dumps(value)
        case _:
            return None


def _texts(value: Json) -> Iterator[str]:
    """Yield all texts in a value."""
    match value:
        case str():
            yield value
        case list() | dict():
            for one in value.values() if isinstance(value, dict) else value:
                yield from _texts(one)
        case _:
            pass


def _cookies(answer: HttpAnswer) -> Iterator[tuple[str, str]]:
    """Yield the cookies that a response sets, as a browser reads them; a removed one is empty.

    `http.cookies` needs many seconds for a hostile line.
    """
    for line in answer.cookies:
        pair, *attributes = line.split(";")
        name, sign, value = (one.strip() for one in pair.partition("="))
        if name and sign:
            yield name, "" if _is_removed(attributes) else value


def _is_removed(attributes: Sequence[str]) -> bool:
    """Return whether a response removes a cookie: by its age, or by a year long ago."""
    pairs = (one.partition("=") for one in attributes)
    given = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if age := given.get("max-age"):
        return age.startswith("-") or not age.strip("0")
    return bool(re.search(r"\b(19\d\d|200\d)\b", given.get("expires", "")))
