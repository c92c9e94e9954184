"""Finds letters that nobody can see, and blanks that only look like one, outside of all texts."""

import re
import unicodedata
from collections.abc import Iterator

from attractor.language.patterns import TEXT_OR_COMMENT

_LETTERS = "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
_TOLD = re.compile(rf"(?P<letters>[{_LETTERS}]+)|(?P<blanks>[^\S \t\n\r\f\v]+)")
_ANY = re.compile(rf"{TEXT_OR_COMMENT.pattern}|{_TOLD.pattern}", re.DOTALL)


def invisible_letters(text: str) -> Iterator[tuple[int, int]]:
    """Yield from where to where invisible letters stand, which belong nowhere."""
    return _places(text, "letters")


def odd_blanks(text: str) -> Iterator[tuple[int, int]]:
    """Yield from where to where blanks stand that other programs take for letters."""
    return _places(text, "blanks")


def named(letter: str) -> str:
    """Return the number and the name of a letter."""
    name = unicodedata.name(letter, "").lower()
    return f"U+{ord(letter):04X}" + (f" ({name})" if name else "")


def _places(text: str, kind: str) -> Iterator[tuple[int, int]]:
    if text.isascii() or not _TOLD.search(text):
        return
    for found in _ANY.finditer(text):
        if found[kind]:
            yield found.span()
