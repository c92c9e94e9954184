"""Writes an attribute anew from the place in a text where it was found."""

import re
from typing import NamedTuple

from attractor.language.literals import read_text, read_word
from attractor.language.patterns import ATTRIBUTE, TEXT, TEXT_OR_COMMENT
from attractor.language.tokens import Token
from attractor.language.values import ValueKind, quoted
from attractor.language.words import is_plain, written_word

_IN_QUOTES = frozenset({ValueKind.BARE, ValueKind.DURATION})


class Written(NamedTuple):
    """`key=value`, and where its parts stood."""

    text: str
    key_end: int
    value: tuple[int, int]


def read_written(text: str, found: re.Match[str]) -> Written:
    """Write what the pattern ATTRIBUTE found."""
    key, key_end = found["key"], found.end("key")
    if key is None:
        (key, _), key_end = read_text(found["quoted_key"][1:-1]), found.end("quoted_key")
    value, place = _value(text, found)
    return Written(f"{written_word(key)}={value}", key_end, place)


def written_assignment(text: str, token: Token) -> Written:
    """Write `key=value` that stands as a statement."""
    found = ATTRIBUTE.match(text, token.start, token.end)
    assert found is not None
    return read_written(text, found)


def _value(text: str, found: re.Match[str]) -> tuple[str, tuple[int, int]]:
    if found["word"] is not None:
        return _word(found["word"]), found.span("word")
    start, end = found.span("text")
    if not found["more"]:
        return text[start:end], (start, end)
    return _joined(text[start : found.end("more")]), (start, found.end("more"))


def _word(word: str) -> str:
    quotable = read_word(word).kind in _IN_QUOTES and not is_plain(word)
    return quoted(word) if quotable else word


def _joined(pieces: str) -> str:
    """Write texts joined with + as one; with a comment between them they stay as they are."""
    if any(not found[0].startswith('"') for found in TEXT_OR_COMMENT.finditer(pieces)):
        return pieces
    return '"' + "".join(piece[1:-1] for piece in TEXT.findall(pieces)) + '"'
