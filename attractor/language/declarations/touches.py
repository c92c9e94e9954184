"""The files that a pipeline is expected to change, as it declares them in `touches`."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from attractor.language.graph.graph import Graph

_ANY_FOLDERS = "**"


def declared_touches(graph: Graph) -> Sequence[str]:
    """Return the patterns that a pipeline declares."""
    return read_touches(graph.attributes.text("touches"))


def read_touches(text: str) -> Sequence[str]:
    """Return the patterns of a list with commas."""
    return [*filter(None, (pattern.strip() for pattern in text.split(",")))]


def shared_touches(first: Iterable[str], second: Sequence[str]) -> Sequence[str]:
    """Return the patterns of the first list that may match a path of the second one, too."""
    return [one for one in first if any(_may_meet(_parts(one), _parts(other)) for other in second)]


def is_within(pattern: str, others: Iterable[str]) -> bool:
    """Return whether one of the other patterns matches each path that a pattern matches.

    If that is not plain, as of `a*b` and `*b`, it is denied.
    """
    parts = _parts(pattern)
    return ".." not in parts and any(_covers(_parts(other), parts) for other in others)


def _covers(wide: Sequence[str], narrow: Sequence[str]) -> bool:
    if not wide:
        return not narrow
    if wide[0] == _ANY_FOLDERS:
        return _covers(wide[1:], narrow) or (bool(narrow) and _covers(wide, narrow[1:]))
    if not narrow or narrow[0] == _ANY_FOLDERS:
        return False
    is_plain = not any(sign in narrow[0] for sign in "*?[")
    is_covered = wide[0] in ("*", narrow[0]) or (is_plain and fnmatchcase(narrow[0], wide[0]))
    return is_covered and _covers(wide[1:], narrow[1:])


def _parts(pattern: str) -> Sequence[str]:
    parts = pattern.removeprefix("./").strip("/").split("/")
    # A folder means all files in it.
    return [*parts, _ANY_FOLDERS] if pattern.endswith("/") else parts


def _may_meet(first: Sequence[str], second: Sequence[str]) -> bool:
    """Return whether a path may match both patterns, given as parts between slashes."""
    if not first or not second:
        return all(part == _ANY_FOLDERS for part in (*first, *second))
    if _ANY_FOLDERS in (first[0], second[0]):
        wide, other = (first, second) if first[0] == _ANY_FOLDERS else (second, first)
        return _may_meet(wide[1:], other) or _may_meet(wide, other[1:])
    if not _may_be_one_name(first[0], second[0]):
        return False
    return _may_meet(first[1:], second[1:])


def _may_be_one_name(first: str, second: str) -> bool:
    if any(sign in first for sign in "*?[") and any(sign in second for sign in "*?["):
        # Two patterns are taken to meet: a warning too many is better than one too few.
        return True
    return fnmatchcase(first, second) or fnmatchcase(second, first)
