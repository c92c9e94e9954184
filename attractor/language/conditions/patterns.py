"""Compiles the patterns of `matches`."""

import re
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple, cast

from lark import Lark, Token, Transformer, UnexpectedInput

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.language.source.text import quote

LONGEST = 20_000
"""How many characters of a text are looked at."""

_LARGEST = 500
_IGNORE_CASE = "(?i)"
_COUNTS = re.compile(r"\{([0-9]+)(,?)([0-9]*)\}")


class InvalidPattern(UsageError):
    """This pattern cannot be read."""


class _Step(NamedTuple):
    """Goes on to other steps, after a character that fits or in a place that does."""

    ways: tuple[int, ...] = (1,)
    test: str = ""
    is_character: bool = False


_Steps = tuple[_Step, ...]


@dataclass(frozen=True)
class Pattern:
    """A pattern as steps; behind the last one it has been found."""

    steps: _Steps
    tests: tuple[re.Pattern[str] | None, ...]

    def search(self, text: str) -> bool:
        """Tell whether the pattern fits anywhere in a text."""
        text = text[:LONGEST]
        moved: list[int] = []
        for at in range(len(text) + 1):
            here = self._follow([0, *moved], text, at)
            if len(self.steps) in here:
                return True
            moved = [one + 1 for one in here if self._takes(one, text, at)]
        return False

    def _follow(self, begun: list[int], text: str, at: int) -> set[int]:
        """Return every step that can be come to without taking a character."""
        waiting, seen = begun, set[int]()
        while waiting:
            place = waiting.pop()
            if place in seen:
                continue
            seen.add(place)
            if place < len(self.steps) and self._is_passed(place, text, at):
                waiting += [place + way for way in self.steps[place].ways]
        return seen

    def _is_passed(self, place: int, text: str, at: int) -> bool:
        test = self.tests[place]
        if self.steps[place].is_character:
            return False
        return test is None or test.match(text, at) is not None

    def _takes(self, place: int, text: str, at: int) -> bool:
        if place == len(self.steps) or not self.steps[place].is_character:
            return False
        test = self.tests[place]
        return test is not None and test.match(text, at) is not None


@lru_cache(maxsize=256)
def compile_pattern(pattern: str) -> Pattern:
    """Read a pattern, or say what is wrong with it."""
    flags = re.IGNORECASE if pattern.startswith(_IGNORE_CASE) else re.NOFLAG
    text = pattern.removeprefix(_IGNORE_CASE)
    try:
        steps: _Steps = _grammar().parse(text)
        tests = tuple(re.compile(one.test, flags) if one.test else None for one in steps)
    except UnexpectedInput as unexpected:
        raise _mistake(pattern, text, unexpected) from unexpected
    except re.error as error:
        message = f"the pattern {quote(pattern)} cannot be read: {error.msg}"
        raise InvalidPattern(message, hint="mend the character class") from error
    return Pattern(steps, tests)


def _mistake(pattern: str, text: str, unexpected: UnexpectedInput) -> InvalidPattern:
    at = unexpected.pos_in_stream
    token: Any = getattr(unexpected, "token", None)
    is_at_end = at is None or at >= len(text) or (token is not None and token.type == "$END")
    where = "at its end" if is_at_end else f"at {quote(text[at:])}"
    message = f"the pattern {quote(pattern)} cannot be read {where}"
    hint = r"write \ before a sign that means itself; looking around and \1 are not known"
    return InvalidPattern(message, hint=hint)


class _Builder(Transformer[Token, _Steps]):
    """A method for each rule of `pattern.lark`; a row of steps is whole in itself."""

    def one(self, children: list[Token]) -> _Steps:
        # A dot is any character here: a value may have lines.
        test = "(?s:.)" if children[0] == "." else str(children[0])
        return (_Step(test=test, is_character=True),)

    def place(self, children: list[Token]) -> _Steps:
        return (_Step(test=str(children[0])),)

    def row(self, children: list[_Steps]) -> _Steps:
        return _within_bounds(tuple(step for steps in children for step in steps))

    def either(self, children: list[_Steps]) -> _Steps:
        *before, last = children
        for steps in reversed(before):
            last = (_Step((1, len(steps) + 2)), *steps, _Step((len(last) + 1,)), *last)
        return _within_bounds(last)

    def repeated(self, children: list[Any]) -> _Steps:
        steps: _Steps = children[0]
        least, most = _counts(str(children[1]))
        copies = max(least, most or 0, 1)
        if copies * (len(steps) + 1) > _LARGEST:
            raise _too_large()
        if most is None:
            return steps * (least - 1) + _again(steps) if least else _maybe(_again(steps))
        rest: _Steps = ()
        for _ in range(most - least):
            rest = _maybe(steps + rest)
        return steps * least + rest


def _again(steps: _Steps) -> _Steps:
    return (*steps, _Step((1, -len(steps))))


def _maybe(steps: _Steps) -> _Steps:
    return (_Step((1, len(steps) + 1)), *steps)


def _counts(repeat: str) -> tuple[int, int | None]:
    """Return how often at least and at most; None is without end."""
    if repeat[0] in "*+?":
        return {"*": (0, None), "+": (1, None), "?": (0, 1)}[repeat[0]]
    found = _COUNTS.match(repeat)
    assert found is not None
    least = int(found[1])
    if not found[2]:
        return least, least
    most = int(found[3]) if found[3] else None
    if most is not None and most < least:
        raise InvalidPattern(f"{repeat} repeats at most less than at least", hint="swap them")
    return least, most


def _within_bounds(steps: _Steps) -> _Steps:
    if len(steps) > _LARGEST:
        raise _too_large()
    return steps


def _too_large() -> InvalidPattern:
    return InvalidPattern("the pattern is too large", hint="repeat less, or write a shorter one")


@cache
def _grammar() -> Any:
    return cast(Any, Lark).open(
        "grammars/pattern.lark",
        rel_to=str(Path(__file__).parent),
        parser="lalr",
        start="pattern",
        transformer=_Builder(),
    )
