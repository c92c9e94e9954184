"""Finds secrets that occur in the texts of Attractor itself, where they cannot be redacted."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from attractor.engine.storage.secrets import SHORTEST, texts_of

_COULD_BE_ONE = re.compile(rf"[A-Za-z._/@:-]{{{SHORTEST},40}}")


def words_in_texts(values: Iterable[str], texts: Iterable[str]) -> frozenset[str]:
    """Return the values that occur in texts, also as a part of a longer word.

    The texts are read only where a value may be such a word: most secrets have digits.
    """
    sought = {value for value in values if _COULD_BE_ONE.fullmatch(value)}
    found = set[str]()
    for text in texts if sought else ():
        found |= {word for word in sought - found if word in text}
    return frozenset(found)


def secrets_in_own_texts(secrets: Iterable[str]) -> frozenset[str]:
    """Return the secrets, or lines of them, that occur in the texts of Attractor."""
    return words_in_texts((text for one in secrets for text in texts_of(one)), _package_texts())


def is_in_own_texts(secret: str) -> bool:
    """Return whether a secret occurs in the texts of Attractor."""
    return secret.strip() in secrets_in_own_texts([secret])


def _package_texts() -> Iterator[str]:
    """Yield the source texts, from which all names in records come."""
    yield from _read(Path(__file__).parents[2])


@cache
def _read(package: Path) -> tuple[str, ...]:
    # A part is registered by the name of its file.
    files = sorted(package.rglob("*.py"))
    return tuple(f"{one.relative_to(package)}\n{one.read_text('utf-8')}" for one in files)
