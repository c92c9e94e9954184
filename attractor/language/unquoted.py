"""Finds where a value ends that should stand in quotes."""

import re
from typing import NamedTuple

from attractor.language.attributes import ATTRIBUTES
from attractor.language.graphviz import GRAPHVIZ_ATTRIBUTES
from attractor.language.patterns import BARE, DURATION, NUMBER, WORD

_KEY = r"[^\W\d][\w.]*"
_STOP = re.compile(
    rf'[;\n"{{}}\[\]]|(?P<comma>,)|(?<=\s)(?://|/\*|\#)|(?<=\S)[^\S\n]++(?={_KEY}\s*=(?!=))'
)
_KEY_BEHIND = re.compile(rf"\s+(?P<key>{_KEY})")
# `{{x}}` and `[1, 2]` are part of a value.
_GROUPS = {
    "{": re.compile(r"\{[^{}\[\];\n\"]*(?:\{[^{}\[\];\n\"]*\}[^{}\[\];\n\"]*)*\}"),
    "[": re.compile(r"\[[^\[\]\n\"=]*\]"),
}
# Behind these a condition goes on.
_JOINS = tuple("&|(!=<>")
_WITH_ASSIGNMENTS = frozenset(
    {
        *("condition", "manager.stop_condition"),
        *("tool_command", "script", "tool_hooks.pre", "tool_hooks.post"),
    }
)
_PROSE = _WITH_ASSIGNMENTS | {
    *("label", "goal", "prompt", "inputs", "requires", "model_stylesheet"),
    *("tooltip", "comment", "xlabel", "headlabel", "taillabel"),
}


class Place(NamedTuple):
    """Where a value begins, and the key that it belongs to."""

    text: str
    at: int
    key: str
    is_in_list: bool


def end_of_unquoted(place: Place) -> tuple[int, bool]:
    """Return where a value ends, and whether it should stand in quotes.

    Whether a single word is right is another question. More words are one value where their key
    is one for prose, or where the first of them is no value.
    """
    text, at = place.text, place.at
    end, is_cut_by_quote = _end(place)
    value = text[at:end].rstrip()
    words = value.split(maxsplit=1)
    if not words or is_cut_by_quote:
        return max(end, at), False
    if len(words) == 1 and WORD.fullmatch(value):
        return at + len(value), False
    takes_words = place.is_in_list and place.key in _PROSE
    if len(words) > 1 and _is_value(words[0]) and not takes_words:
        return at + len(words[0]), False
    return at + len(value), True


def _end(place: Place) -> tuple[int, bool]:
    """Return where a value without quotes has its end, and whether that is a quote."""
    text, at = place.text, place.at
    while found := _STOP.search(text, at):
        sign = found[0]
        group = _GROUPS[sign].match(text, found.start()) if sign in _GROUPS else None
        if group:
            at = group.end()
        elif _is_part(place, found):
            at = found.end()
        else:
            return found.start(), sign == '"'
    return len(text), False


def _is_part(place: Place, found: re.Match[str]) -> bool:
    """Tell whether a comma or a blank before a key is part of the value."""
    if found["comma"]:
        return not place.is_in_list
    is_blank = found[0].isspace() and found[0] != "\n"
    return is_blank and not _begins_another(place, found)


def _begins_another(place: Place, blank: re.Match[str]) -> bool:
    """Tell whether the key behind a blank begins another attribute, and is no part of the value."""
    if not place.is_in_list or place.text.endswith(_JOINS, place.at, blank.start()):
        return False
    key = _KEY_BEHIND.match(place.text, blank.start())
    is_known = key is None or key["key"] in ATTRIBUTES or key["key"] in GRAPHVIZ_ATTRIBUTES
    return is_known or place.key not in _WITH_ASSIGNMENTS


def _is_value(word: str) -> bool:
    return any(one.fullmatch(word) for one in (BARE, NUMBER, DURATION))
