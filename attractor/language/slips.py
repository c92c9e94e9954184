"""Tells words that were mistyped by one slip of a finger, which nobody can have meant otherwise."""

from collections.abc import Iterable

_SHORTEST = 4


def one_slip(word: str, known: Iterable[str]) -> str:
    """Return the only known word that is one slip away, or nothing.

    A slip adds, drops or changes a letter, or swaps two neighbours. Another digit is none, and
    short words are too near to each other.
    """
    if len(word) < _SHORTEST:
        return ""
    near = [one for one in known if len(one) >= _SHORTEST and _is_slip(word, one)]
    return near[0] if len(near) == 1 else ""


def _is_slip(word: str, meant: str) -> bool:
    word, meant = word.casefold(), meant.casefold()
    if abs(len(word) - len(meant)) > 1 or word == meant:
        return word == meant
    at = next((i for i, (a, b) in enumerate(zip(word, meant, strict=False)) if a != b), None)
    if at is None:
        return not max(word, meant, key=len)[-1].isdigit()
    if word[at].isdigit() or meant[at].isdigit():
        return False
    behind = word[at:], meant[at:]
    return any(one[1:] == other for one, other in (behind, behind[::-1])) or _is_change(*behind)


def _is_change(word: str, meant: str) -> bool:
    """Tell whether the first letter was changed, or swapped with the next one."""
    swapped = "".join([*word[1:2], *word[:1], *word[2:]])
    return word[1:] == meant[1:] or swapped == meant
