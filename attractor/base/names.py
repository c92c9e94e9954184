"""Finds what a person names: the one rule for the names of actors, runs, rows, and all the rest.

A whole name comes before the beginning of a name, wherever it is; then comes the place of the
command, before all other places.
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TypeVar

from attractor.base.errors import UnknownName, UsageError

T = TypeVar("T")
_MOST_NAMED, _LONGEST_SLUG = 5, 32


def match_names(
    word: str,
    known: Iterable[T],
    names_of: Callable[[T], Sequence[str]] = lambda one: [str(one)],
    *,
    is_own: Callable[[T], bool] = lambda one: True,
) -> Sequence[T]:
    """Return those with exactly a name, otherwise those with a name that begins with the word.

    Own ones hide others. The beginning of an id may be in lower case. The empty word matches none.
    """
    named = [(one, names_of(one)) for one in known] if word else []
    found = [one for one, names in named if word in names] or [
        one for one, names in named if any(name.startswith((word, word.upper())) for name in names)
    ]
    return [one for one in found if is_own(one)] or found


def find_named(
    kind: str,
    word: str,
    known: Iterable[T],
    names_of: Callable[[T], Sequence[str]] = lambda one: [str(one)],
    *,
    is_own: Callable[[T], bool] = lambda one: True,
    elsewhere: Collection[str] = (),
    unknown: type[UnknownName] = UnknownName,
) -> T:
    """Return the only one that `match_names` finds.

    The last name of one is unique. The whole name of something `elsewhere`, which is out of reach,
    is not taken for the beginning of a name.
    """
    known = [*known]
    found = match_names(word, known, names_of, is_own=is_own)
    if len(found) > 1:
        raise ambiguous(kind, word, [names_of(one)[-1] for one in found])
    if not found:
        raise unknown(kind, word, {names_of(one)[0] for one in known})
    if word in elsewhere and word not in names_of(found[0]):
        raise UsageError(
            f"the {kind} {word} belongs to another project",
            hint=f"write the whole name: {names_of(found[0])[-1]}; or go to that project",
        )
    return found[0]


def ambiguous(kind: str, word: str, names: Sequence[str]) -> UsageError:
    """Return the error for a word that means several things."""
    shown = ", ".join(names[:_MOST_NAMED])
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return UsageError(f"ambiguous {kind} {word!r}", hint=f"write one of: {shown}{more}")


def name_after(words: str, taken: Iterable[str]) -> str:
    """Return a free name that begins with the first words of a text."""
    slug = re.sub(r"[^a-z0-9]+", "-", words.casefold()).strip("-") or "work"
    if len(slug) > _LONGEST_SLUG:
        slug = slug[: _LONGEST_SLUG + 1].rpartition("-")[0] or slug[:_LONGEST_SLUG]
    known, number = set(taken), 1
    name = slug
    while name in known:
        number += 1
        name = f"{slug}-{number}"
    return name
