"""Parses the condition of an edge (attractor-spec 10.2)."""

import re
from collections.abc import Mapping
from functools import lru_cache

from attractor.base.patterns import late_pattern
from attractor.language.conditions.condition import ALWAYS, AllOf, Comparison, Condition, Unreadable
from attractor.language.diagnostics import InvalidCondition
from attractor.language.source.text import QUALIFIED, TEXT

_WORD = late_pattern(rf"{TEXT.pattern}|{QUALIFIED.pattern}", re.DOTALL)
_CLAUSE = late_pattern(
    rf"""\s* (?P<key> {QUALIFIED.pattern} )
    \s* (?P<operator> != | = (?![=~]) )
    \s* (?: " (?P<text> [^"\\]* ) "
          | (?P<bare> -?[0-9]+ (?![\w.:-]) | [A-Za-z_] [A-Za-z0-9_.:-]* ) )
    \s* (?P<next> && | \Z )""",
    re.VERBOSE,
)


def parse_condition(text: str) -> Condition:
    """Parse a condition, or raise InvalidCondition; an empty condition is always true."""
    if not text.strip():
        return ALWAYS
    clauses: list[Condition] = []
    at = 0
    while found := _CLAUSE.match(text, at):
        literal = found["bare"] if found["text"] is None else found["text"]
        clauses.append(Comparison(found["key"], literal, found["operator"] == "="))
        at = found.end()
        if not found["next"]:
            return clauses[0] if len(clauses) == 1 else AllOf(tuple(clauses))
    # It imports lark, which takes 30 ms, and few conditions need it.
    from attractor.language.conditions.grammar import parse_extended

    return parse_extended(text)


@lru_cache(maxsize=1024)
def read_condition(text: str) -> Condition:
    """Parse a condition; return `Unreadable` for an invalid condition."""
    try:
        return parse_condition(text)
    except InvalidCondition as error:
        return Unreadable(error.message, error.hint, error.start, error.end)


def key_places(text: str) -> Mapping[str, int]:
    """Return the first offset of each unquoted word that can be a key."""
    places: dict[str, int] = {}
    for found in _WORD.finditer(text):
        places.setdefault(found[0], found.start())
    return places
