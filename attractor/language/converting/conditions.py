"""Turns the words of conditions into ours, without touching anything else in them."""

import re
from collections.abc import Sequence

from attractor.base.dataclasses import dataclass
from attractor.language.converting.foreign_words import NO_KEY, OUR_KEYS, OUR_OUTCOMES, OUTCOMES

# Within the quotes of an attribute, quotes and backslashes have a backslash before them.
_CLAUSE = re.compile(
    r"""(?P<key>[A-Za-z_][\w.]*)
    (?: (?P<operator>\s*!?=\s*) (?P<quote>(?:\\")?) (?P<word>[A-Za-z_][\w-]*) (?P=quote) )?
    | \\" (?: [^"\\] | \\\\ (?: \\. | [^"\\] ) | \\ [^"\\] )* \\" """,
    re.VERBOSE | re.DOTALL,
)
_OUTCOME = frozenset({"outcome", "context.outcome"})


@dataclass(frozen=True)
class ConvertedCondition:
    """A condition as it is written here, what changed in it, and what could not be changed."""

    text: str
    changed: Sequence[str]
    left: Sequence[tuple[str, str]]


def convert_condition(written: str) -> ConvertedCondition:
    """Convert a condition as it stands between its quotes.

    An outcome that is no outcome here is a way out of the stage's own naming: a preferred label.
    """
    pieces: list[str] = []
    changed: list[str] = []
    left: list[tuple[str, str]] = []
    at = 0
    for found in _CLAUSE.finditer(written):
        key, word = found["key"], found["word"]
        if key in _OUTCOME and word and word not in OUR_OUTCOMES:
            ours = _outcome(word)
            our_key, our_word = (key, ours) if ours else ("preferred_label", word)
            pieces += [written[at : found.start()], our_key, found["operator"]]
            pieces += [found["quote"], our_word, found["quote"]]
            at = found.end()
            changed.append(f"{key}={word} is {our_key}={our_word}")
        elif key and (advice := _advice(key)):
            left.append((f"nothing here writes {key}", advice))
    return ConvertedCondition("".join([*pieces, written[at:]]), changed, left)


def _outcome(word: str) -> str:
    """Return our word for an outcome; nothing for one that a tool made up."""
    plain = word.lower().replace("-", "_")
    return plain if plain in OUR_OUTCOMES else OUTCOMES.get(plain, "")


def _advice(key: str) -> str:
    if key in OUR_KEYS:
        return ""
    beginnings = (
        advice for start, advice in NO_KEY.items() if start[-1] == "." and key.startswith(start)
    )
    return NO_KEY.get(key, "") or next(beginnings, "")
