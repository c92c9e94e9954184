"""Finds the quotes that are most likely missing or too many in a text that cannot be read.

One quote too few turns every text behind it inside out. So the ways to read the text are followed
side by side, from one quote or end of a line to the next, and the least odd of them is believed:
what stands around the quotes counts first, and between equals the looks of the lines.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import NamedTuple

from attractor.language.around_quotes import (
    begins_value,
    could_end_a_list,
    end_before_key,
    end_in_line,
    is_followed_oddly,
    is_preceded_oddly,
    looks_like_a_statement,
    looks_like_an_end,
    looks_like_prose,
    start_of_text,
)

_MARK = re.compile(r'"|\\["\\]|\n|//|/\*|\*/|(?<![^\n])\#')
# A missing quote is less odd than one quote in an odd place, two quotes within a text than two.
_ODD, _MISSING, _INNER, _ANOTHER = 10, 4, 8, 4


class Fault(Enum):
    """What is wrong with a quote."""

    UNCLOSED = auto()
    UNOPENED = auto()
    INNER = auto()


class Slip(NamedTuple):
    """What is wrong, and where: a text that lacks a quote, or a quote within a text.

    `text` is where the text began.
    """

    fault: Fault
    start: int
    end: int
    text: int


class _State(Enum):
    """What a place may be part of; between equal ways the first of these goes first."""

    OUTSIDE = auto()
    INSIDE = auto()
    LINE_COMMENT = auto()
    COMMENT = auto()


class _Found(NamedTuple):
    slip: Slip
    before: "_Found | None"


class _Way(NamedTuple):
    """One way to read the text so far: how odd it is, where its last text began, and its slips."""

    oddness: int = 0
    looks: int = 0
    opened: int = 0
    found: _Found | None = None

    def but(self, oddness: int = 0, slip: Slip | None = None, *, looks: int = 0) -> "_Way":
        """Return the way a step further on."""
        found = _Found(slip, self.found) if slip else self.found
        return _Way(self.oddness + oddness, self.looks + looks, self.opened, found)

    @property
    def has_inner(self) -> bool:
        """Whether a quote was found within the text that is open."""
        last = self.found.slip if self.found else None
        return last is not None and last.fault is Fault.INNER and last.text == self.opened

    @property
    def weight(self) -> tuple[int, int]:
        """How odd it is all in all."""
        return self.oddness, self.looks


_Step = tuple[_State, _Way]


def find_slips(text: str) -> Sequence[Slip]:
    """Return what is wrong with the quotes of a text, by the least odd way to read it."""
    ways = {_State.OUTSIDE: _Way()}
    for mark in _MARK.finditer(text):
        now = [(state, ways[state]) for state in _State if state in ways]
        ways = _best(one for state, way in now for one in _STEPS[state](text, mark, way))
    unclosed = ways.pop(_State.INSIDE, None)
    closed = _closed(text, len(text), unclosed, _State.OUTSIDE) if unclosed else ()
    return _in_order(min([*ways.values(), *(way for _, way in closed)], key=lambda way: way.weight))


def _best(steps: Iterable[_Step]) -> dict[_State, _Way]:
    best: dict[_State, _Way] = {}
    for state, way in steps:
        if state not in best or way.weight < best[state].weight:
            best[state] = way
    return best


def _outside(text: str, mark: re.Match[str], way: _Way) -> Iterator[_Step]:
    match mark[0]:
        case '"':
            yield from _outside_quote(text, mark.start(), way)
        case "\n":
            yield _State.OUTSIDE, way.but(looks=looks_like_prose(text, mark.end()))
        case "//" | "#":
            yield _State.LINE_COMMENT, way
        case "/*":
            yield _State.COMMENT, way
        case "*/":
            yield _State.OUTSIDE, way
        case _:
            yield _State.OUTSIDE, way.but(looks=1)


def _outside_quote(text: str, at: int, way: _Way) -> Iterator[_Step]:
    yield _State.INSIDE, way.but(is_preceded_oddly(text, at) * _ODD)._replace(opened=at)
    start = start_of_text(text, at)
    if start is not None:
        slip = Slip(Fault.UNOPENED, start, at + 1, start)
        yield _State.OUTSIDE, way.but(_MISSING + is_followed_oddly(text, at + 1) * _ODD, slip)


def _inside(text: str, mark: re.Match[str], way: _Way) -> Iterator[_Step]:
    match mark[0]:
        case '"':
            yield from _inside_quote(text, mark.start(), way)
        case "\n":
            yield _State.INSIDE, way.but(looks=looks_like_a_statement(text, mark.end()))
            yield from _closed(text, mark.start(), way, _State.OUTSIDE)
        case "//" if could_end_a_list(text, mark.start()):
            yield _State.INSIDE, way
            yield from _closed(text, mark.start(), way, _State.LINE_COMMENT)
        case _:
            yield _State.INSIDE, way


def _inside_quote(text: str, at: int, way: _Way) -> Iterator[_Step]:
    is_odd, is_next = is_followed_oddly(text, at + 1), begins_value(text, at)
    yield _State.OUTSIDE, way.but((is_odd or is_next) * _ODD)
    if not is_next and (is_odd or way.has_inner):
        # Where there is one quote within a text there are mostly two, the first before a word.
        oddness = _ANOTHER if way.has_inner else _INNER + looks_like_an_end(text, at) * _INNER
        yield _State.INSIDE, way.but(oddness, Slip(Fault.INNER, at, at + 1, way.opened))
    end = end_before_key(text, way.opened, at) if is_next else None
    if end is not None:
        slip = Slip(Fault.UNCLOSED, way.opened, end, way.opened)
        yield _State.INSIDE, way.but(_MISSING, slip)._replace(opened=at)


def _closed(text: str, at: int, way: _Way, state: _State) -> Iterator[_Step]:
    """Close a text in its line, before what closes the list around it."""
    end = end_in_line(text, way.opened, at)
    if end is not None:
        looks = looks_like_prose(text, at + 1) + (not could_end_a_list(text, at))
        slip = Slip(Fault.UNCLOSED, way.opened, end, way.opened)
        yield state, way.but(_MISSING, slip, looks=looks)


def _line_comment(text: str, mark: re.Match[str], way: _Way) -> Iterator[_Step]:
    if mark[0] == "\n":
        yield from _outside(text, mark, way)
    else:
        yield _State.LINE_COMMENT, way


def _comment(text: str, mark: re.Match[str], way: _Way) -> Iterator[_Step]:
    yield _State.OUTSIDE if mark[0] == "*/" else _State.COMMENT, way


_STEPS: Mapping[_State, Callable[[str, re.Match[str], _Way], Iterator[_Step]]] = {
    _State.OUTSIDE: _outside,
    _State.INSIDE: _inside,
    _State.LINE_COMMENT: _line_comment,
    _State.COMMENT: _comment,
}


def _in_order(way: _Way) -> Sequence[Slip]:
    slips: list[Slip] = []
    found = way.found
    while found:
        slips.append(found.slip)
        found = found.before
    return slips[::-1]
