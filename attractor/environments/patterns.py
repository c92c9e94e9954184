"""Whether a path matches a pattern such as `src/**/*.py`."""

from collections.abc import Iterable, Set
from fnmatch import fnmatchcase

_ANY_FOLDERS = "**"


def matches(pattern: str, path: str) -> bool:
    """Tell whether a path, both written with slashes, matches; names with a dot are like others."""
    wanted = [part for part in pattern.split("/") if part not in ("", ".")]
    reached = _past_any(wanted, {0})
    for name in path.split("/"):
        reached = _past_any(wanted, _after(name, wanted, reached))
    return len(wanted) in reached


def _after(name: str, wanted: list[str], reached: Set[int]) -> Iterable[int]:
    for at in reached:
        if at < len(wanted) and wanted[at] == _ANY_FOLDERS:
            yield at
        elif at < len(wanted) and fnmatchcase(name, wanted[at]):
            yield at + 1


def _past_any(wanted: list[str], reached: Iterable[int]) -> Set[int]:
    """Add the places behind each `**`, which may stand for nothing."""
    places: set[int] = set()
    for at in reached:
        places.add(at)
        while at < len(wanted) and wanted[at] == _ANY_FOLDERS:
            at += 1
            places.add(at)
    return places
