"""Reports syntax that only some programs accept, and characters that look like other characters."""

import re
import unicodedata
from collections.abc import Iterator

from attractor.base.patterns import late_pattern
from attractor.language.diagnostics import Change
from attractor.language.parsing.tokens import Findings, Token
from attractor.language.source.syntax_tree import quoted
from attractor.language.source.text import COMPASS, TEXT_OR_COMMENT, comments_of

NOTED = frozenset({("DIGRAPH", "_OPEN"), ("_COLON", "ID"), ("ATTRIBUTES", "ATTRIBUTES")})
"""Pairs of adjacent token types that are not portable."""


def note_pair(token: Token, following: Token, findings: Findings) -> None:
    """Report an anonymous graph, an ignored port, or a second attribute list."""
    if following.type == "_OPEN":
        fix = "add a name: digraph Name {"
        findings.not_portable("a graph without a name", token.start, token.end, fix=fix)
    elif following.type == "ID":
        _note_port(token, following, findings)
    else:
        message, fix = "second attribute list", "use one list with commas"
        edit = _joined(token, following, findings.source.text)
        findings.not_portable(message, following.start, following.end, fix=fix, edit=edit)


def note_portability(findings: Findings) -> None:
    """Report unusual blanks and preprocessor lines."""
    text = findings.source.text
    for start, end in () if text.isascii() else odd_blanks(text):
        letter = named(text[start])
        message = f"unusual blank, which other programs treat as a letter: {letter}"
        edit = Change(start, end, " ")
        findings.not_portable(message, start, end, fix="use a plain blank", edit=edit)
    for comment in comments_of(text) if "\n#" in text or text.startswith("#") else ():
        if comment.is_preprocessor:
            message = "C preprocessor line, which is treated as a comment"
            start, end = comment.start, comment.end
            edit = Change(start, end, comment.written)
            findings.not_portable(message, start, end, fix="start it with //", edit=edit)


def _note_port(colon: Token, word: Token, findings: Findings) -> None:
    """Report a port; the fix keeps the port if it may be intended as a label."""
    name = word.id.text if word.id else ""
    message = "ignored port: pipelines do not support ports"
    start, end = colon.start, word.end
    if name in COMPASS:
        edit = findings.replacing(start, end, "")
        findings.not_portable(message, start, end, fix="remove it", edit=edit)
    else:
        fix = f"write [label={quoted(name)}] for a label, otherwise remove it"
        findings.not_portable(message, start, end, fix=fix)


def _joined(first: Token, second: Token, text: str) -> Change | None:
    """Return the change that merges two lists; None if a comment would be lost."""
    between = text[first.end : second.start]
    is_open = text[first.start : first.end - 1].rstrip().endswith((",", ";", "/", "["))
    if is_open or between.strip() or not first.attributes or not second.attributes:
        return None
    return Change(first.end - 1, second.start + 1, ", ")


_LETTERS = "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
_UNUSUAL = late_pattern(rf"(?P<letters>[{_LETTERS}]+)|(?P<blanks>[^\S \t\n\r\f\v]+)")
_ANY = late_pattern(rf"{TEXT_OR_COMMENT.pattern}|{_UNUSUAL.pattern}", re.DOTALL)


def invisible_letters(text: str) -> Iterator[tuple[int, int]]:
    """Yield the ranges of invisible characters outside of texts and comments."""
    return _places(text, "letters")


def odd_blanks(text: str) -> Iterator[tuple[int, int]]:
    """Yield the ranges of blanks that other programs treat as letters."""
    return _places(text, "blanks")


def named(letter: str) -> str:
    """Return the number and the name of a character."""
    name = unicodedata.name(letter, "").lower()
    return f"U+{ord(letter):04X}" + (f" ({name})" if name else "")


def _places(text: str, kind: str) -> Iterator[tuple[int, int]]:
    if text.isascii() or not _UNUSUAL.search(text):
        return
    for found in _ANY.finditer(text):
        if found[kind]:
            yield found.span()
