"""What a single value means: a word without quotes, or a text within them."""

import re
from functools import lru_cache
from typing import NamedTuple

from attractor.base.durations import parse_duration
from attractor.base.errors import InvalidDuration, UsageError
from attractor.language.patterns import BARE, DURATION, NUMBER
from attractor.language.values import LONGEST_NUMBER, Plain, Value, ValueKind, parse_integer
from attractor.language.wording import quote

_ESCAPE = re.compile(r"\\(\r\n|.)", re.DOTALL)
_MEANT = {'"': '"', "\\": "\\", "n": "\n", "t": "\t"}
_LIKE_A_DURATION = re.compile(r"-?[0-9]*\.?[0-9]+(?!e[0-9])[A-Za-z]+")
_LIKE_A_NUMBER = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


class Literal(NamedTuple):
    """A value's kind and meaning, or the fault that keeps it from having any."""

    kind: ValueKind
    plain: Plain
    fault: str = ""
    fix: str = ""


@lru_cache(maxsize=1024)
def read_word(word: str) -> Literal:
    """Read a value without quotes (attractor-spec 2.4)."""
    if word in ("true", "false"):
        return Literal(ValueKind.BOOLEAN, word == "true")
    if BARE.fullmatch(word):
        return Literal(ValueKind.BARE, word)
    if NUMBER.fullmatch(word):
        return _number(word)
    if DURATION.fullmatch(word) or _LIKE_A_DURATION.fullmatch(word):
        return _duration(word)
    if _LIKE_A_NUMBER.fullmatch(word):
        return _mistaken(f"{quote(word)} is no number", f"write {_as_number(word)}")
    if word.startswith("'"):
        return _mistaken("a text stands in double quotes", "write \" instead of '")
    return _mistaken(f"the value {quote(word)} has to stand in quotes", f'write "{word}"')


def read_text(inside: str) -> tuple[str, bool]:
    r"""Replace the escapes of a text; tell also whether there are others than \" \\ \n and \t."""
    if "\\" not in inside:
        return inside, False
    plain = _ESCAPE.sub(lambda found: _meaning(found[1]), inside)
    return plain, any(found not in _MEANT for found in _ESCAPE.findall(inside))


def _meaning(escaped: str) -> str:
    if escaped in ("\n", "\r\n"):
        return ""
    # Another escape is Graphviz's own (a line set to the left: \l): it stays as it is.
    return _MEANT.get(escaped, f"\\{escaped}")


def _number(word: str) -> Literal:
    whole = parse_integer(word)
    if whole is not None:
        return Literal(ValueKind.INTEGER, whole)
    if "." not in word or len(word) > LONGEST_NUMBER:
        return _mistaken(f"the number {quote(word)} is too long", "write a shorter one")
    return Literal(ValueKind.FLOAT, float(word))


def _as_number(word: str) -> str:
    try:
        return Value.of(float(word)).text
    except UsageError:
        return f'"{word}"'


def _duration(word: str) -> Literal:
    try:
        return Literal(ValueKind.DURATION, parse_duration(word))
    except InvalidDuration as error:
        return _mistaken(error.message, f"{error.hint} (a text stands in quotes)".lstrip())


def _mistaken(fault: str, fix: str) -> Literal:
    return Literal(ValueKind.BARE, "", fault, fix)
