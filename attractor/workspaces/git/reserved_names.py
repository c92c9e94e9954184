"""Names that git reserves for itself, and attribute files that it refuses."""

import re
from collections.abc import Sequence
from re import Pattern

from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.git.trees import FILE, PROGRAM, TreeChange, text_of

_LARGEST = 100 << 20
_LONG_LINE = re.compile(rb"[^\n]{2048}")


async def refused_attributes(store: ObjectStore, since: str, until: str) -> Sequence[str]:
    """Return the changed attribute files that git refuses.

    Storing such a file does no harm, but nobody could push or clone a branch that contains it.
    """
    changed = [one for one in await store.changes(since, until) if _is_in_attributes(one)]
    files = [one for one in changed if _is_plain_file(one)]
    others = [one.path for one in changed if not _is_plain_file(one)]
    ids = [one.after.id for one in files if one.after]
    offending = await store.with_blobs(ids, lambda texts: list(map(_offends, texts)))
    found = [one.path for one, offends in zip(files, offending, strict=True) if offends]
    return sorted(text_of(path) for path in [*others, *found])


def _is_in_attributes(change: TreeChange) -> bool:
    return change.after is not None and any(map(is_attributes, change.path.split(b"/")))


def _is_plain_file(change: TreeChange) -> bool:
    is_name = is_attributes(change.path.rpartition(b"/")[2])
    return is_name and change.after is not None and change.after.mode in (FILE, PROGRAM)


def _offends(content: bytes) -> bool:
    return len(content) > _LARGEST or _LONG_LINE.search(content) is not None


# Characters that macOS ignores in names.
_INVISIBLE = dict.fromkeys(
    [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF]
)


def is_dot_git(name: bytes) -> bool:
    """Return whether a file system may read a name as `.git`; git refuses trees with such names."""
    # Fast path for most names of a workspace.
    if name.isascii() and b"git" not in name.lower():
        return False
    return any(_is_dot_git_on_windows(part) for part in _visible_name(name).split("\\"))


def _visible_name(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape").translate(_INVISIBLE).lower()


def _is_dot_git_on_windows(part: str) -> bool:
    return part.partition(":")[0].rstrip(" .") in (".git", "git~1")


def is_modules(name: bytes) -> bool:
    """Return whether git may read a name as `.gitmodules`."""
    return _is_reserved(name, _MODULES)


def is_attributes(name: bytes) -> bool:
    """Return whether git may read a name as `.gitattributes`."""
    return _is_reserved(name, _ATTRIBUTES)


def _is_reserved(name: bytes, wanted: Pattern[str]) -> bool:
    # Fast path for most names.
    if name.isascii() and b"\\" not in name and not name.lower().startswith((b".git", b"g", b"~")):
        return False
    return any(wanted.fullmatch(part) for part in _visible_name(name).split("\\"))


def _name_pattern(name: str, hashed: str) -> Pattern[str]:
    """Return a pattern of a name and its short names on Windows; `hashed` is a hash of it."""
    short = [f"{hashed[:kept]}~[1-9][0-9]{{{6 - kept}}}" for kept in range(7)]
    names = [re.escape(f".{name}"), f"{name[:6]}~[1-4]", *short]
    return re.compile(f"(?:{'|'.join(names)})[ .]*(?::.*)?", re.DOTALL)


_MODULES = _name_pattern("gitmodules", "gi7eba")
_ATTRIBUTES = _name_pattern("gitattributes", "gi7d29")
