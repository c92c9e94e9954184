"""Texts that a person reads as a model does: nothing invisible, and no letters of other scripts.

Invisible characters (zero-width, tags, controls of the direction, variation selectors) carry
instructions that a reviewer does not see. They are refused, except where a script or an emoji needs
them. A word that mixes scripts looks like another word, and so does a word of look-alike letters.
"""

import re
import unicodedata
from collections.abc import Iterator

from attractor.base.amounts import number_of
from attractor.base.errors import UsageError
from attractor.engine.truncation import shorten

_HINT = "write each word in one script, and no hidden characters; copied text may have some"
_SHOWN = 80
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2028\u2029\u2065\u2800\u3164\uffa0")
"""Characters without a shape that Unicode calls letters, marks or symbols."""
_HIDDEN_CATEGORIES = ("Cc", "Cf", "Cs", "Co")
_TAG = range(0xE0020, 0xE007F)
_SELECTORS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
_EMOJI_STYLES = "\ufe0e\ufe0f"
_JOINERS = "\u200c\u200d"
_JOINED = re.compile(
    "ARABIC|SYRIAC|DEVANAGARI|BENGALI|GURMUKHI|GUJARATI|ORIYA|TAMIL|TELUGU|KANNADA|MALAYALAM"
    "|SINHALA|KHMER|MYANMAR|TIBETAN|MONGOLIAN"
)
"""Scripts in which a joiner changes the shape of letters."""

_WORD = re.compile(r"[^\W\d_]+")
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK")
_SYMBOLS = frozenset("μΩΔΣπλσβθ")
"""Greek letters of units and formulas, which look like no Latin letter."""
_LIKE_LATIN = frozenset("асеорхуіјѕһԁԛԝАВЕКМНОРСТУХІЈЅΑΒΕΖΗΙΚΜΝΟΡΤΥΧοιανρυκγ")
"""Cyrillic and Greek letters that look like Latin ones."""


def faults_of_text(text: str) -> Iterator[str]:
    """Yield what in a text is hidden, or looks like something else."""
    yield from hidden_in(text)
    yield from _faults_of_words(_WORD.findall(text))


def hidden_in(text: str) -> Iterator[str]:
    """Yield what in a text is hidden."""
    if text.isascii() and text.isprintable():
        return
    hidden = [one for at, one in enumerate(text) if _is_hidden(text, at)]
    if hidden:
        named = ", ".join(map(_named, dict.fromkeys(hidden)))
        yield f"{number_of(len(hidden), 'invisible character')}: {shorten(named, _SHOWN)}"
    if words := "".join(chr(ord(one) - 0xE0000) for one in hidden if ord(one) in _TAG):
        yield f"hidden words: {shorten(words, _SHOWN)!r}"


def require_plain(text: str, place: str, error: type[UsageError]) -> None:
    """Refuse a text with something hidden or misleading."""
    for fault in faults_of_text(text):
        raise error(f"{place}: {fault}", hint=_HINT)


def _is_hidden(text: str, at: int) -> bool:
    letter = text[at]
    if letter in "\t\n\r" or (letter.isascii() and letter.isprintable()):
        return False
    before = text[at - 1 : at] if at else ""
    if letter in _EMOJI_STYLES:
        # After a symbol, a digit of a keycap, or a punctuation mark.
        return not before or unicodedata.category(before) not in ("So", "Sm", "Sk", "Po", "Nd")
    if letter in _JOINERS:
        return not _joins(before, text[at + 1 : at + 2])
    number = ord(letter)
    return (
        letter in _BLANK
        or any(number in one for one in _SELECTORS)
        or unicodedata.category(letter) in _HIDDEN_CATEGORIES
    )


def _joins(before: str, after: str) -> bool:
    """Return whether a joiner stands between parts of an emoji, or in a script that needs it."""
    if not before or not after:
        return False
    if unicodedata.category(after) == "So":
        return before in _EMOJI_STYLES or unicodedata.category(before) in ("So", "Sk")
    return all(_JOINED.match(unicodedata.name(one, "")) for one in (before, after))


def _named(letter: str) -> str:
    return f"U+{ord(letter):04X} {unicodedata.name(letter, 'without a name')}"


def _faults_of_words(words: list[str]) -> Iterator[str]:
    scripts = {word: scripts_of(word) for word in words if not word.isascii()}
    for word, found in scripts.items():
        if len(set(found.values()) - {""}) > 1:
            odd = [
                f"{letter!r} is {unicodedata.name(letter, '')}"
                for letter, script in found.items()
                if script != "LATIN"
            ]
            yield f"the word {word!r} mixes scripts: {', '.join(odd)}"
    foreign = [word for word, found in scripts.items() if set(found.values()) & {*_SCRIPTS[1:]}]
    has_latin = any(word.isascii() for word in words)
    # A text with other Cyrillic or Greek letters is really written in two scripts.
    if has_latin and foreign and all(_LIKE_LATIN.issuperset(word) for word in foreign):
        for word in foreign:
            if len(word) > 1:
                yield f"the word {word!r} looks Latin: {unicodedata.name(word[0], '')}, ..."


def scripts_of(word: str) -> dict[str, str]:
    """Return the script of each letter of a word; "" for a symbol, and for other scripts."""
    names = {letter: unicodedata.name(letter, "") for letter in word if letter not in _SYMBOLS}
    return {
        letter: next((one for one in _SCRIPTS if name.startswith(one)), "")
        for letter, name in names.items()
    }
